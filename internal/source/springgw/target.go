package springgw

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"paifang/internal/model"
)

// target is where a uri leads: a service of the registry, or a host with a port.
type target struct {
	service string
	host    string // name or address; in lower case
	port    uint16
	secure  bool // over TLS, whatever the registry says of an instance
}

// readTarget reads a uri. As in Spring only scheme, host and port count: the path is that of the request.
func readTarget(uri string) (target, error) {
	if uri == "" {
		return target{}, errors.New("is missing")
	}
	if err := checkLiteral(uri); err != nil {
		return target{}, err
	}
	scheme, rest, ok := strings.Cut(uri, ":")
	scheme = strings.ToLower(scheme)
	secure := scheme == "https" || scheme == "wss"
	if scheme == "lb" && !strings.HasPrefix(rest, "//") { // lb:ws://service
		var inner string
		if inner, rest, ok = strings.Cut(rest, ":"); ok {
			switch strings.ToLower(inner) {
			case "http", "ws":
			case "https", "wss":
				secure = true
			default:
				return target{}, fmt.Errorf("%q: scheme lb:%s is not supported", uri, inner)
			}
		}
	}
	authority, found := strings.CutPrefix(rest, "//")
	if i := strings.IndexAny(authority, "/?#"); i >= 0 {
		authority = authority[:i]
	}
	switch {
	case !ok || !found || authority == "":
		return target{}, fmt.Errorf("%q is not supported: want lb://service or http://host:port", uri)
	case strings.ContainsAny(authority, "@ \t{}"):
		return target{}, fmt.Errorf("%q is not supported: want a plain host", uri)
	}
	switch scheme {
	case "lb":
		name, _, _ := strings.Cut(authority, ":")
		return target{service: name, secure: secure}, nil
	case "http", "ws", "https", "wss":
		return readHost(uri, authority, secure)
	default:
		return target{}, fmt.Errorf("%q: scheme %s is not supported: want lb, http or https", uri, scheme)
	}
}

func readHost(uri, authority string, secure bool) (target, error) {
	t := target{secure: secure}
	t.port = t.defaultPort()
	var host, port string
	if inner, ok := strings.CutPrefix(authority, "["); ok {
		host, port, _ = strings.Cut(inner, "]")
		if a, err := netip.ParseAddr(host); err != nil || !a.Is6() {
			return t, fmt.Errorf("%q: %q is no address", uri, host)
		}
		port = strings.TrimPrefix(port, ":")
	} else {
		host, port, _ = strings.Cut(authority, ":")
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return t, fmt.Errorf("%q: %q is no port", uri, port)
		}
		t.port = uint16(n)
	}
	t.host = strings.TrimSuffix(strings.ToLower(host), ".")
	if shape, _ := model.Host(t.host).Split(); !strings.Contains(t.host, ":") && (shape != model.HostExact || model.Host(t.host).Validate() != nil) {
		return t, fmt.Errorf("%q: %q is no host name", uri, host)
	}
	return t, nil
}

// place is "host:port", the name of a static list.
func (t target) place() string {
	if strings.Contains(t.host, ":") {
		return fmt.Sprintf("[%s]:%d", t.host, t.port)
	}
	return fmt.Sprintf("%s:%d", t.host, t.port)
}

func (t target) defaultPort() uint16 {
	if t.secure {
		return 443
	}
	return 80
}

// authority is the Host field of requests to a host, as HTTP clients send it: without the port that the scheme implies.
func (t target) authority() string {
	if t.port == t.defaultPort() {
		return strings.TrimSuffix(t.place(), fmt.Sprintf(":%d", t.port))
	}
	return t.place()
}

// addr returns the address where the host is one. localhost is 127.0.0.1 without asking (RFC 6761 section 6.3).
func (t target) addr() (netip.Addr, bool) {
	if t.host == "localhost" || strings.HasSuffix(t.host, ".localhost") {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	}
	a, err := netip.ParseAddr(t.host)
	return a.Unmap(), err == nil
}

// upstream returns the upstream and its lists: of a service one in each registry. A service's has the name that the discovery locator gives it too, so that both are one.
func (t target) upstream(c *Config, origin model.Origin) model.Upstream {
	list := model.EndpointsID{Keeper: model.KeeperStatic, Name: t.place()}
	if t.service != "" {
		list = model.Shelf{Keeper: c.Keeper, Prefix: c.Prefix}.List(t.service)
	}
	up := model.Upstream{ID: model.UpstreamID(list.Keeper + "/" + list.Name), Origin: origin, Priority: c.Priority, Endpoints: []model.EndpointsID{list}}
	if t.service != "" {
		for _, s := range c.Also {
			up.Endpoints = append(up.Endpoints, s.List(t.service))
		}
	}
	if t.secure {
		up.ID = "https/" + up.ID
		up.TLS = model.UpstreamTLS{Mode: model.TLSAlways, Name: t.host} // verified against the roots of the process
	}
	return up
}
