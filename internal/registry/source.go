package registry

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/source"
)

// Doubt is how long addresses that are missing from the first list of a registry stay as a last resort: as long as an
// instance may be silent.
const Doubt = DefaultDelete

// Source feeds the Hub from a registry in this process: a group for each service, with one endpoint set where an upstream has used
// it, and its name alone where none has. Without that a process which is nothing but a registry would spend a fifth of its time on
// lists that nobody asks for.
type Source struct {
	name, keeper string
	provider     Starter

	mu       sync.Mutex
	used     map[Key]bool                 // false: not any more
	reported shard.Map[model.EndpointsID] // what used was made from
	news     []Key                        // what has changed in it
	wake     chan struct{}
}

var (
	_ source.Source   = (*Source)(nil)
	_ source.Reporter = (*Source)(nil)
)

// NewSource returns a source with a name of its own and the keeper that its lists carry (model.KeeperRegistry, or
// "registry/NAME" for a further one).
func NewSource(name, keeper string, p Starter) *Source {
	return &Source{name: name, keeper: keeper, provider: p, used: map[Key]bool{}, wake: make(chan struct{}, 1)}
}

// Name is the name given to NewSource.
func (s *Source) Name() string { return s.name }

// Report notes which lists upstreams use. One that was used is read as long as its service is there: of a route that went, requests may
// be on their way.
func (s *Source) Report(_ context.Context, r source.Report) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range r.InUse.Changes(s.reported) {
		list := c.New
		if !c.HasNew {
			list = c.Old
		}
		key, err := ParseKey(list.Name)
		if list.Keeper != s.keeper || err != nil || s.used[key] == c.HasNew {
			continue
		}
		s.used[key] = c.HasNew
		s.news = append(s.news, key)
	}
	s.reported = r.InUse
	if len(s.news) > 0 {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// take returns the services whose use has changed since it was asked last, or all of which it is known.
func (s *Source) take(all bool) []Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.news
	if s.news = nil; all {
		out = slices.Collect(maps.Keys(s.used))
	}
	return out
}

// reads tells whether a service is read. One that went is not, unless it is used.
func (s *Source) reads(key Key, there bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	used, was := s.used[key]
	if was && !used && !there {
		delete(s.used, key)
		return false
	}
	return was
}

// group renders a service as far as it is to be known, and ends watching what is not read.
func (s *Source) group(w *Watcher, key Key) source.Group {
	there := w.r.Has(key)
	if s.reads(key, there) {
		return Group(s.name, s.keeper, w.r.View(key))
	}
	w.Remove(key)
	if there {
		return Unread(s.name, s.keeper, key)
	}
	return source.Group{Key: groupKey(key)}
}

// follow begins to watch services whose use has changed, as far as they are read.
func (s *Source) follow(w *Watcher, keys []Key) {
	for _, key := range keys {
		if s.reads(key, w.r.Has(key)) {
			w.add(key)
		}
	}
}

// Run sends all services, then every change, and fails when the registry is stopped. The next Run says nothing until one
// is started, so that what is registered there counts at once; its first list is in doubt, because a registry that was
// started again has lost its memory.
func (s *Source) Run(ctx context.Context, out chan<- source.Update) error {
	select {
	case <-s.provider.Started():
	case <-ctx.Done():
		return nil
	}
	r, ok := s.provider.Current()
	if !ok {
		return errStopped
	}
	w := r.WatchNames()
	defer w.Close()
	s.follow(w, s.take(true))
	u := source.Update{Full: true, Doubt: Doubt}
	for _, key := range r.Keys() {
		u.Groups = append(u.Groups, s.group(w, key))
	}
	var pace pacer
	for {
		select {
		case <-r.Done(): // what a registry loses by being closed is not news
			return errStopped
		default:
		}
		if u.Full || len(u.Groups) > 0 {
			select {
			case out <- u:
			case <-r.Done():
				return errStopped
			case <-ctx.Done():
				return nil
			}
		}
		var keys []Key
		select {
		case <-s.wake: // somebody waits for these
			keys = s.take(false)
			s.follow(w, keys)
		case <-w.C():
			if wait := pace.wait(time.Now()); wait > 0 {
				select {
				case <-time.After(wait):
				case <-r.Done():
					return errStopped
				case <-ctx.Done():
					return nil
				}
			}
			keys = w.Take()
			pace.took(len(keys), time.Now())
		case <-r.Done():
			return errStopped
		case <-ctx.Done():
			return nil
		}
		u = source.Update{}
		for _, key := range keys {
			u.Groups = append(u.Groups, s.group(w, key))
		}
	}
}

