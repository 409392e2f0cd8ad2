package nacosapi

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/probe"
)

// operation is what operators and consoles ask of a server: counts, switches, health, its like.
func operation() []endpoint {
	var out []endpoint
	for _, v := range []struct {
		paths  []string
		result bool
	}{
		{[]string{"/v1/ns/operator", "/v1/ns/ops"}, false},
		{[]string{"/v2/ns/operator", "/v2/ns/ops"}, true},
		{[]string{"/v3/admin/ns/ops"}, true},
	} {
		for _, path := range v.paths {
			out = append(
				out,
				endpoint{method: "GET", path: path + "/metrics", handle: v1Metrics, result: v.result},
				endpoint{method: "GET", path: path + "/switches", need: knows, handle: switches, result: v.result},
			)
		}
	}
	out = append(
		out,
		endpoint{path: "/v1/ns/health/server", handle: healthy},
		endpoint{method: "GET", path: "/v1/ns/health/checkers", handle: checkers},
		endpoint{method: "GET", path: "/v3/admin/ns/health/checkers", need: knows, handle: checkers, result: true},
		endpoint{method: "PUT", path: "/v1/ns/health", need: writes, handle: setHealth},
		endpoint{method: "PUT", path: "/v1/ns/health/instance", need: writes, handle: setHealth},
		endpoint{method: "PUT", path: "/v2/ns/health", need: writes, handle: setHealth, result: true},
		endpoint{method: "PUT", path: "/v2/ns/health/instance", need: writes, handle: setHealth, result: true},
		endpoint{method: "PUT", path: "/v3/admin/ns/health/instance", need: writes, handle: setHealth, result: true},
		endpoint{method: "GET", path: "/v1/ns/service/selector/types", handle: v1SelectorTypes},
		endpoint{method: "GET", path: "/v3/admin/ns/service/selector/types", need: knows, handle: selectorTypes, result: true},
		endpoint{method: "GET", path: "/v1/core/cluster/self", need: admin, handle: wrapped(self)},
		endpoint{method: "GET", path: "/v1/core/cluster/nodes", need: admin, handle: wrapped(members)},
		endpoint{method: "GET", path: "/v1/core/cluster/simple/nodes", need: admin, handle: wrapped(addresses)},
		endpoint{method: "GET", path: "/v1/core/cluster/health", handle: wrapped(up)},
		endpoint{method: "GET", path: "/v2/core/cluster/node/self", need: admin, handle: self, result: true},
		endpoint{method: "GET", path: "/v2/core/cluster/node/list", need: admin, handle: members, result: true},
		endpoint{method: "GET", path: "/v2/core/cluster/node/self/health", handle: up, result: true},
		endpoint{method: "GET", path: "/v3/admin/core/cluster/node/self", need: admin, handle: self, result: true},
		endpoint{method: "GET", path: "/v3/admin/core/cluster/node/list", need: admin, handle: members, result: true},
	)
	return out
}

// wrapped is an answer of v1 about servers, which have had a code and a message since then (RestResult).
func wrapped(f handler) handler {
	return func(c call) (any, error) {
		data, err := f(c)
		if err != nil {
			return nil, err
		}
		return told{Code: 200, Message: "success", Data: data}, nil
	}
}

// switchesOf are the settings of a Nacos server as far as this one has them; nobody changes them while it runs. Times are milliseconds.
type switchesOf struct {
	Name           string `json:"name"`
	BeatInterval   int64  `json:"clientBeatInterval"`
	CacheMillis    int64  `json:"defaultCacheMillis"`
	PushCache      int64  `json:"defaultPushCacheMillis"`
	HealthCheck    bool   `json:"healthCheckEnabled"`
	CheckTimes     int    `json:"checkTimes"`
	Distro         bool   `json:"distroEnabled"`
	Standalone     bool   `json:"enableStandalone"`
	Push           bool   `json:"pushEnabled"`
	LightBeat      bool   `json:"lightBeatEnabled"`
	Ephemeral      bool   `json:"defaultInstanceEphemeral"`
	Authentication bool   `json:"enableAuthentication"`
}

