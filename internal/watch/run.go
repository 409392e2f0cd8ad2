package watch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Run delivers everything first, as one Change with Full, and then each change, until ctx ends; it then returns
// ctx's error. deliver is called from this one goroutine; while it runs, events are gathered. Another error means that the
// system cannot watch.
func Run(ctx context.Context, o Options, deliver func(Change)) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch: start: %w", err)
	}
	defer w.Close()
	r := &runner{o: o.withDefaults(), w: w, known: map[string]*known{}, restless: map[string]*known{}, listings: map[string]listing{}, roots: map[string]bool{}}
	for _, p := range r.o.Paths {
		r.roots[p] = true
	}
	if err := r.subscribe(); err != nil {
		return err
	}
	deliver(r.first())
	return r.loop(ctx, deliver)
}

// known is what was last seen of one file.
type known struct {
	stamp   stamp
	sum     [sha256.Size]byte
	state   state
	failure string
	// since is when it last changed, zero once it was delivered as settled. Those where it is not are the runner's restless.
	since time.Time
}

type state uint8

const (
	filled state = iota
	emptied
	gone
	failed
)

type runner struct {
	o     Options
	w     *fsnotify.Watcher
	known map[string]*known
	// restless are the known files that are not settled: few, so that no event costs a walk through all.
	restless map[string]*known
	listings map[string]listing // of directories that rest
	roots    map[string]bool
	err      string   // what the last change said of directories
	ahead    []string // what the rescan that is under way has not come to; nil: none is
}

// changed notes that a file changed at a time; the zero time says that it is settled.
func (r *runner) changed(name string, k *known, at time.Time) {
	if k.since = at; at.IsZero() {
		delete(r.restless, name)
	} else {
		r.restless[name] = k
	}
}

// subscribe watches each root and its parent: the root itself may be replaced.
func (r *runner) subscribe() error {
	for root := range r.roots {
		if err := r.add(filepath.Dir(root)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if info, err := os.Stat(root); err == nil && info.IsDir() {
			if err := r.add(root); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

func (r *runner) add(dir string) error {
	if err := r.w.Add(dir); err != nil {
		if errors.Is(err, fs.ErrPermission) { // a parent that may not be read: the rescan stands in
			return nil
		}
		return fmt.Errorf("watch: follow %s: %w", dir, err)
	}
	return nil
}

func (r *runner) first() Change {
	c := r.look(nil, time.Time{})
	c.Full = true
	if c.Err != nil {
		r.err = c.Err.Error()
	}
	for i := range c.Files {
		c.Files[i].Settled = true
	}
	return c
}

// loop owns all timers. touched are paths that an event named; whole asks for a look at everything.
func (r *runner) loop(ctx context.Context, deliver func(Change)) error {
	rescan := time.NewTimer(r.o.Rescan)
	defer rescan.Stop()
	wake := time.NewTimer(time.Hour)
	defer wake.Stop()
	touched := map[string]bool{}
	whole := false
	var firstEvent, lastEvent, looked time.Time
	for {
		var due time.Time // of the next look
		if len(touched) > 0 || whole {
			due = lastEvent.Add(r.o.Gather)
			if latest := firstEvent.Add(4 * r.o.Gather); latest.Before(due) {
				due = latest
			}
		}
		for _, k := range r.restless {
			if at := k.since.Add(r.o.Quiet); due.IsZero() || at.Before(due) {
				due = at
			}
		}
		if due.IsZero() {
			wake.Reset(time.Hour)
		} else {
			wake.Reset(max(time.Until(due), 0))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case ev, ok := <-r.w.Events:
			if !ok {
				return errors.New("watch: the system ended the watch")
			}
			path, all := r.concerns(ev)
			if path == "" && !all {
				continue
			}
			lastEvent = time.Now()
			if len(touched) == 0 && !whole {
				firstEvent = lastEvent
				if r.replaced(ev, path) && lastEvent.Sub(looked) >= r.o.Gather/16 {
					firstEvent = lastEvent.Add(-4 * r.o.Gather) // read now: all of it is there
				}
			}
			if path != "" {
				touched[path] = true
			}
			whole = whole || all
		case _, ok := <-r.w.Errors: // an overflow: events were lost
			if !ok {
				return errors.New("watch: the system ended the watch")
			}
			if !whole && len(touched) == 0 {
				firstEvent = time.Now()
			}
			whole, lastEvent = true, time.Now()
		case <-rescan.C:
			after, err := r.rescan(deliver)
			if err != nil {
				return err
			}
			rescan.Reset(after)
		case <-wake.C:
			now := time.Now()
			if whole {
				r.ahead = nil // all of it is looked at now
				if err := r.subscribe(); err != nil {
					return err
				}
				r.deliver(r.look(touched, now), deliver)
			} else if len(touched) > 0 {
				r.deliver(r.lookAt(touched, now), deliver)
			}
			if len(touched) > 0 || whole {
				clear(touched)
				whole, looked = false, time.Now()
			}
			r.deliver(r.settle(time.Now()), deliver)
		}
	}
}

// deliver hands over a change unless it says nothing new.
func (r *runner) deliver(c Change, deliver func(Change)) {
	text := ""
	if c.Err != nil {
		text = c.Err.Error()
	}
	if len(c.Files) == 0 && text == r.err {
		return
	}
	r.err = text
	deliver(c)
}

// replaced tells of the first event about a file whether another one was renamed over it, which was written before: it is
// made, and was there. A file that is written in its place again is not made, and one that was taken away first has an event of
// that before.
func (r *runner) replaced(ev fsnotify.Event, path string) bool {
	k := r.known[path]
	return ev.Op == fsnotify.Create && k != nil && k.state == filled
}

// concerns tells which file an event is about, or that everything has to be looked at: a root that was replaced, a
// symlink that was swapped.
func (r *runner) concerns(ev fsnotify.Event) (path string, all bool) {
	name := filepath.Clean(ev.Name)
	if ev.Op == fsnotify.Chmod {
		if k := r.known[name]; k != nil && k.state == failed {
			return name, false
		}
		return "", false
	}
	if r.roots[name] {
		return name, true
	}
	base := filepath.Base(name)
	if strings.HasPrefix(base, "..") {
		return "", true // ..data of a ConfigMap mount, of which one file may be a root
	}
	if !r.roots[filepath.Dir(name)] {
		return "", false // a neighbour of a root
	}
	if !r.o.Accept(base) {
		// A file that is not read, unless it is what a symlink beside it points to.
		info, err := os.Lstat(name)
		return "", err == nil && (info.IsDir() || info.Mode()&fs.ModeSymlink != 0)
	}
	return name, false
}
