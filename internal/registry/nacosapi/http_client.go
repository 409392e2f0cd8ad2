package nacosapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"paifang/internal/registry"
)

// clients is what v2 and v3 tell of those who registered or subscribed: a connection of gRPC by its ID, an address that heartbeats
// keep as "IP:PORT#true", a persistent instance as "IP:PORT#false". All of it is about this process.
func clients() []endpoint {
	var out []endpoint
	for _, path := range []string{"/v2/ns/client", "/v3/admin/ns/client"} {
		old := strings.HasPrefix(path, "/v2/")
		for suffix, f := range map[string]handler{
			"/list": clientList, "": clientDetail, "/publish/list": publishList(old), "/subscribe/list": subscribeList(old),
			"/service/publisher/list": publisherList(old), "/service/subscriber/list": subscriberList(old),
		} {
			e := endpoint{method: "GET", path: path + suffix, need: admin, handle: f, result: true}
			if strings.HasPrefix(suffix, "/service/") {
				e.need = reads
			}
			out = append(out, e)
		}
	}
	return out
}

// clientOf is the ID of who published an instance.
func clientOf(ids map[*registry.Connection]string, p *registry.Publication) string {
	if p.By != nil {
		return ids[p.By]
	}
	return p.Instance.Addr.String() + "#" + strconv.FormatBool(p.Instance.Ephemeral)
}

// eachPublication calls f for everything that this process' clients have published.
func (c call) eachPublication(f func(client string, p *registry.Publication)) {
	ids := c.server.sessions.owners()
	for _, key := range c.Keys() {
		for _, p := range c.Publications(key) {
			f(clientOf(ids, &p), &p)
		}
	}
}

func clientList(c call) (any, error) {
	out := []string{}
	for _, p := range c.server.sessions.list() {
		out = append(out, p.ID)
	}
	c.eachPublication(func(client string, p *registry.Publication) {
		if p.By == nil {
			out = append(out, client)
		}
	})
	slices.Sort(out)
	return slices.Compact(out), nil
}

// clientInfo is a client by itself.
type clientInfo struct {
	ID        string `json:"clientId"`
	Ephemeral bool   `json:"ephemeral"`
	Updated   int64  `json:"lastUpdatedTime"` // milliseconds since 1970
	Type      string `json:"clientType"`
	Connect   string `json:"connectType,omitempty"`
	App       string `json:"appName,omitempty"`
	Version   string `json:"version,omitempty"`
	IP        string `json:"clientIp,omitempty"`
	Port      int    `json:"clientPort,omitempty"`
}

// connected returns the session whose client has an ID.
func (s *Server) connected(id string) (*session, peer) {
	var found *session
	var who peer
	s.sessions.each(func(x *session, p peer) {
		if p.ID == id {
			found, who = x, p
		}
	})
	return found, who
}

// published is what the client whose ID the parameters name has published. One that is not there is registry.ErrUnknown.
func (c call) published() (id string, x *session, who peer, list []registry.Publication, err error) {
	if id, err = c.required("clientId"); err != nil {
		return id, nil, who, nil, err
	}
	x, who = c.server.connected(id)
	c.eachPublication(func(client string, p *registry.Publication) {
		if client == id {
			list = append(list, *p)
		}
	})
	if x == nil && len(list) == 0 {
		err = fmt.Errorf("nacosapi: clientId [ %.64s ] not exist: %w", id, registry.ErrUnknown)
	}
	return id, x, who, list, err
}

func clientDetail(c call) (any, error) {
	id, x, who, list, err := c.published()
	if err != nil {
		return nil, err
	}
	last := who.Created
	for _, p := range list {
		if p.Instance.Since.After(last) {
			last = p.Instance.Since
		}
	}
	if x == nil {
		return clientInfo{ID: id, Ephemeral: list[0].Instance.Ephemeral, Updated: last.UnixMilli(), Type: "ipPort"}, nil
	}
	ip, port := hostPort(x.conn.client)
	return clientInfo{id, true, last.UnixMilli(), "connection", "GRPC", who.App, who.Version, ip, port}, nil
}

