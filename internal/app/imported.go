package app

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"paifang/internal/document"
	"paifang/internal/source/springgw"
)

// Import reads the files of Spring Cloud Gateway that Config.Sources.Routes names and returns them as our own documents.
// Beside a file named there, the one for an active profile is read too, as Spring would.
func Import(cfg Config) ([]byte, springgw.Imported, error) {
	s := springConfig(&cfg)
	s.Paths = withProfiles(s.Paths, cfg.Sources.Spring.Profiles)
	imported, err := springgw.Import(s)
	if err != nil {
		return nil, imported, fmt.Errorf("app: %w", err)
	}
	text, err := document.PrintWithOrigins(imported.Objects)
	if err != nil {
		return nil, imported, fmt.Errorf("app: import: %w", err)
	}
	return text, imported, nil
}

// withProfiles adds the files for profiles that stand beside files without one.
func withProfiles(paths, profiles []string) []string {
	out := slices.Clone(paths)
	for _, path := range paths {
		base, ok := strings.CutSuffix(path, filepath.Ext(path))
		if info, err := os.Stat(path); !ok || err != nil || info.IsDir() {
			continue
		}
		for _, p := range profiles {
			for _, ext := range []string{".yml", ".yaml", ".properties"} {
				file := base + "-" + p + ext
				if _, err := os.Stat(file); err == nil && !slices.Contains(out, file) {
					out = append(out, file)
				}
			}
		}
	}
	return out
}
