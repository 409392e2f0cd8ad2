package registry

import "sync"

// Watcher is told which services have changed, or have come or gone. It keeps their names only, each once: who is slow sees the newest view.
type Watcher struct {
	r      *Registry
	wake   chan struct{}
	keys   map[Key]struct{} // guarded by the registry's mutex
	closed bool             // likewise

	mu    sync.Mutex
	dirty map[Key]struct{}
}

// Watch begins a watcher of single services: none yet. Its owner closes it.
func (r *Registry) Watch() *Watcher {
	return &Watcher{r: r, wake: make(chan struct{}, 1), keys: map[Key]struct{}{}, dirty: map[Key]struct{}{}}
}

// WatchNames begins a watcher that is told of every service which comes or goes. Of what is in one it is told once that is added: with
// thousands of services that nobody asks for, their changes would be most of what there is to tell. Its owner closes it.
func (r *Registry) WatchNames() *Watcher {
	w := r.Watch()
	r.mu.Lock()
	r.watchNames[w] = struct{}{}
	r.mu.Unlock()
	return w
}

// Add watches a service, known or not, and returns its view: C tells of every change after it. On a closed watcher it
// only returns the view.
func (w *Watcher) Add(key Key) *View {
	w.add(key)
	return w.r.View(key)
}

func (w *Watcher) add(key Key) {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	if w.closed {
		return
	}
	w.keys[key] = struct{}{}
	set := w.r.watching[key]
	if set == nil {
		set = map[*Watcher]struct{}{}
		w.r.watching[key] = set
	}
	set[w] = struct{}{}
	w.r.freshen(w.r.services[key])
}

// freshen brings the time of a view to the present: who begins to watch may come from another server, or from one of another
// make, whose last word was later than our last change, and would drop what is not newer. The mutex is held.
func (r *Registry) freshen(s *service) {
	if s == nil {
		return
	}
	now := r.refs.now(r.opt.Now())
	if now <= s.lastRef {
		return
	}
	s.lastRef = now
	if s.view != nil {
		v := *s.view // the list is the same
		v.LastRef = now
		s.view = &v
	}
}

// Remove ends watching a service.
func (w *Watcher) Remove(key Key) {
	w.r.mu.Lock()
	w.remove(key)
	w.r.mu.Unlock()
	w.mu.Lock()
	delete(w.dirty, key)
	w.mu.Unlock()
}

func (w *Watcher) remove(key Key) {
	delete(w.keys, key)
	if set := w.r.watching[key]; set != nil {
		delete(set, w)
		if len(set) == 0 {
			delete(w.r.watching, key)
		}
	}
}

// C is ready when something has changed since Take.
func (w *Watcher) C() <-chan struct{} { return w.wake }

// Take returns the services that have changed since the last Take, in no order.
func (w *Watcher) Take() []Key {
	w.mu.Lock()
	defer w.mu.Unlock()
	keys := make([]Key, 0, len(w.dirty))
	for k := range w.dirty {
		keys = append(keys, k)
	}
	clear(w.dirty)
	return keys
}

// Close ends the watcher.
func (w *Watcher) Close() {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	w.closed = true
	delete(w.r.watchNames, w)
	for key := range w.keys {
		w.remove(key)
	}
}

func (w *Watcher) mark(key Key) {
	w.mu.Lock()
	w.dirty[key] = struct{}{}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// wake marks a service for all who watch it. The mutex is held.
func (r *Registry) wake(key Key) {
	for w := range r.watching[key] {
		w.mark(key)
	}
}

// cameOrWent marks a service also for those who watch which there are. The mutex is held.
func (r *Registry) cameOrWent(key Key) {
	for w := range r.watchNames {
		w.mark(key)
	}
	r.wake(key)
}