// Older forms, of v2, and newer ones of the same.
type (
	instance2 struct {
		IP      string `json:"ip"`
		Port    int    `json:"port"`
		Cluster string `json:"cluster"`
	}
	publisher2 struct {
		instance2
		Client string `json:"clientId"`
	}
	subscriber2 struct {
		Client  string `json:"clientId,omitempty"`
		App     string `json:"app"`
		Agent   string `json:"agent"`
		Address string `json:"addr"`
	}
	service2 struct {
		Namespace  string       `json:"namespace"`
		Group      string       `json:"group"`
		Service    string       `json:"serviceName"`
		Instance   *instance2   `json:"registeredInstance,omitempty"`
		Subscriber *subscriber2 `json:"subscriberInfo,omitempty"`
	}
	publisher3 struct {
		Client  string `json:"clientId"`
		IP      string `json:"ip"`
		Port    int    `json:"port"`
		Cluster string `json:"clusterName"`
	}
	subscriber3 struct {
		Client  string `json:"clientId"`
		App     string `json:"appName"`
		Agent   string `json:"agent"`
		Address string `json:"address"`
	}
	service3 struct {
		Namespace  string       `json:"namespaceId"`
		Group      string       `json:"groupName"`
		Service    string       `json:"serviceName"`
		Publisher  *publisher3  `json:"publisherInfo,omitempty"`
		Subscriber *subscriber3 `json:"subscriberInfo,omitempty"`
	}
)

func publisher(client string, p *registry.Publication) publisher3 {
	return publisher3{client, p.Instance.Addr.Addr().String(), int(p.Instance.Addr.Port()), p.Instance.Cluster}
}

func (p publisher3) older() instance2 { return instance2{p.IP, p.Port, p.Cluster} }

func (s *subscriber) newer() subscriber3 { return subscriber3{s.id, s.peer.App, s.agent(), s.address} }
func (s *subscriber) older() subscriber2 { return subscriber2{s.id, s.peer.App, s.agent(), s.address} }

// publishList is what a client has registered.
func publishList(old bool) handler {
	return func(c call) (any, error) {
		id, _, _, list, err := c.published()
		if err != nil {
			return nil, err
		}
		out := []any{}
		for _, p := range list {
			one := publisher(id, &p)
			if old {
				in := one.older()
				out = append(out, service2{p.Key.Namespace, p.Key.Group, p.Key.Service, &in, nil})
				continue
			}
			out = append(out, service3{p.Key.Namespace, p.Key.Group, p.Key.Service, &one, nil})
		}
		return out, nil
	}
}

// subscribeList is what a client is told of.
func subscribeList(old bool) handler {
	return func(c call) (any, error) {
		_, x, who, _, err := c.published()
		if err != nil {
			return nil, err
		}
		out := []any{}
		if x == nil {
			return out, nil
		}
		x.mu.Lock()
		keys := make([]registry.Key, 0, len(x.pushes.all))
		for key := range x.pushes.all {
			keys = append(keys, key)
		}
		x.mu.Unlock()
		slices.SortFunc(keys, registry.Key.Compare)
		s := subscriber{id: who.ID, peer: who, address: x.conn.client}
		for _, key := range keys {
			if old {
				one := s.older()
				one.Client = ""
				out = append(out, service2{key.Namespace, key.Group, key.Service, nil, &one})
				continue
			}
			one := s.newer()
			out = append(out, service3{key.Namespace, key.Group, key.Service, nil, &one})
		}
		return out, nil
	}
}

// asked tells whether an address is the one that the parameters ask for; where they name none, every one is.
func (c call) asked(ip string, port int) bool {
	return (c.q.Get("ip") == "" || c.q.Get("ip") == ip) && (c.q.Get("port") == "" || c.q.Get("port") == strconv.Itoa(port))
}

// publisherList is who has registered for a service.
func publisherList(old bool) handler {
	return func(c call) (any, error) {
		key, err := c.service()
		if err != nil {
			return nil, err
		}
		ids, out := c.server.sessions.owners(), []any{}
		for _, p := range c.Publications(key) {
			one := publisher(clientOf(ids, &p), &p)
			switch {
			case !c.asked(one.IP, one.Port):
			case old:
				out = append(out, publisher2{one.older(), one.Client})
			default:
				out = append(out, one)
			}
		}
		return out, nil
	}
}

// subscriberList is who is told of a service.
func subscriberList(old bool) handler {
	return func(c call) (any, error) {
		key, err := c.service()
		if err != nil {
			return nil, err
		}
		out := []any{}
		for _, s := range c.server.subscribers(key) {
			switch {
			case !c.asked(hostPort(s.address)):
			case old:
				out = append(out, s.older())
			default:
				out = append(out, s.newer())
			}
		}
		return out, nil
	}
}

// owners are the IDs of clients by what they publish with.
func (a *sessions) owners() map[*registry.Connection]string {
	out := map[*registry.Connection]string{}
	a.each(func(x *session, p peer) { out[x.owner] = p.ID })
	return out
}
