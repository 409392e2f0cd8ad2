package filter

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"paifang/internal/model"
	"paifang/internal/upstream"
)

// Clock tells the time. Filters take it from Env, so that tests can.
type Clock interface{ Now() time.Time }

// Env is what a filter may touch while it is built.
type Env struct {
	Clock  Clock
	Route  model.RouteID
	Object string           // the object that the route was made of, told apart from every other one: several routes may be of one
	Secret model.SecretData // what FilterSpec.Secret names
	// Upstreams are those that FilterSpec.Upstreams names, in its order. They are held longer than the filter is open.
	Upstreams []*upstream.Handle
	lease     *lease
}

// ownerOf names the object that a route comes from.
func ownerOf(r *model.Route) string {
	o := &r.Origin
	if o.Name == "" {
		return "route " + string(r.ID)
	}
	return fmt.Sprintf("%q %q %q %q", o.Source, o.Kind, o.Namespace, o.Name)
}

// Shared is state that filters of several routes and generations use together: buckets, key sets. Make one per process
// with NewShared.
type Shared struct {
	Log    *slog.Logger // of what befalls those whom filters ask; nil = nowhere. Set it before anything is bound
	mu     sync.Mutex
	values map[string]*sharedValue
}

type sharedValue struct {
	value io.Closer
	users int
}

// NewShared returns an empty table.
func NewShared() *Shared { return &Shared{values: map[string]*sharedValue{}} }

// Len is the number of values in use.
func (s *Shared) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.values)
}

// lease is what one chain holds of the table.
type lease struct {
	table *Shared
	keys  []string
}

func (l *lease) release() error {
	if l.table == nil {
		return nil
	}
	l.table.mu.Lock()
	var last []io.Closer
	for _, k := range l.keys {
		v := l.table.values[k]
		if v.users--; v.users == 0 {
			delete(l.table.values, k)
			last = append(last, v.value)
		}
	}
	l.keys = nil
	l.table.mu.Unlock()
	var errs []error
	for _, c := range last {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Use returns the shared value for key and opens it on first use. It is closed when the last filter of the last
// generation that used it has been retired. The key must hold everything that tells two values apart: kind, namespace,
// name and rule of their owner. open must not use the table itself.
func Use[T io.Closer](env Env, key string, open func() (T, error)) (T, error) {
	var none T
	if env.lease == nil || env.lease.table == nil {
		return none, errors.New("filter: share state: there is no table")
	}
	t := env.lease.table
	t.mu.Lock()
	defer t.mu.Unlock()
	v := t.values[key]
	if v == nil {
		opened, err := open()
		if err != nil {
			return none, fmt.Errorf("filter: open shared %s: %w", key, err)
		}
		v = &sharedValue{value: opened}
		t.values[key] = v
	}
	value, ok := v.value.(T)
	if !ok {
		return none, fmt.Errorf("filter: shared %s is a %T, not a %T", key, v.value, none)
	}
	v.users++
	env.lease.keys = append(env.lease.keys, key)
	return value, nil
}
