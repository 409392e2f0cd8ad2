package app

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"paifang/internal/document"
	"paifang/internal/model"
	"paifang/internal/source"
)

// exported is a source whose addresses are also written to a file, as paifang.dev/v1 Endpoints: processes that read
// the file's directory as manifests learn them, as ingress nodes learn addresses from EndpointSlices.
type exported struct {
	source.Source
	file  string
	sets  map[string][]model.EndpointSet // by group
	named map[string]bool                // by this run of the source, since its start or its last full set
	last  []byte
}

func newExported(s source.Source, dir string) (*exported, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("app: export addresses: %w", err)
	}
	return &exported{Source: s, file: filepath.Join(dir, s.Name()+".yaml"), sets: map[string][]model.EndpointSet{}, named: map[string]bool{}}, nil
}

// Run passes on what the source says, and writes it down before.
func (e *exported) Run(ctx context.Context, out chan<- source.Update) error {
	clear(e.named)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	inner := make(chan source.Update)
	ended := make(chan error, 1)
	go func() { ended <- e.Source.Run(ctx, inner) }()
	for {
		select {
		case err := <-ended:
			return err
		case u := <-inner:
			if err := e.write(u); err != nil {
				cancel()
				return drain(inner, ended, err)
			}
			select {
			case out <- u:
			case <-ctx.Done():
			}
		}
	}
}

// drain waits for a source that is being left, so that it never blocks on a channel that nobody reads.
func drain(inner <-chan source.Update, ended <-chan error, err error) error {
	for {
		select {
		case <-inner:
		case <-ended: //nolint:errcheck // the error that counts is the one that made us leave
			return err
		}
	}
}

func (e *exported) write(u source.Update) error {
	for _, g := range u.Groups {
		e.named[g.Key] = true
		if len(g.Endpoints()) == 0 {
			delete(e.sets, g.Key)
		} else {
			e.sets[g.Key] = g.Endpoints()
		}
	}
	if u.Full {
		for key := range e.sets {
			if !e.named[key] {
				delete(e.sets, key)
			}
		}
		clear(e.named)
	}
	var all []model.EndpointSet
	for _, sets := range e.sets {
		all = append(all, sets...)
	}
	slices.SortFunc(all, func(a, b model.EndpointSet) int { return strings.Compare(a.List.String(), b.List.String()) })
	text := []byte("# No pods are ready.\n")
	if len(all) > 0 {
		printed, err := document.Print(model.Objects{Endpoints: all})
		if err != nil {
			return fmt.Errorf("app: export addresses: %w", err)
		}
		text = printed
	}
	if bytes.Equal(text, e.last) {
		return nil
	}
	if err := os.WriteFile(e.file+".new", text, 0o644); err != nil {
		return fmt.Errorf("app: export addresses: %w", err)
	}
	if err := os.Rename(e.file+".new", e.file); err != nil {
		return fmt.Errorf("app: export addresses: %w", err)
	}
	e.last = text
	return nil
}
