package nacos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"paifang/internal/model"
	"paifang/internal/nacosconn"
	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/source"
)

// services are those that the session knows of. What has changed waits here, each service once, until it is taken.
type services struct {
	mu    sync.Mutex
	known map[registry.Key]*known
	news  map[registry.Key]struct{}
	wake  chan struct{}
	named map[registry.Key]bool // as the server listed them last; of the goroutine that asks
}

// known is a service and its list.
type known struct {
	view  *registry.View // nil until there is a list
	wrong []model.Diagnostic
	sent  bool      // a list of it was, in this session
	read  bool      // it is subscribed to
	idle  time.Time // since when nobody uses it, though it is
	bare  time.Time // since when the server does not list it and it has no instances
	gone  bool      // it is told to be no service any more
}

// vacant tells whether there is a list, and nobody in it.
func (k *known) vacant() bool { return k.view != nil && len(k.view.Instances) == 0 }

func (s *services) init() {
	s.known = map[registry.Key]*known{}
	s.news = map[registry.Key]struct{}{}
	s.wake = make(chan struct{}, 1)
}

// How a list came here. Pushes come in order; an answer may be overtaken by a push.
type manner bool

const (
	pushed   manner = true
	answered manner = false
)

// Bounds of what one server may make us keep.
const (
	maxServices    = 100_000
	pageSize       = 1_000
	maxDiagnostics = 10 // of one service
	atOnce         = 16 // subscriptions on their way
)

// keyOf is a service of the source's namespace, as servers name it.
func (s *Source) keyOf(group, name string) registry.Key {
	group, service := nacoswire.SplitName(group, name)
	return registry.Key{Namespace: s.cfg.Namespace, Group: group, Service: service}
}

func refOf(k registry.Key) nacoswire.ServiceRef {
	return nacoswire.ServiceRef{Namespace: k.Namespace, ServiceName: k.Service, GroupName: k.Group}
}

// look lists the services, and reads those that are in use.
func (x *session) look(ctx context.Context) error {
	named, err := x.list(ctx)
	if err != nil {
		return err
	}
	x.named = named
	return x.arrange(ctx)
}

// arrange subscribes to services that are in use now and leaves those that nobody has used for a while.
func (x *session) arrange(ctx context.Context) error {
	x.src.mu.Lock()
	use := maps.Clone(x.src.inUse)
	x.src.mu.Unlock()
	if x.src.cfg.All {
		maps.Copy(use, x.named)
	}
	fresh, idle := x.sort(use, time.Now())
	if err := x.subscribe(ctx, fresh); err != nil {
		return err
	}
	for _, key := range idle {
		if _, err := nacosconn.Call[nacoswire.ServiceResponse](ctx, x.conn, nacoswire.TypeSubscribeService, nacoswire.SubscribeServiceRequest{
			ServiceRef: refOf(key),
		}); err != nil {
			return err
		}
		x.forget(key)
	}
	return nil
}

// sort notes services that came and went, and returns those to be subscribed to and those to be left.
func (x *session) sort(use map[registry.Key]bool, now time.Time) (fresh, idle []registry.Key) {
	x.services.mu.Lock()
	defer x.services.mu.Unlock()
	for _, keys := range []map[registry.Key]bool{use, x.named} {
		for key := range keys {
			if x.known[key] == nil && len(x.known) < maxServices {
				x.known[key] = &known{}
				x.tell(key)
			}
		}
	}
	for key, k := range x.known {
		x.lose(key, k, now)
		switch {
		case use[key]:
			k.idle = time.Time{}
			if !k.read {
				k.read = true // before the request: a push may overtake its answer
				fresh = append(fresh, key)
			}
		case !k.read:
			if !x.named[key] {
				delete(x.known, key)
				x.tell(key)
			}
		// One that still has instances is there, whatever the list says that was asked for before them.
		case x.src.cfg.All:
			if k.vacant() {
				idle = append(idle, key)
			}
		case k.idle.IsZero():
			k.idle = now
		case now.Sub(k.idle) >= x.src.cfg.Leave:
			idle = append(idle, key)
		}
	}
	return fresh, idle
}