func switches(c call) (any, error) {
	return switchesOf{
		Name: "00-00---000-NACOS_SWITCH_DOMAIN-000---00-00", BeatInterval: registry.DefaultInterval.Milliseconds(), CacheMillis: nacoswire.CacheMillis,
		PushCache: nacoswire.CacheMillis, HealthCheck: true, CheckTimes: probe.DefaultFall, Standalone: len(c.Processes()) < 2, Push: true,
		LightBeat: true, Ephemeral: true, Authentication: c.server.cfg.Auth != nil,
	}, nil
}

// message is the answer of /v1/ns/health/server.
type message struct {
	Text string `json:"msg"`
}

func healthy(c call) (any, error) {
	_, port := hostPort(c.server.address())
	return message{fmt.Sprintf("Hello! I am Nacos-Naming and healthy! total services: %d, local port:%d", c.Stats().Services, port)}, nil
}

func checkers(call) (any, error) {
	out := map[probe.Kind]healthChecker{}
	for _, kind := range []probe.Kind{probe.TCP, probe.HTTP, probe.None} {
		out[kind] = healthChecker{Type: string(kind)}
	}
	return out, nil
}

// setHealth is for persistent instances that nobody asks.
func setHealth(c call) (any, error) {
	key, err := c.service()
	if err != nil {
		return nil, err
	}
	text := nacoswire.NonEmpty(c.q.Get("healthy"), c.q.Get("valid"))
	well, err := strconv.ParseBool(text)
	if err != nil {
		return nil, fmt.Errorf("nacosapi: Param 'healthy' is required and must be true or false, not %.32q: %w", text, registry.ErrInvalid)
	}
	port, err := c.number("port")
	if err != nil {
		return nil, err
	}
	addr, err := parseAddr(c.q.Get("ip"), port)
	if err != nil {
		return nil, err
	}
	return "ok", c.SetHealth(key, addr, c.q.Get("clusterName"), well)
}

func selectorTypes(call) (any, error)     { return []string{"none"}, nil }
func v1SelectorTypes(c call) (any, error) { return wrapped(selectorTypes)(c) }
func up(call) (any, error)                { return "UP", nil }

// hostPort is an address in its two parts.
func hostPort(address string) (string, int) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address, 0
	}
	n, _ := strconv.Atoi(port)
	return host, n
}

// address is where this server's HTTP is; empty before it was started.
func (s *Server) address() string {
	if at := s.at.Load(); at != nil {
		return *at
	}
	return ""
}

// member is a server as consoles list it (NacosMember).
type member struct {
	IP      string            `json:"ip"`
	Port    int               `json:"port"`
	State   string            `json:"state"`
	Extend  map[string]string `json:"extendInfo"`
	Address string            `json:"address"`
	Fails   int               `json:"failAccessCnt"`
}

func memberAt(at string) member {
	host, port := hostPort(at)
	return member{host, port, "UP", map[string]string{"version": compatible}, at, 0}
}

// places are the servers on one storage, this one first. Whoever ends takes its own entry away, or it goes with its lease: those that
// are there are up.
func (c call) places() []string {
	if out := c.Processes(); len(out) > 0 {
		return out
	}
	return []string{c.server.address()}
}

func self(c call) (any, error) { return memberAt(c.places()[0]), nil }

func members(c call) (any, error) {
	out := []member{}
	state := strings.ToUpper(c.q.Get("state"))
	for _, at := range c.places() {
		if strings.Contains(at, c.q.Get("address")) && (state == "" || state == "UP") {
			out = append(out, memberAt(at))
		}
	}
	return out, nil
}

func addresses(c call) (any, error) { return c.places(), nil }
