package nacos

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"

	"paifang/internal/nacosconn"
	"paifang/internal/nacoswire"
)

// Service names a service of the client's namespace.
type Service struct {
	Name  string // required
	Group string // default "DEFAULT_GROUP"
}

func (s Service) plain() Service {
	s.Group, s.Name = nacoswire.SplitName(s.Group, s.Name)
	return s
}

// Instance is one address of a service.
type Instance struct {
	Addr     netip.AddrPort // required
	Cluster  string         // default "DEFAULT"
	Weight   float64        // share of the traffic; default 1
	Metadata map[string]string

	// Of instances that are read; those that are registered are both.
	Healthy bool
	Enabled bool
}

// complete tells whether there is what a registration needs.
func (in *Instance) complete(s Service) bool {
	return s.Name != "" && in.Addr.IsValid() && in.Addr.Port() != 0
}

// Register registers an instance, beside others that this client has registered for the service. It stays until Deregister
// or Close, and is registered again when the connection was lost.
func (c *Client) Register(ctx context.Context, s Service, in Instance) error {
	s = s.plain()
	if !in.complete(s) {
		return fmt.Errorf("nacos: register %q at %s: want a name and IP:PORT", s.Name, in.Addr)
	}
	in.Metadata = maps.Clone(in.Metadata)
	c.mu.Lock()
	c.published[s] = append(without(c.published[s], in.Addr), in)
	c.mu.Unlock()
	err := c.do(ctx, func(conn *nacosconn.Conn) error { return c.publish(ctx, conn, s) })
	if err != nil {
		c.mu.Lock()
		if rest := without(c.published[s], in.Addr); len(rest) == 0 {
			delete(c.published, s)
		} else {
			c.published[s] = rest
		}
		c.mu.Unlock()
		return fmt.Errorf("nacos: register %s at %s: %w", s.Name, in.Addr, err)
	}
	return nil
}

// Deregister takes away an instance that this client has registered; another one is no error.
func (c *Client) Deregister(ctx context.Context, s Service, addr netip.AddrPort) error {
	s = s.plain()
	c.mu.Lock()
	rest := without(c.published[s], addr)
	if len(rest) == len(c.published[s]) {
		c.mu.Unlock()
		return nil
	}
	if c.published[s] = rest; len(rest) == 0 {
		delete(c.published, s)
	}
	c.mu.Unlock()
	err := c.do(ctx, func(conn *nacosconn.Conn) error { return c.publish(ctx, conn, s) })
	if err != nil {
		return fmt.Errorf("nacos: deregister %s at %s: %w", s.Name, addr, err)
	}
	return nil
}

// Publish replaces everything that this client has registered for a service; an empty list takes it back. It fails as Register
// does, and then what was registered before stays what is registered again.
func (c *Client) Publish(ctx context.Context, s Service, list []Instance) error {
	s = s.plain()
	own := slices.Clone(list)
	for i := range own {
		if !own[i].complete(s) {
			return fmt.Errorf("nacos: register %q at %s: want a name and IP:PORT", s.Name, own[i].Addr)
		}
		own[i].Metadata = maps.Clone(own[i].Metadata)
	}
	c.mu.Lock()
	before := c.published[s]
	c.note(s, own)
	c.mu.Unlock()
	if len(before) == 0 && len(own) == 0 {
		return nil
	}
	if err := c.do(ctx, func(conn *nacosconn.Conn) error { return c.publish(ctx, conn, s) }); err != nil {
		c.mu.Lock()
		c.note(s, before)
		c.mu.Unlock()
		return fmt.Errorf("nacos: publish %s: %w", s.Name, err)
	}
	return nil
}

// note keeps what is to be published for a service. The lock is held.
func (c *Client) note(s Service, list []Instance) {
	if len(list) == 0 {
		delete(c.published, s)
		return
	}
	c.published[s] = list
}

// without is a new list without an address.
func without(list []Instance, addr netip.AddrPort) []Instance {
	return slices.DeleteFunc(slices.Clone(list), func(in Instance) bool { return in.Addr == addr })
}

// publish has a connection publish what there is for a service. It replaces what was there before: servers keep one list for each
// connection and service.
func (c *Client) publish(ctx context.Context, conn *nacosconn.Conn, s Service) error {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	c.mu.Lock()
	list := c.published[s]
	c.mu.Unlock()
	var err error
	switch len(list) {
	case 0:
		_, err = nacosconn.Call[nacoswire.InstanceResponse](ctx, conn, nacoswire.TypeInstance, nacoswire.InstanceRequest{
			ServiceRef: c.ref(s), Type: nacoswire.DeregisterInstance, Instance: nacoswire.NewInstance("0.0.0.0", 1),
		})
	case 1:
		_, err = nacosconn.Call[nacoswire.InstanceResponse](ctx, conn, nacoswire.TypeInstance, nacoswire.InstanceRequest{
			ServiceRef: c.ref(s), Type: nacoswire.RegisterInstance, Instance: wire(list[0]),
		})
	default:
		q := nacoswire.BatchInstanceRequest{ServiceRef: c.ref(s), Type: nacoswire.BatchRegisterInstance}
		for _, in := range list {
			q.Instances = append(q.Instances, wire(in))
		}
		_, err = nacosconn.Call[nacoswire.InstanceResponse](ctx, conn, nacoswire.TypeBatchInstance, q)
	}
	return err
}

