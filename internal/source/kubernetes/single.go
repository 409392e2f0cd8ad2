package kubernetes

import (
	"context"

	"paifang/internal/source/kubernetes/translate"
)

// single is a feed for one object.
type single struct {
	feed *feed
	end  context.CancelFunc
}

// mostSingles bounds the single objects that are followed, each with a watch of its own. TLS secrets are not among them, but for
// those that do not exist.
const mostSingles = 1000

// refer follows the single objects that came to be named, and no longer those that are not.
func (r *run) refer() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ref := range r.store.References() {
		s := r.singles[ref.Key]
		switch {
		case ref.Wanted && s == nil:
			r.single(ref.Key)
		case !ref.Wanted && s != nil:
			s.end()
			r.health.forget(s.feed)
			delete(r.unlisted, s.feed)
			delete(r.singles, ref.Key)
			if o, known := r.store.Get(ref.Key); known && s.feed.owns(o.Value) {
				r.store.Delete(ref.Key)
			}
		}
	}
}

func (r *run) single(key translate.Key) {
	if !r.reads(key.Namespace) && !r.opt.Translate.Names(key) {
		return
	}
	res := configMaps()
	if key.Kind == translate.KindSecret {
		res = secrets()
		if o, known := r.store.Get(key); known && isTLS(o.Value) {
			return
		}
	}
	if len(r.singles) >= mostSingles {
		r.opt.Log.Warn("too many single objects are named: this one is not read", "object", key, "most", mostSingles)
		return
	}
	f := r.feed(res, key.Namespace, "metadata.name="+key.Name)
	f.sole = !r.reads(key.Namespace)
	var end context.CancelFunc
	f.ctx, end = context.WithCancel(r.ctx)
	r.singles[key] = &single{f, end}
	r.launch(f)
}
