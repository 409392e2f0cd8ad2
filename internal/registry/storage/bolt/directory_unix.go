//go:build !windows

package bolt

import "os"

// syncDirectory makes a name in a directory outlive the machine's power.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