func wire(in Instance) nacoswire.Instance {
	out := nacoswire.NewInstance(in.Addr.Addr().Unmap().String(), int(in.Addr.Port()))
	out.ClusterName, out.Weight, out.Metadata = cmp.Or(in.Cluster, nacoswire.DefaultCluster), cmp.Or(in.Weight, 1), in.Metadata
	return out
}

func (c *Client) ref(s Service) nacoswire.ServiceRef {
	return nacoswire.ServiceRef{Namespace: c.opt.Namespace, GroupName: s.Group, ServiceName: s.Name}
}

// Follow calls f with the list of a service as it is, and with every later one, until ctx ends; it returns its cause, or why the
// server refuses. A list without instances means that there are none. f is called by one goroutine; what changes while it
// runs is one call more. While the connection is lost, the last list stays.
func (c *Client) Follow(ctx context.Context, s Service, f func([]Instance)) error {
	s = s.plain()
	c.mu.Lock()
	list := c.lists[s]
	if list == nil {
		list = &followed[[]Instance]{news: make(chan struct{})}
		c.lists[s] = list
	}
	list.users++
	fresh := !list.known
	c.mu.Unlock()
	defer c.leave(s, list)
	if fresh {
		if err := c.do(ctx, func(conn *nacosconn.Conn) error { return c.subscribe(ctx, conn, s) }); err != nil {
			return fmt.Errorf("nacos: follow %s: %w", s.Name, err)
		}
	}
	return follow(ctx, c, list, f)
}

// follow calls f with every value.
func follow[T any](ctx context.Context, c *Client, it *followed[T], f func(T)) error {
	for {
		c.mu.Lock()
		value, known, news := it.value, it.known, it.news
		c.mu.Unlock()
		if known {
			f(value)
		}
		select {
		case <-news:
		case <-c.done:
			return ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// leave ends a subscription that nobody uses any more, where there is a connection.
func (c *Client) leave(s Service, list *followed[[]Instance]) {
	c.mu.Lock()
	list.users--
	last := list.users == 0
	if last {
		delete(c.lists, s)
	}
	conn := c.conn
	c.mu.Unlock()
	if last && conn != nil {
		_, _ = nacosconn.Call[nacoswire.ServiceResponse](conn.Context(), conn, nacoswire.TypeSubscribeService,
			nacoswire.SubscribeServiceRequest{ServiceRef: c.ref(s)}) // where it fails, pushes are passed over
	}
}

func (c *Client) subscribe(ctx context.Context, conn *nacosconn.Conn, s Service) error {
	a, err := nacosconn.Call[nacoswire.ServiceResponse](ctx, conn, nacoswire.TypeSubscribeService,
		nacoswire.SubscribeServiceRequest{ServiceRef: c.ref(s), Subscribe: true})
	if err == nil && a.ServiceInfo != nil {
		c.offer(s, a.ServiceInfo, answered)
	}
	return err
}

// How a list came here. Pushes come in order; an answer may be overtaken by a push.
type manner bool

const (
	pushed   manner = true
	answered manner = false
)

// offer takes a list unless a newer one is known: a push may have overtaken an answer. Of two pushes with one time the later counts, since
// Nacos takes the time from its clock, and two changes may be in one millisecond of it.
func (c *Client) offer(s Service, info *nacoswire.ServiceInfo, how manner) {
	list := make([]Instance, 0, len(info.Hosts))
	for _, h := range info.Hosts {
		ip, err := netip.ParseAddr(h.IP)
		if err != nil || h.Port < 1 || h.Port > 65535 {
			continue // nobody could connect there
		}
		list = append(list, Instance{netip.AddrPortFrom(ip, uint16(h.Port)), h.ClusterName, h.Weight, h.Metadata, h.Healthy, h.Enabled})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.lists[s]
	if f == nil || f.known && (info.LastRefTime < f.version || how == answered && info.LastRefTime == f.version) {
		return
	}
	if f.known && info.LastRefTime == f.version && reflect.DeepEqual(f.value, list) {
		return // the push that follows the answer to a subscription
	}
	f.version = info.LastRefTime
	f.set(list)
}
