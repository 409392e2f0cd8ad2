// Command render makes the plain manifests from the chart: `make manifests` runs it in the directory deploy.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"paifang/deploy/manifests"
)

func main() {
	for _, f := range manifests.Files() {
		text, err := manifests.Render(".", f)
		if err == nil {
			err = os.WriteFile(filepath.Join("manifests", f.Name), []byte(text), 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
