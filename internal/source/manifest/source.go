package manifest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/watch"
)

// Source watches manifests. It keeps what it knows from one Run to the next, so that a document which is broken when
// Run starts again still has its last good version.
type Source struct {
	opt     Options
	catalog *catalog
	parser  *parser
	sums    map[string][sha256.Size]byte // of what the catalog has of each file
}

var _ source.Source = (*Source)(nil)

// New returns a source over the paths. A path that does not exist is an error: "manifest: read DIR: no such file or
// directory". An empty directory is not.
func New(o Options) (*Source, error) {
	o = o.withDefaults()
	if len(o.Paths) == 0 {
		return nil, errors.New("manifest: no paths: name at least one directory or file")
	}
	if err := check(o.Paths); err != nil {
		return nil, err
	}
	return &Source{opt: o, catalog: newCatalog(o), parser: newParser(o.Name), sums: map[string][sha256.Size]byte{}}, nil
}

// check reports a path that is not there.
func check(paths []string) error {
	for _, p := range paths {
		if _, err := os.Stat(p); err != nil {
			return fmt.Errorf("manifest: read %s: %w", p, reason(err))
		}
	}
	return nil
}

// reason is an error without the path, which the caller names.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// Load reads the paths once, without watching: the groups in the order of their keys, those of files last, and every
// diagnostic in them, sorted.
func Load(o Options) ([]source.Group, []model.Diagnostic, error) {
	s, err := New(o)
	if err != nil {
		return nil, nil, err
	}
	files, err := watch.Read(s.watched())
	if err != nil {
		return nil, nil, fmt.Errorf("manifest: %w", err)
	}
	for _, f := range files {
		s.take(f)
	}
	groups := s.catalog.all()
	var diagnostics []model.Diagnostic
	for _, g := range groups {
		diagnostics = append(diagnostics, g.Objects.Diagnostics...)
	}
	slices.SortFunc(diagnostics, model.CompareDiagnostics)
	return groups, diagnostics, nil
}

// Name returns the source's name.
func (s *Source) Name() string { return s.opt.Name }

func (s *Source) watched() watch.Options {
	return watch.Options{Paths: s.opt.Paths, Accept: isManifestName, Quiet: s.opt.Quiet}
}

// Run sends everything, then what changes, until ctx ends. It returns an error when a path is not there at the start or
// the system cannot watch. A directory that goes away later is diagnosed, what it held stays, and it is read again when it
// is back. Run must not be called again before it returned.
func (s *Source) Run(ctx context.Context, out chan<- source.Update) error {
	if err := check(s.opt.Paths); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := watch.Run(ctx, s.watched(), func(c watch.Change) {
		if c.Full && c.Err != nil {
			cancel(fmt.Errorf("manifest: %w", c.Err)) // stale beats partial
			return
		}
		if c.Full {
			s.forget(c.Files)
		}
		for _, f := range c.Files {
			s.take(f)
		}
		s.catalog.lost(c.Err)
		u := source.Update{Groups: s.catalog.changed(), Full: c.Full}
		if c.Full {
			u.Groups = s.catalog.all()
		}
		if len(u.Groups) == 0 && !u.Full {
			return
		}
		select {
		case out <- u:
		case <-ctx.Done():
		}
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return fmt.Errorf("manifest: %w", err)
}

// take brings what is in a file into the catalog. What is new or changed counts at once. What is missing is given up
// once the file is settled. A file that does not end in a line break is likely to be still in the writing, and half a
// document may be readable, too: it waits as a whole, unless nothing is known of it yet.
func (s *Source) take(f watch.File) {
	if f.Err != nil {
		delete(s.sums, f.Path)
		s.catalog.fail(f.Path, reason(f.Err))
		return
	}
	if f.Gone {
		delete(s.sums, f.Path)
		s.catalog.apply(f.Path, reading{})
		s.catalog.settle(f.Path, true)
		return
	}
	if cut := len(f.Data) > 0 && f.Data[len(f.Data)-1] != '\n'; cut && !f.Settled && s.catalog.has(f.Path) {
		return
	}
	sum := sha256.Sum256(f.Data)
	if known, ok := s.sums[f.Path]; !ok || known != sum {
		s.sums[f.Path] = sum
		s.catalog.apply(f.Path, s.parser.parse(f.Path, f.Data, s.catalog.last(f.Path)))
	}
	if f.Settled {
		s.catalog.settle(f.Path, false)
	}
}

// forget gives up the files that a full listing does not have.
func (s *Source) forget(listed []watch.File) {
	there := make(map[string]bool, len(listed))
	for _, f := range listed {
		there[f.Path] = true
	}
	for _, path := range s.catalog.paths() {
		if !there[path] {
			s.take(watch.File{Path: path, Gone: true, Settled: true})
		}
	}
}
