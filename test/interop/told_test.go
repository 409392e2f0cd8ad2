package interop

import "sync"

// told keeps what callbacks of clients in this process were told last.
type told struct {
	mu       sync.Mutex
	lists    map[string][]instance
	contents map[string]string
}

func newTold() *told {
	return &told{lists: map[string][]instance{}, contents: map[string]string{}}
}

func (t *told) list(service string, list []instance) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lists[service] = list
}

func (t *told) content(dataID, content string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.contents[dataID] = content
}

func (t *told) seen(service string) ([]instance, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	list, ok := t.lists[service]
	return list, ok
}

func (t *told) heard(dataID string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	content, ok := t.contents[dataID]
	return content, ok
}
