package kubernetes

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// election decides by a Lease who of several replicas writes. A holder renews it; who sees it unchanged for its duration, by
// his own clock, takes it. That is the way of client-go's leader election, which would bring the clients of all of Kubernetes.
type election struct {
	client *Client
	lease  Lease
	log    *slog.Logger

	seen     string    // resource version that was seen last
	seenAt   time.Time // and when it was new
	renewed  time.Time // last time that this process took or renewed it
	identity string
}

func newElection(c *Client, l Lease, log *slog.Logger) *election {
	e := &election{client: c, lease: l, log: log, identity: l.Identity}
	if e.identity == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "paifang"
		}
		e.identity = host + "_" + rand.Text()[:8]
	}
	return e
}

// term is a time for which this process holds the lease.
type term struct {
	cancel context.CancelFunc
	work   sync.WaitGroup
}

func begin(ctx context.Context, lead func(context.Context)) *term {
	ctx, cancel := context.WithCancel(ctx)
	t := &term{cancel: cancel}
	t.work.Go(func() { lead(ctx) })
	return t
}

func (t *term) end() {
	t.cancel()
	t.work.Wait()
}

// run calls lead while this process holds the lease, with a context that ends before another one can. It returns when ctx
// ends, with the lease given back.
func (e *election) run(ctx context.Context, lead func(context.Context)) {
	var now *term
	defer e.release()
	defer func() {
		if now != nil {
			now.end()
		}
	}()
	for {
		held, err := e.try(ctx)
		if err != nil && ctx.Err() == nil {
			e.log.Debug("the lease cannot be read or written", "lease", e.lease.Name, "err", err)
		}
		switch {
		case held && now == nil:
			e.log.Info("this replica writes statuses and events now", "lease", e.lease.Namespace+"/"+e.lease.Name, "identity", e.identity)
			now = begin(ctx, lead)
		case now != nil && !held && (err == nil || time.Since(e.renewed) > e.lease.Duration*2/3):
			e.log.Warn("this replica writes no more: it has lost the lease", "lease", e.lease.Namespace+"/"+e.lease.Name, "err", err)
			now.end()
			now = nil
		}
		if !sleep(ctx, e.lease.Duration/6) {
			return
		}
	}
}

// try takes or renews the lease and tells whether this process holds it.
func (e *election) try(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, e.lease.Duration/3)
	defer cancel()
	l, err := e.get(ctx)
	if apierrors.IsNotFound(err) {
		l = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: e.lease.Namespace, Name: e.lease.Name}}
		e.sign(l)
		return e.written(e.send(ctx, l, true))
	}
	if err != nil {
		return false, err
	}
	if l.ResourceVersion != e.seen {
		e.seen, e.seenAt = l.ResourceVersion, time.Now()
	}
	if holder := deref(l.Spec.HolderIdentity); holder != "" && holder != e.identity && time.Since(e.seenAt) < e.life(l) {
		return false, nil
	}
	e.sign(l)
	return e.written(e.send(ctx, l, false))
}

// life is how long a lease lasts without being renewed: its holder may be of another version.
func (e *election) life(l *coordinationv1.Lease) time.Duration {
	if s := deref(l.Spec.LeaseDurationSeconds); s > 0 {
		return time.Duration(s) * time.Second
	}
	return e.lease.Duration
}

// sign makes this process the holder.
func (e *election) sign(l *coordinationv1.Lease) {
	now, seconds := metav1.NowMicro(), int32(max(e.lease.Duration/time.Second, 1))
	if deref(l.Spec.HolderIdentity) != e.identity {
		changes := deref(l.Spec.LeaseTransitions)
		if l.ResourceVersion != "" {
			changes++
		}
		l.Spec.AcquireTime, l.Spec.LeaseTransitions = &now, &changes
	}
	l.Spec.HolderIdentity, l.Spec.RenewTime, l.Spec.LeaseDurationSeconds = &e.identity, &now, &seconds
}

// written tells what became of a write: somebody else who was faster is no error.
func (e *election) written(err error) (bool, error) {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return false, nil
	}
	if err == nil {
		e.renewed = time.Now()
	}
	return err == nil, err
}

// release gives the lease back, so that the next one need not wait for it to run out.
func (e *election) release() {
	if e.renewed.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(2*time.Second, e.lease.Duration/3))
	defer cancel()
	l, err := e.get(ctx)
	if err != nil || deref(l.Spec.HolderIdentity) != e.identity {
		return
	}
	none := ""
	l.Spec.HolderIdentity = &none
	if err := e.send(ctx, l, false); err != nil {
		e.log.Debug("the lease could not be given back", "err", err)
	}
}

func (e *election) get(ctx context.Context) (*coordinationv1.Lease, error) {
	l := &coordinationv1.Lease{}
	err := e.client.groups[coordinationv1.SchemeGroupVersion].Get().Namespace(e.lease.Namespace).Resource("leases").Name(e.lease.Name).Do(ctx).Into(l)
	return l, err
}

func (e *election) send(ctx context.Context, l *coordinationv1.Lease, create bool) error {
	l.APIVersion, l.Kind = coordinationv1.SchemeGroupVersion.String(), "Lease"
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("kubernetes: write lease: %w", err)
	}
	c := e.client.groups[coordinationv1.SchemeGroupVersion]
	req := c.Put().Name(l.Name)
	if create {
		req = c.Post()
	}
	return req.Namespace(l.Namespace).Resource("leases").SetHeader("Content-Type", runtime.ContentTypeJSON).Body(text).Do(ctx).Error()
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
