package nacosapi

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// subscriber is who is told of a service.
type subscriber struct {
	id       string
	clusters string
	peer     peer
	address  string // IP:PORT
}

// agent is the client's program, as it names itself.
func (s *subscriber) agent() string { return s.peer.Version }

// subscribers are those of one service, sorted; of connections and by UDP.
func (s *Server) subscribers(key registry.Key) []subscriber {
	var out []subscriber
	s.sessions.each(func(x *session, p peer) {
		x.mu.Lock()
		if x.pushes.all[key] != nil {
			out = append(out, subscriber{p.ID, x.clusters[key], p, x.conn.client})
		}
		x.mu.Unlock()
	})
	for _, k := range s.udp.subscribers(key) {
		out = append(out, subscriber{id: k.to.String(), clusters: k.clusters, address: k.to.String()})
	}
	slices.SortFunc(out, func(a, b subscriber) int {
		return cmp.Or(strings.Compare(a.address, b.address), strings.Compare(a.clusters, b.clusters))
	})
	return out
}

// subscriber1 is a subscriber as v1 lists it; subscriberOf as v3 does.
type subscriber1 struct {
	Address   string `json:"addrStr"`
	Agent     string `json:"agent"`
	App       string `json:"app"`
	IP        string `json:"ip"`
	Port      int    `json:"port"`
	Namespace string `json:"namespaceId"`
	Service   string `json:"serviceName"` // with its group
	Cluster   string `json:"cluster"`
}

type subscriberOf struct {
	Namespace string `json:"namespaceId"`
	Group     string `json:"groupName"`
	Service   string `json:"serviceName"`
	IP        string `json:"ip"`
	Port      int    `json:"port"`
	Agent     string `json:"agent"`
	App       string `json:"appName"`
}

type subscribers1 struct {
	Subscribers []subscriber1 `json:"subscribers"`
	Count       int           `json:"count"`
}

func v1Subscribers(c call) (any, error) {
	key, err := c.service()
	if err != nil {
		return nil, err
	}
	all := []subscriber1{}
	for _, s := range c.server.subscribers(key) {
		ip, port := hostPort(s.address)
		all = append(all, subscriber1{ip, s.agent(), s.peer.App, ip, port, key.Namespace, nacoswire.GroupedName(key.Group, key.Service), s.clusters})
	}
	no, size := c.paging()
	return subscribers1{newPage(all, no, size).Items, len(all)}, nil
}

func v3Subscribers(c call) (any, error) {
	key, err := c.service()
	if err != nil {
		return nil, err
	}
	all := []subscriberOf{}
	for _, s := range c.server.subscribers(key) {
		ip, port := hostPort(s.address)
		all = append(all, subscriberOf{key.Namespace, key.Group, key.Service, ip, port, s.agent(), s.peer.App})
	}
	no, size := c.paging()
	return newPage(all, no, size), nil
}

// each calls f for every session, none of which ends meanwhile.
func (a *sessions) each(f func(*session, peer)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for x, p := range a.all {
		f(x, p)
	}
}

// subscribers are those by UDP.
func (u *udpPusher) subscribers(of registry.Key) (out []udpKey) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for key, sub := range u.subs {
		if key.service == of && time.Since(sub.renewed) <= udpStale {
			out = append(out, key)
		}
	}
	return out
}
