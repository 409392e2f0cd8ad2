package watch

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// look goes through everything at once. Files whose stamp is the same are not read unless an event named them.
func (r *runner) look(touched map[string]bool, now time.Time) Change {
	c, names := r.listAll(now)
	c.Files = r.pass(names, touched, now)
	sortFiles(c.Files)
	return c
}

// listAll lists every root, and notes the known files that are in no list any more.
func (r *runner) listAll(now time.Time) (c Change, names []string) {
	var errs []error
	var lists [][]string
	unlisted := map[string]bool{}
	relisted := false
	for _, root := range r.o.Paths {
		names, fresh, err := r.list(root)
		if err == nil && r.directoryWent(root, names) {
			err = fs.ErrNotExist
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("watch: list %s: %w", root, err))
			unlisted[root], relisted = true, true
			continue
		}
		lists = append(lists, names)
		relisted = relisted || fresh
	}
	if relisted {
		r.miss(lists, unlisted, now)
	}
	c.Err = errors.Join(errs...)
	if len(lists) == 1 {
		return c, lists[0]
	}
	return c, slices.Concat(lists...)
}

// pass reads those of the files that an event named or whose stamp is another one.
func (r *runner) pass(names []string, touched map[string]bool, now time.Time) (out []File) {
	for _, name := range names {
		k := r.known[name]
		if k != nil && !touched[name] && k.stamp.same(stampOf(name)) {
			continue
		}
		if f, ok := r.examine(name, now); ok {
			out = append(out, f)
		}
	}
	return out
}

// A rescan goes in strides, and between two of them is a pause so many times as long as the one before took: of a hundred
// thousand files it must neither take all the time there is nor keep a change waiting. It comes to a quarter of a percent of a core.
const (
	stride      = 256
	rescanShare = 400
)

// rescan does the next stride of a rescan, the first of which lists, and returns when the next one is due.
func (r *runner) rescan(deliver func(Change)) (after time.Duration, err error) {
	began := time.Now()
	c := Change{Err: r.standing()}
	if r.ahead == nil {
		if err := r.subscribe(); err != nil {
			return 0, err
		}
		c, r.ahead = r.listAll(began)
	}
	n := min(stride, len(r.ahead))
	c.Files = r.pass(r.ahead[:n], nil, began)
	sortFiles(c.Files)
	after = rescanShare * time.Since(began)
	if r.ahead = r.ahead[n:]; len(r.ahead) > 0 {
		after = min(after, r.o.Rescan)
	} else {
		r.ahead, after = nil, max(after, r.o.Rescan)
	}
	r.deliver(c, deliver)
	return after, nil
}

// miss notes the known files that are in no list.
func (r *runner) miss(lists [][]string, unlisted map[string]bool, now time.Time) {
	present := make(map[string]bool, len(r.known))
	for _, names := range lists {
		for _, name := range names {
			present[name] = true
		}
	}
	for name, k := range r.known {
		if !present[name] && k.state != gone && !unlisted[filepath.Dir(name)] {
			r.examineGone(name, k, now)
		}
	}
}

// listing is what a directory held when it was last read.
type listing struct {
	stamp stamp
	names []string
}

// list is list, which it asks only where the directory may have changed since. fresh tells that it did.
func (r *runner) list(root string) (names []string, fresh bool, err error) {
	st := stampOf(root) // before reading, as with files
	if was, ok := r.listings[root]; ok && was.stamp.same(st) {
		return was.names, false, nil
	}
	delete(r.listings, root)
	if names, err = list(root, r.o.Accept); err != nil {
		return nil, true, err
	}
	// Two changes within one tick of the file system's clock have one stamp.
	if st.isDir() && time.Since(st.modTime()) > time.Second {
		r.listings[root] = listing{st, names}
	}
	return names, true, nil
}

// directoryWent tells whether a root that has been a directory is not there any more: a list of the root itself, while
// files inside it are known.
func (r *runner) directoryWent(root string, names []string) bool {
	if len(names) != 1 || names[0] != root || stampOf(root).there() {
		return false
	}
	for name := range r.known {
		if filepath.Dir(name) == root {
			return true
		}
	}
	return false
}

// lookAt reads only the files that events named.
func (r *runner) lookAt(touched map[string]bool, now time.Time) Change {
	c := Change{Err: r.standing()}
	for name := range touched {
		if k := r.known[name]; k == nil {
			if s := stampOf(name); !s.there() || s.isDir() {
				continue
			}
		}
		if f, ok := r.examine(name, now); ok {
			c.Files = append(c.Files, f)
		}
	}
	sortFiles(c.Files)
	return c
}

// standing is the fault that the last change told and that nothing has ended yet.
func (r *runner) standing() error {
	if r.err == "" {
		return nil
	}
	return errors.New(r.err)
}

// examine reads a file, remembers how it stands and returns it if there is content to tell at once.
func (r *runner) examine(name string, now time.Time) (File, bool) {
	k := r.known[name]
	fresh := k == nil
	if fresh {
		k = &known{state: gone}
		r.known[name] = k
	}
	st := stampOf(name) // before reading: a change in between is seen next time
	data, err := readFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if fresh {
			delete(r.known, name)
		} else {
			r.examineGone(name, k, now)
		}
		return File{}, false
	case err != nil:
		if k.state != failed || k.failure != err.Error() {
			k.state, k.failure = failed, err.Error()
			r.changed(name, k, now)
		}
		k.stamp = st
		return File{Path: name, Err: err, Settled: true}, now.IsZero()
	}
	sum := sha256.Sum256(data)
	k.stamp = st
	if len(data) == 0 {
		if k.state != emptied {
			k.state, k.sum = emptied, sum
			r.changed(name, k, now)
		}
		return File{Path: name, Data: data}, now.IsZero()
	}
	if k.state == filled && sum == k.sum && !fresh {
		return File{}, false
	}
	k.state, k.sum = filled, sum
	r.changed(name, k, now)
	return File{Path: name, Data: data}, true
}

func (r *runner) examineGone(name string, k *known, now time.Time) {
	if k.state != gone {
		k.state, k.stamp = gone, stamp{}
		r.changed(name, k, now)
	}
}

// settle tells of the files that have been quiet: their content again, or that they are empty, gone or unreadable.
func (r *runner) settle(now time.Time) Change {
	c := Change{Err: r.standing()}
	for name, k := range r.restless {
		if now.Sub(k.since) < r.o.Quiet {
			continue
		}
		if f, changed := r.examine(name, now); changed {
			c.Files = append(c.Files, f) // it changed at the last moment and is not quiet
			continue
		}
		if now.Sub(k.since) < r.o.Quiet {
			continue
		}
		r.changed(name, k, time.Time{})
		f := File{Path: name, Settled: true}
		switch k.state {
		case gone:
			f.Gone = true
			delete(r.known, name)
		case failed:
			f.Err = errors.New(k.failure)
		default:
			data, err := readFile(name)
			if err != nil || sha256.Sum256(data) != k.sum {
				r.changed(name, k, now) // it changed between two reads: once more
				continue
			}
			f.Data = data
		}
		c.Files = append(c.Files, f)
	}
	sortFiles(c.Files)
	return c
}
