//go:build !linux

package turn

import "time"

// Take does nothing here.
func Take(time.Duration) error { return nil }
