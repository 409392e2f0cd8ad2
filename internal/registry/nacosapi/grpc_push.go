package nacosapi

import (
	"fmt"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// subscription is what a connection has to be told of one service. At most one push of it is on its way; what changes
// meanwhile is one push more, of the view as it is then. So nothing is lost, and what waits is bounded.
type subscription struct {
	clusters string
	want     bool      // something to be told
	at       time.Time // not before
	flying   string    // request ID of the push on its way
	until    time.Time // when that has failed
	failing  bool      // the last one has
}

// subscribe begins a subscription, or changes its clusters, and returns the view for the answer. A push may overtake that
// answer, and older Java clients keep whichever came last; so, like Nacos, it pushes once more a little later.
func (x *session) subscribe(key registry.Key, clusters string, cfg Config) (*registry.View, error) {
	x.mu.Lock()
	sub := x.subs[key]
	if sub == nil {
		if len(x.subs) >= cfg.MaxSubscriptions {
			x.mu.Unlock()
			return nil, fmt.Errorf("nacosapi: subscribe %s: this connection has %d subscriptions: %w", key, len(x.subs), registry.ErrLimit)
		}
		sub = &subscription{}
		x.subs[key] = sub
	}
	sub.clusters = clusters
	if !sub.want {
		sub.want, sub.at = true, time.Now().Add(cfg.Confirm)
	}
	x.pending[key] = sub
	view := x.watcher.Add(key)
	x.mu.Unlock()
	select {
	case x.poke <- struct{}{}:
	default:
	}
	return view, nil
}

func (x *session) unsubscribe(key registry.Key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if sub := x.subs[key]; sub != nil {
		delete(x.acks, sub.flying)
		delete(x.subs, key)
		delete(x.pending, key)
		x.watcher.Remove(key)
	}
}

// changed notes services to be told of, at once unless the last push of them failed.
func (x *session) changed(keys []registry.Key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, key := range keys {
		if sub := x.subs[key]; sub != nil {
			sub.want = true
			if !sub.failing {
				sub.at = time.Time{}
			}
			x.pending[key] = sub
		}
	}
}

// due returns the services to be told of now, and when to ask again; zero = when something happens.
func (x *session) due(now time.Time, cfg Config) (due []registry.Key, next time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for key, sub := range x.pending {
		if sub.flying != "" && !now.Before(sub.until) {
			x.failed(sub, now, cfg)
		}
		switch {
		case sub.flying != "":
			next = earlier(next, sub.until)
		case !sub.want:
			delete(x.pending, key)
		case now.Before(sub.at):
			next = earlier(next, sub.at)
		default:
			due = append(due, key)
			next = earlier(next, now.Add(cfg.Ack))
		}
	}
	return due, next
}

// push renders the newest view and notes that it is on its way.
func (x *session) push(key registry.Key, id string, now time.Time, cfg Config) (*nacoswire.Payload, error) {
	x.mu.Lock()
	sub := x.subs[key]
	var f filter
	if sub != nil { // else it was unsubscribed just now; what goes out all the same is true
		sub.want, sub.flying, sub.until = false, id, now.Add(cfg.Ack)
		x.acks[id] = key
		f.clusters = sub.clusters
	}
	x.mu.Unlock()
	q := nacoswire.NotifySubscriberRequest{
		Request:     nacoswire.Request{RequestID: id, Module: nacoswire.ModuleNaming},
		ServiceRef:  nacoswire.ServiceRef{Namespace: key.Namespace, ServiceName: key.Service, GroupName: key.Group},
		ServiceInfo: render(x.registry.View(key), f),
	}
	return nacoswire.NewPayload(nacoswire.TypeNotifySubscriber, q)
}

// acked takes the client's answer to a push. An answer to one that was given up is passed over.
func (x *session) acked(m received, now time.Time, cfg Config) {
	x.mu.Lock()
	defer x.mu.Unlock()
	key, ok := x.acks[m.RequestID]
	if !ok {
		return
	}
	sub := x.subs[key]
	if m.ResultCode != nacoswire.ResultOK {
		x.failed(sub, now, cfg)
		return
	}
	delete(x.acks, sub.flying)
	sub.flying, sub.failing = "", false
}

// failed has a push sent again a little later.
func (x *session) failed(sub *subscription, now time.Time, cfg Config) {
	delete(x.acks, sub.flying)
	sub.flying, sub.failing, sub.want, sub.at = "", true, true, now.Add(cfg.Retry)
}