// A few changes are news at once. Of a crowd of them, as when all clients register again, what follows the first waits for the end of a
// short span and is one Update then: a service that many register for is rendered a few times and not for each.
const (
	crowd = 8
	span  = 15 * time.Millisecond
)

// pacer knows how many services changed in the present span.
type pacer struct {
	began time.Time
	n     int
}

// wait is how long what has changed now has to wait.
func (p *pacer) wait(now time.Time) time.Duration {
	if p.n < crowd {
		return 0
	}
	return p.began.Add(span).Sub(now)
}

func (p *pacer) took(n int, now time.Time) {
	if now.Sub(p.began) >= span {
		p.began, p.n = now, 0
	}
	p.n += n
}

var errStopped = errors.New("registry: not running")

// shown are the instances as the gateway uses them: where a protect threshold was set and too few are healthy, all count as
// healthy. Without one it does not act here, whatever clients of the protocol are shown: a last resort is the gateway's own matter.
func (v *View) shown() []Instance {
	if v.Settings == nil || v.Settings.ProtectThreshold == 0 {
		return v.Instances
	}
	healthy, total := 0, 0
	for i := range v.Instances {
		if in := &v.Instances[i]; in.Enabled {
			total++
			if in.Healthy {
				healthy++
			}
		}
	}
	if !v.Protected(healthy, total) {
		return v.Instances
	}
	all := slices.Clone(v.Instances)
	for i := range all {
		all[i].Healthy = true
	}
	return all
}

// Unread renders the name of a service of which nobody has asked what is in it.
func Unread(name, keeper string, key Key) source.Group {
	return source.Group{Key: groupKey(key), Objects: &model.Objects{Endpoints: []model.EndpointSet{{
		List: model.EndpointsID{Keeper: keeper, Name: key.String()}, Origin: originOf(name, key), Unread: true,
	}}}}
}

func groupKey(key Key) string { return "service/" + key.String() }

func originOf(name string, key Key) model.Origin {
	return model.Origin{Source: name, Kind: "service", Namespace: key.Namespace, Name: key.Group + "/" + key.Service}
}

// Group renders a view for the Hub. A service that is not known becomes an empty group, which deletes it; one without
// instances becomes an empty list.
func Group(name, keeper string, v *View) source.Group {
	g := source.Group{Key: groupKey(v.Key)}
	if !v.Known {
		return g
	}
	set := model.EndpointSet{
		List:      model.EndpointsID{Keeper: keeper, Name: v.Key.String()},
		Origin:    originOf(name, v.Key),
		Revision:  v.Revision,
		Endpoints: make([]model.Endpoint, 0, len(v.Instances)),
	}
	shown := v.shown()
	for i := range shown {
		in := &shown[i]
		// One address in two clusters is one endpoint: the first by cluster that may be chosen.
		if n := len(set.Endpoints); n > 0 && set.Endpoints[n-1].Addr == in.Addr {
			if e := in.Endpoint(); e.State < set.Endpoints[n-1].State {
				set.Endpoints[n-1] = e
			}
			continue
		}
		set.Endpoints = append(set.Endpoints, in.Endpoint())
	}
	g.Objects = &model.Objects{Endpoints: []model.EndpointSet{set}}
	return g
}