// lose tells of a service that the server no longer lists and that has no instances: a locator's route for it would be used, and so
// read, for ever. It stays as long as addresses are in doubt, since the server may have lost its memory. The mutex is held.
func (x *session) lose(key registry.Key, k *known, now time.Time) {
	switch {
	case !k.vacant() || x.named[key]:
		k.bare = time.Time{}
		if k.gone {
			k.gone = false
			x.tell(key)
		}
	case k.bare.IsZero():
		k.bare = now
	case !k.gone && now.Sub(k.bare) >= x.src.cfg.Forget:
		k.gone = true
		x.tell(key)
	}
}

// tell has a service sent. The mutex is held.
func (x *session) tell(key registry.Key) {
	x.news[key] = struct{}{}
	x.rouse()
}

// list asks for the names of the configured group's services, page by page.
func (x *session) list(ctx context.Context) (map[registry.Key]bool, error) {
	all := map[registry.Key]bool{}
	for no := 1; no <= maxServices/pageSize; no++ {
		a, err := nacosconn.Call[nacoswire.ServiceListResponse](ctx, x.conn, nacoswire.TypeServiceList, nacoswire.ServiceListRequest{
			ServiceRef: nacoswire.ServiceRef{Namespace: x.src.cfg.Namespace, GroupName: x.src.cfg.Group}, PageNo: no, PageSize: pageSize,
		})
		if err != nil {
			return nil, err
		}
		for _, name := range a.ServiceNames {
			key := x.src.keyOf(x.src.cfg.Group, name)
			if key.Validate() == nil {
				all[key] = true
			}
		}
		if len(a.ServiceNames) == 0 || no*pageSize >= a.Count {
			break
		}
	}
	return all, nil
}

