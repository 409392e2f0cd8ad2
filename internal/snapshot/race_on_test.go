//go:build race

package snapshot

// raceEnabled: pools forget at random under the race detector, and regular expressions take their room from one.
const raceEnabled = true
