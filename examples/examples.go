// Package examples holds what `paifang up` runs when it is given no directory.
package examples

import "embed"

// TwoRoads is one application on both roads, a file per step.
//
//go:embed two-roads/*.yaml
var TwoRoads embed.FS