// subscribe subscribes to services, several at once. It returns when all have their lists, or with the first error.
func (x *session) subscribe(ctx context.Context, keys []registry.Key) error {
	var (
		work  sync.WaitGroup
		mu    sync.Mutex
		first error
	)
	places := make(chan struct{}, atOnce)
	for _, key := range keys {
		places <- struct{}{}
		work.Go(func() {
			defer func() { <-places }()
			a, err := nacosconn.Call[nacoswire.ServiceResponse](ctx, x.conn, nacoswire.TypeSubscribeService, nacoswire.SubscribeServiceRequest{
				ServiceRef: refOf(key), Subscribe: true,
			})
			if err == nil && a.ServiceInfo != nil {
				x.offer(key, a.ServiceInfo, answered)
				return
			}
			if err == nil {
				err = errors.New("the answer has no list")
			}
			// A service that the server refuses is left alone for the rest of the session; its siblings live on.
			var no *nacosconn.ServerError
			if errors.As(err, &no) && no.Code != nacoswire.ErrorUnregistered && no.Code != nacoswire.ErrorStarting {
				x.src.cfg.Log.Warn("nacos: subscription refused", "service", key.String(), "error", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				first = fmt.Errorf("nacos: subscribe %s: %w", key, err)
			}
			x.services.mu.Lock()
			if k := x.known[key]; k != nil {
				k.read = false // to be tried again
			}
			x.services.mu.Unlock()
		})
	}
	work.Wait()
	return first
}

// offer takes a list unless a newer one is known. A list without instances is taken like any other.
func (x *session) offer(key registry.Key, info *nacoswire.ServiceInfo, how manner) {
	x.services.mu.Lock()
	defer x.services.mu.Unlock()
	k := x.known[key]
	if k == nil || !k.read {
		return // not, or no longer, subscribed to
	}
	if k.view != nil && (info.LastRefTime < k.view.LastRef || how == answered && info.LastRefTime == k.view.LastRef) {
		return
	}
	view, wrong := x.src.view(key, info, k.view)
	if k.view != nil && slices.Equal(k.wrong, wrong) && slices.EqualFunc(k.view.Instances, view.Instances,
		func(a, b registry.Instance) bool { return a.Same(&b) }) {
		k.view = view // newer, and no news
		return
	}
	k.view, k.wrong = view, wrong
	x.tell(key)
}

// forget notes that a service is no longer subscribed to; of one that is still named the name stays.
func (x *session) forget(key registry.Key) {
	x.services.mu.Lock()
	defer x.services.mu.Unlock()
	if x.named[key] {
		x.known[key] = &known{}
	} else {
		delete(x.known, key)
	}
	x.tell(key)
}

func (s *services) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take returns what has changed since the last time: first lists of this session, and others.
func (x *session) take() (doubtful, certain []source.Group) {
	x.services.mu.Lock()
	defer x.services.mu.Unlock()
	for key := range x.news {
		k := x.known[key]
		if k == nil || k.gone && k.vacant() {
			certain = append(certain, registry.Group(x.src.cfg.Name, x.src.cfg.Keeper, &registry.View{Key: key}))
			continue
		}
		if !k.read {
			certain = append(certain, registry.Unread(x.src.cfg.Name, x.src.cfg.Keeper, key))
			continue
		}
		if k.view == nil {
			continue // its first list is on its way
		}
		g := registry.Group(x.src.cfg.Name, x.src.cfg.Keeper, k.view)
		if g.Objects == nil {
			g.Objects = &model.Objects{}
		}
		g.Objects.Diagnostics = k.wrong
		if k.sent {
			certain = append(certain, g)
		} else {
			doubtful = append(doubtful, g)
		}
		k.sent = true
	}
	clear(x.news)
	return doubtful, certain
}

// view reads a list. One that is protected says of everybody that he is healthy, and not whether he is. Instances at addresses that are refused are left out and diagnosed. The time an instance joined is
// known only of those that come after the first list.
func (s *Source) view(key registry.Key, info *nacoswire.ServiceInfo, before *registry.View) (*registry.View, []model.Diagnostic) {
	v := &registry.View{Key: key, Known: true, LastRef: info.LastRefTime, Revision: uint64(max(info.LastRefTime, 0))}
	var wrong []model.Diagnostic
	since := map[netip.AddrPort]time.Time{}
	var joined time.Time
	if before != nil {
		joined = time.Now()
		for _, in := range before.Instances {
			since[in.Addr] = in.Since
		}
	}
	for _, h := range info.Hosts {
		addr, err := s.address(h)
		if err != nil {
			if len(wrong) < maxDiagnostics {
				wrong = append(wrong, model.Diagnostic{
					Origin:   model.Origin{Source: s.cfg.Name, Kind: "instance", Namespace: key.Namespace, Name: key.Group + "/" + key.Service},
					Field:    fmt.Sprintf("%.64s:%d", h.IP, h.Port),
					Severity: model.Warning,
					Code:     model.CodeEndpointRefused,
					Message:  err.Error(),
				})
			}
			continue
		}
		in := registry.Instance{
			Addr: addr, Cluster: nacoswire.NonEmpty(h.ClusterName, nacoswire.DefaultCluster), Weight: h.Weight,
			Enabled: h.Enabled, Healthy: h.Healthy, Protected: info.ReachProtectionThreshold, Ephemeral: h.Ephemeral, Metadata: model.NewTags(h.Metadata), Since: joined,
		}
		if t, ok := since[addr]; ok {
			in.Since = t
		}
		v.Instances = append(v.Instances, in)
	}
	v.Sort()
	return v, wrong
}

func (s *Source) address(h nacoswire.Instance) (netip.AddrPort, error) {
	ip, err := netip.ParseAddr(h.IP)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("nacos: instance %.64q is no IP address", h.IP)
	}
	if h.Port < 1 || h.Port > 65535 {
		return netip.AddrPort{}, fmt.Errorf("nacos: instance %s has port %d", ip, h.Port)
	}
	return s.cfg.Addresses.Check(netip.AddrPortFrom(ip, uint16(h.Port)))
}
