package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"paifang/internal/source/kubernetes/translate"
)

// feed follows the objects of a kind, in one namespace or in all: one list, then one watch.
type feed struct {
	resource
	namespace string // empty: all
	fields    string // selector, empty: everything
	labels    string // selector, empty: everything
	sole      bool   // no other feed reads its namespace
	aside     bool   // what it says is not for the store
	client    *Client
	out       chan<- change
	health    *health
	ctx       context.Context // of the run that the feed belongs to; the reflector's store is called without one
}

// change is what a feed has to say.
type change struct {
	from   *feed
	object translate.Value   // put, or, with gone, deleted
	gone   bool              //
	listed bool              // everything there is, in all
	all    []translate.Value //
}

// String names the feed in errors: "secrets in shop (type=kubernetes.io/tls)".
func (f *feed) String() string {
	s := f.name
	if f.namespace != "" {
		s += " in " + f.namespace
	}
	if f.fields != "" {
		s += " (" + f.fields + ")"
	}
	if f.labels != "" {
		s += " (" + f.labels + ")"
	}
	return s
}

// run follows until the context ends.
func (f *feed) run() {
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector, o.LabelSelector = f.fields, f.labels
			out, err := f.client.list(ctx, f.resource, f.namespace, o)
			f.health.told(f, err)
			return out, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector, o.LabelSelector = f.fields, f.labels
			w, err := f.client.watch(ctx, f.resource, f.namespace, o)
			if o.SendInitialEvents != nil && (apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)) {
				return w, err // an older server: the list that follows counts
			}
			f.health.told(f, err)
			return w, err
		},
	}
	cache.NewReflectorWithOptions(lw, f.resource.object(), f, cache.ReflectorOptions{Name: f.String()}).RunWithContext(f.ctx)
}

// Add implements cache.ReflectorStore.
func (f *feed) Add(x any) error { return f.say(x, false) }

// Update implements cache.ReflectorStore.
func (f *feed) Update(x any) error { return f.say(x, false) }

// Delete implements cache.ReflectorStore.
func (f *feed) Delete(x any) error { return f.say(x, true) }

// Replace implements cache.ReflectorStore.
func (f *feed) Replace(all []any, _ string) error {
	c := change{from: f, listed: true, all: make([]translate.Value, 0, len(all))}
	for _, x := range all {
		v, err := f.read(x)
		if err != nil {
			return err
		}
		c.all = append(c.all, v)
	}
	return f.send(c)
}

// Resync implements cache.ReflectorStore: nothing is said twice here.
func (f *feed) Resync() error { return nil }

// Transformer has the reflector trim what it keeps while a listing comes in.
func (f *feed) Transformer() cache.TransformFunc { return trim }

var _ cache.TransformingStore = (*feed)(nil)

func (f *feed) read(x any) (translate.Value, error) {
	if _, err := trim(x); err != nil {
		return nil, err
	}
	v, ok := x.(translate.Value)
	if !ok {
		return nil, fmt.Errorf("kubernetes: %v: the server sent a %T", f, x)
	}
	return v, nil
}

func (f *feed) say(x any, gone bool) error {
	v, err := f.read(x)
	if err != nil {
		return err
	}
	return f.send(change{from: f, object: v, gone: gone})
}

func (f *feed) send(c change) error {
	select {
	case f.out <- c:
		return nil
	case <-f.ctx.Done():
		return f.ctx.Err()
	}
}

// health knows since when each feed gets no answers.
type health struct {
	mu     sync.Mutex
	failed map[*feed]failure
}

type failure struct {
	since time.Time
	err   error
}

func newHealth() *health { return &health{failed: map[*feed]failure{}} }

// told notes how a request of a feed went.
func (h *health) told(f *feed, err error) {
	if errors.Is(err, context.Canceled) || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return // nobody's fault: it was ended, or lists again
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch was, failing := h.failed[f]; {
	case err == nil:
		delete(h.failed, f)
	case failing:
		h.failed[f] = failure{was.since, err}
	default:
		h.failed[f] = failure{time.Now(), err}
	}
}

// forget drops a feed that has ended.
func (h *health) forget(f *feed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.failed, f)
}

// of is how a feed fails; ok is false where it does not.
func (h *health) of(f *feed) (x failure, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	x, ok = h.failed[f]
	return x, ok
}

// reason says what went wrong with a feed, and for a refusal which right is missing.
func reason(f *feed, err error) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("kubernetes: %v: the service account may not list and watch them: %w", f, err)
	}
	return fmt.Errorf("kubernetes: %v: %w", f, err)
}
