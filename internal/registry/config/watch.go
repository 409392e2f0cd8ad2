package config

import "sync"

// Watcher is told which configurations have changed. It keeps their names only, each once: who is slow sees the newest.
type Watcher struct {
	s    *Store
	wake chan struct{}
	ids  map[ID]struct{} // guarded by the store's mutex

	mu    sync.Mutex
	dirty map[ID]struct{}
}

// Watch begins a watcher of single configurations: none yet. Its owner closes it.
func (s *Store) Watch() *Watcher {
	return &Watcher{s: s, wake: make(chan struct{}, 1), ids: map[ID]struct{}{}, dirty: map[ID]struct{}{}}
}

// WatchAll begins a watcher of all configurations, also those to come. Its owner closes it.
func (s *Store) WatchAll() *Watcher {
	w := s.Watch()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchAll[w] = struct{}{}
	return w
}

// Add watches a configuration, there or not, and returns its MD5, empty where it is not there: C tells of every change
// after it.
func (w *Watcher) Add(id ID) string {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.ids[id] = struct{}{}
	set := w.s.watching[id]
	if set == nil {
		set = map[*Watcher]struct{}{}
		w.s.watching[id] = set
	}
	set[w] = struct{}{}
	return w.s.md5(id)
}

// Remove ends watching a configuration.
func (w *Watcher) Remove(id ID) {
	w.s.mu.Lock()
	w.remove(id)
	w.s.mu.Unlock()
	w.mu.Lock()
	delete(w.dirty, id)
	w.mu.Unlock()
}

func (w *Watcher) remove(id ID) {
	delete(w.ids, id)
	if set := w.s.watching[id]; set != nil {
		delete(set, w)
		if len(set) == 0 {
			delete(w.s.watching, id)
		}
	}
}

// C is ready when something has changed since Take.
func (w *Watcher) C() <-chan struct{} { return w.wake }

// Take returns the configurations that have changed since the last Take, in no order.
func (w *Watcher) Take() []ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := make([]ID, 0, len(w.dirty))
	for id := range w.dirty {
		ids = append(ids, id)
	}
	clear(w.dirty)
	return ids
}

// Close ends the watcher.
func (w *Watcher) Close() {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	delete(w.s.watchAll, w)
	for id := range w.ids {
		w.remove(id)
	}
}

// MD5 returns that of a configuration as this process knows it, empty where it is not there.
func (s *Store) MD5(id ID) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.md5(id)
}

func (s *Store) md5(id ID) string {
	if item := s.items[id]; item != nil {
		return item.MD5
	}
	return ""
}

// wake marks a configuration for all who watch it. The mutex is held.
func (s *Store) wake(id ID) {
	for w := range s.watching[id] {
		w.mark(id)
	}
	for w := range s.watchAll {
		w.mark(id)
	}
}

func (w *Watcher) mark(id ID) {
	w.mu.Lock()
	w.dirty[id] = struct{}{}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
