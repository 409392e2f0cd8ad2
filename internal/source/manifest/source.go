package manifest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"paifang/internal/model"
	"paifang/internal/source"
)

// Source watches manifests. It keeps what it knows from one Run to the next, so that a document which is broken when
// Run starts again still has its last good version.
type Source struct {
	opt     Options
	catalog *catalog
	files   map[string]*tracked
}

// tracked is what Run knows of a file beside its objects.
type tracked struct {
	last    content
	read    bool      // last is what the catalog has
	waiting bool      // its end looks cut off: it is taken in when it has been quiet
	restsAt time.Time // when it will have been quiet; zero = it is
}

var _ source.Source = (*Source)(nil)

// New returns a source over the paths. A path that does not exist is an error: "manifest: read DIR: no such file or
// directory". An empty directory is not.
func New(o Options) (*Source, error) {
	o = o.withDefaults()
	if len(o.Paths) == 0 {
		return nil, errors.New("manifest: no paths: name at least one directory or file")
	}
	if _, err := list(o.Paths); err != nil {
		return nil, err
	}
	return &Source{opt: o, catalog: newCatalog(o), files: map[string]*tracked{}}, nil
}

// Load reads the paths once, without watching: the groups in the order of their keys, those of files last, and every
// diagnostic in them, sorted.
func Load(o Options) ([]source.Group, []model.Diagnostic, error) {
	s, err := New(o)
	if err != nil {
		return nil, nil, err
	}
	if err := s.refreshAll(); err != nil {
		return nil, nil, err
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

// Run sends everything, then what changes, until ctx ends. It returns an error when a directory is gone or cannot be
// watched; the Hub starts it again. It must not be called again before it returned.
func (s *Source) Run(ctx context.Context, out chan<- source.Update) (err error) {
	w, err := newWatch(s.opt.Paths) // before the listing, so that nothing is missed in between
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := s.refreshAll(); err != nil {
		return err
	}
	if !send(ctx, out, source.Update{Groups: s.catalog.all(), Full: true}) {
		return nil
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(s.rest())
		var first *fsnotify.Event
		var failure error
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.fs.Events:
			if !ok {
				return errors.New("manifest: watch: ended")
			}
			first = &e
		case failure = <-w.fs.Errors:
		case <-timer.C:
		}
		all, err := s.events(w, first, failure)
		if err != nil {
			return err
		}
		if all {
			if err := s.refreshAll(); err != nil {
				return err
			}
		}
		s.settle()
		if groups := s.catalog.changed(); len(groups) > 0 && !send(ctx, out, source.Update{Groups: groups}) {
			return nil
		}
	}
}

func send(ctx context.Context, out chan<- source.Update, u source.Update) bool {
	select {
	case out <- u:
		return true
	case <-ctx.Done():
		return false
	}
}

// events reads again every file that the pending events name, and once more those that are written meanwhile, so that
// a file written in several pieces is seldom sent on in pieces. all is true where everything must be looked at.
func (s *Source) events(w *watch, first *fsnotify.Event, failure error) (all bool, err error) {
	const rounds = 16 // a file that never rests must not hold up the others
	for range rounds {
		files := map[string]bool{} // whether it was only written to, and not put there whole
		for first != nil || failure != nil {
			if failure != nil && !errors.Is(failure, fsnotify.ErrEventOverflow) {
				return false, fmt.Errorf("manifest: watch: %w", failure)
			}
			all = all || failure != nil
			if first != nil {
				some, everything, err := w.affected(*first)
				if err != nil {
					return false, err
				}
				all = all || everything
				for _, f := range some {
					before, known := files[f]
					files[f] = !first.Has(fsnotify.Create) && (before || !known)
				}
			}
			first, failure = w.pending()
		}
		if all || len(files) == 0 {
			return all, nil
		}
		for f, written := range files {
			s.refresh(f, written)
		}
		first, failure = w.pending()
	}
	return all, nil
}

// rest is the time until the next file will have been quiet.
func (s *Source) rest() time.Duration {
	next := time.Hour
	for _, t := range s.files {
		if !t.restsAt.IsZero() {
			next = min(next, max(time.Until(t.restsAt), 0))
		}
	}
	return next
}

// refreshAll reads every file of the paths, and those known before.
func (s *Source) refreshAll() error {
	files, err := list(s.opt.Paths)
	if err != nil {
		return err
	}
	for _, f := range slices.Compact(slices.Sorted(slices.Values(append(files, slices.Collect(maps.Keys(s.files))...)))) {
		s.refresh(f, false)
	}
	return nil
}

// refresh reads a file again and takes in what is new or changed; what is missing waits for the file to rest. A file
// that is being written and does not end in a line break waits as a whole: half a document may be readable, too.
func (s *Source) refresh(path string, written bool) {
	path = filepath.Clean(path)
	t := s.files[path]
	if t == nil {
		t = &tracked{}
		s.files[path] = t
	}
	t.restsAt = time.Now().Add(s.opt.Quiet)
	now, err := read(path)
	if err != nil {
		t.read = false
		s.catalog.fail(path, err)
		return
	}
	if t.read && now.gone == t.last.gone && now.sum == t.last.sum {
		t.waiting = false
		return
	}
	if now.gone && !t.read && s.catalog.files[path] == nil {
		delete(s.files, path)
		return
	}
	t.waiting = written && len(now.data) > 0 && now.data[len(now.data)-1] != '\n' && s.catalog.has(path)
	if t.waiting {
		return
	}
	t.last, t.read = content{sum: now.sum, gone: now.gone}, true
	s.catalog.apply(path, parse(path, now.data, s.opt.Name))
}

// settle gives up what files have lost that have been quiet. A file is read once more first: an event may still be on
// its way to us while the file is already cut short.
func (s *Source) settle() {
	for path, t := range s.files {
		if t.restsAt.IsZero() || time.Until(t.restsAt) > 0 {
			continue
		}
		if f := s.catalog.files[path]; f != nil && len(f.held) > 0 || t.last.gone || t.waiting {
			before := t.last
			s.refresh(path, false)
			if s.files[path] == nil || t.last.sum != before.sum || t.last.gone != before.gone {
				continue
			}
		}
		s.giveUp(path, t)
	}
}

func (s *Source) giveUp(path string, t *tracked) {
	t.restsAt = time.Time{}
	if !t.read {
		return
	}
	s.catalog.settle(path, t.last.gone)
	if t.last.gone && s.catalog.files[path] == nil {
		delete(s.files, path)
	}
}
