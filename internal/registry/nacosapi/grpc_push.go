package nacosapi

import (
	"fmt"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// subscribe begins a subscription, or changes its clusters, and returns the view for the answer. A push may overtake that
// answer, and older Java clients keep whichever came last; so, like Nacos, it pushes once more a little later.
func (x *session) subscribe(key registry.Key, clusters string, cfg *Config) (*registry.View, error) {
	x.mu.Lock()
	if x.pushes.all[key] == nil && len(x.pushes.all) >= cfg.MaxSubscriptions {
		x.mu.Unlock()
		return nil, fmt.Errorf("nacosapi: subscribe %s: this connection has %d subscriptions: %w", key, cfg.MaxSubscriptions, registry.ErrLimit)
	}
	x.clusters[key] = clusters
	x.pushes.add(key, time.Now().Add(cfg.Confirm))
	view := x.watcher.Add(key)
	x.mu.Unlock()
	x.rouse()
	return view, nil
}

func (x *session) unsubscribe(key registry.Key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.pushes.remove(key)
	delete(x.clusters, key)
	x.watcher.Remove(key)
}

// changed notes services to be told of.
func (x *session) changed(keys []registry.Key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, key := range keys {
		x.pushes.changed(key)
	}
}

// push renders the newest view. One that was unsubscribed from just now goes out all the same: it is true.
func (x *session) push(key registry.Key, id string, now time.Time, cfg *Config) (*nacoswire.Payload, error) {
	x.mu.Lock()
	x.pushes.sent(key, id, now, cfg)
	f := filter{clusters: x.clusters[key]}
	x.mu.Unlock()
	q := nacoswire.NotifySubscriberRequest{
		Request:     nacoswire.Request{RequestID: id, Module: nacoswire.ModuleNaming},
		ServiceInfo: render(x.registry.View(key), f),
	}
	return q.Payload()
}
