package nacosapi

import (
	"net"
	"strconv"

	"paifang/internal/nacoswire"
	"paifang/internal/registry/config"
)

// listeners is who listens to configurations by gRPC, and with which content. Who asks by a long poll is not in it: it comes and goes.
func listeners() []endpoint {
	return []endpoint{
		{method: "GET", path: "/v1/cs/configs/listener", need: reads, handle: v1ListenersOf, tenant: true},
		{method: "GET", path: "/v1/cs/listener", need: admin, handle: v1ListenerAt, tenant: true},
		{method: "GET", path: "/v3/admin/cs/config/listener", need: reads, handle: v3ListenersOf, result: true},
		{method: "GET", path: "/v3/admin/cs/listener", need: admin, handle: v3ListenerAt, result: true},
	}
}

// listenerInfo has MD5 sums by address of the client, where one configuration was asked for, or by configuration ("dataId+group+namespace").
type listenerInfo struct {
	Query  string            `json:"queryType"`
	Status map[string]string `json:"listenersStatus"`
}

// listenerStatus is the same before 3.0; its name is spelt as there.
type listenerStatus struct {
	Collected int               `json:"collectStatus"`
	Status    map[string]string `json:"lisentersGroupkeyStatus"`
}

// listenersOf are the clients that listen to a configuration.
func (s *Server) listenersOf(id config.ID) map[string]string {
	out := map[string]string{}
	s.sessions.each(func(x *session, p peer) {
		x.mu.Lock()
		defer x.mu.Unlock()
		if one, ok := x.tenants[id]; ok {
			out[p.IP] = one.md5
		}
	})
	return out
}

// listenerAt is what the clients of an address listen to.
func (s *Server) listenerAt(ip, namespace string) map[string]string {
	out := map[string]string{}
	s.sessions.each(func(x *session, p peer) {
		if p.IP != ip {
			return
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		for id, one := range x.tenants {
			if namespace == "" || id.Namespace == namespace {
				out[nacoswire.ConfigKey(id.Namespace, id.Group, id.Name)] = one.md5
			}
		}
	})
	return out
}

func v1ListenersOf(c call) (any, error) {
	_, id, err := c.configID("group")
	if err != nil {
		return nil, err
	}
	return listenerStatus{200, c.server.listenersOf(id)}, nil
}

func v3ListenersOf(c call) (any, error) {
	_, id, err := c.configID("groupName")
	if err != nil {
		return nil, err
	}
	return listenerInfo{"config", c.server.listenersOf(id)}, nil
}

// atAddress reads the parameters of a question about one client; all=true asks for every namespace.
func (c call) atAddress(name string) (map[string]string, error) {
	ip, err := c.required("ip")
	if err != nil {
		return nil, err
	}
	if host, _, err := net.SplitHostPort(ip); err == nil {
		ip = host
	}
	namespace := c.namespace
	if all, _ := strconv.ParseBool(c.q.Get("all")); all && c.q.Get(name) == "" {
		namespace = ""
	}
	return c.server.listenerAt(ip, namespace), nil
}

func v1ListenerAt(c call) (any, error) {
	status, err := c.atAddress("tenant")
	return listenerStatus{200, status}, err
}

func v3ListenerAt(c call) (any, error) {
	status, err := c.atAddress("namespaceId")
	return listenerInfo{"ip", status}, err
}
