package up

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"paifang/examples"
)

// Prepare makes the state directory ready: emptied when asked, with the built-in example where it is what runs. Files
// of the example that are there stay as they were edited.
func (p *Plan) Prepare() error {
	if p.Fresh {
		if err := p.empty(); err != nil {
			return err
		}
	}
	if err := p.place(); err != nil {
		return err
	}
	return p.writeMark()
}

// place makes the state directory and, where the built-in example is what runs, its files.
func (p *Plan) place() error {
	if err := os.MkdirAll(p.State, 0o700); err != nil {
		return fmt.Errorf("up: make the state directory: %w", err)
	}
	if p.Dir != "" {
		return nil
	}
	return copyExample(p.Paths[0])
}

func copyExample(to string) error {
	const from = "two-roads"
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("up: place the example: %w", err)
	}
	files, err := examples.TwoRoads.ReadDir(from)
	if err != nil {
		return fmt.Errorf("up: read the built-in example: %w", err)
	}
	for _, f := range files {
		text, err := examples.TwoRoads.ReadFile(from + "/" + f.Name())
		if err != nil {
			return fmt.Errorf("up: read the built-in example: %w", err)
		}
		target, err := os.OpenFile(filepath.Join(to, f.Name()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("up: place the example: %w", err)
		}
		if _, err := target.Write(text); err != nil {
			return errors.Join(fmt.Errorf("up: place the example: %w", err), target.Close())
		}
		if err := target.Close(); err != nil {
			return fmt.Errorf("up: place the example: %w", err)
		}
	}
	return nil
}
