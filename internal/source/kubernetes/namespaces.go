package kubernetes

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"paifang/internal/source/kubernetes/translate"
)

// ValidSelector reports labels that cannot be read as kubectl writes them.
func ValidSelector(text string) error {
	if _, err := labels.Parse(text); err != nil {
		return fmt.Errorf("kubernetes: labels %q: %w", text, err)
	}
	return nil
}

// selects tells whether namespaces are read by their labels. Of a namespace without them nothing is read at all: each that has them
// has feeds of its own, which begin and end with its labels.
func (o *Options) selects() bool { return len(o.Namespaces) == 0 && o.NamespaceSelector != "" }

// chosen is a namespace that is read for its labels.
type chosen struct {
	feeds []*feed
	last  *feed // which begins when the others have listed, so that no Ingress is told that its Service does not exist; nil = it has
	end   context.CancelFunc
}

// follows are the feeds of one namespace, or of all; the first is that of Ingresses, where they are read.
func (r *run) follows(namespace string) []*feed {
	addresses := []*feed{r.feed(services(), namespace, ""), r.feed(endpointSlices(), namespace, "")}
	if r.opt.ServicesOnly {
		return addresses
	}
	return slices.Concat([]*feed{r.feed(ingresses(), namespace, "")}, addresses, []*feed{r.feed(secrets(), namespace, "type="+string(corev1.SecretTypeTLS))})
}

// choose takes what the server says of namespaces with the labels: it counts one that loses them as deleted.
func (r *run) choose(c change) {
	switch {
	case c.listed:
		there := map[string]bool{}
		for _, v := range c.all {
			there[v.GetName()] = true
		}
		for ns := range r.chosen {
			if !there[ns] {
				r.lose(ns)
			}
		}
		r.purge() // of the time when the server was away
		for ns := range there {
			r.gain(ns)
		}
	case c.gone:
		r.lose(c.object.GetName())
		r.purge()
	default:
		r.gain(c.object.GetName())
	}
}

func (r *run) gain(namespace string) {
	if r.chosen[namespace] != nil {
		return
	}
	x := &chosen{feeds: r.follows(namespace)}
	var ctx context.Context
	ctx, x.end = context.WithCancel(r.ctx)
	r.chosen[namespace] = x
	for i, f := range x.feeds {
		f.ctx = ctx
		r.main = append(r.main, f)
		if i > 0 {
			r.launch(f)
		}
	}
	x.last = x.feeds[0]
}

// goOn launches what waits for the other feeds of a namespace, if all of them have listed.
func (r *run) goOn(namespace string) {
	x := r.chosen[namespace]
	if x == nil || x.last == nil || slices.ContainsFunc(x.feeds, func(f *feed) bool { return r.unlisted[f] }) {
		return
	}
	r.launch(x.last)
	x.last = nil
}

func (r *run) lose(namespace string) {
	x := r.chosen[namespace]
	if x == nil {
		return
	}
	x.end()
	delete(r.chosen, namespace)
	for _, f := range x.feeds {
		r.health.forget(f)
		delete(r.unlisted, f)
		r.main = slices.DeleteFunc(r.main, func(o *feed) bool { return o == f })
	}
}

// purge drops the objects of namespaces that are not read, but for those that are named one by one.
func (r *run) purge() {
	for _, kind := range []translate.Kind{translate.KindIngress, translate.KindService, translate.KindEndpointSlice, translate.KindSecret} {
		var gone []translate.Key
		for key, o := range r.store.Each(kind) {
			if r.chosen[key.Namespace] == nil && !r.opt.Translate.Names(key) && !isExternal(o.Value) { // what was looked up goes with its Service
				gone = append(gone, key)
			}
		}
		for _, key := range gone {
			r.delete(key)
		}
	}
}
