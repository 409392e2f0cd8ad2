package model

import (
	"fmt"
	"net/netip"
)

// ListenerID names a listener: "node-1/http", "gateway/http", "slb/http", "dns".
type ListenerID string

// Class is what routes name to be served: a route is served on every listener of each class it attaches to and
// on no other. Ingress nodes share one class; a listener that is alone has a class of its own.
type Class string

// Protocol is what a listener speaks.
type Protocol string

// The protocols.
const (
	HTTP  Protocol = "HTTP"  // HTTP/1.1 in clear text, and HTTP/2 by prior knowledge
	HTTPS Protocol = "HTTPS" // TLS terminated here, HTTP/2 or HTTP/1.1 inside
	TLS   Protocol = "TLS"   // TLS passed through by server name
	TCP   Protocol = "TCP"
	UDP   Protocol = "UDP"
	DNS   Protocol = "DNS" // authoritative DNS over UDP and TCP on the same address
)

// HostRule says what a listener does with a request whose most specific host has no matching route.
type HostRule string

// The host rules. The zero value is HostOwns.
const (
	// HostOwns: the most specific host that has any route decides alone; what it does not match is 404, as
	// nginx and the Ingress specification have it.
	HostOwns HostRule = ""
	// HostFalls: routes of all matching hosts compete in the total order, as in Spring Cloud Gateway, where a
	// host is one more condition.
	HostFalls HostRule = "falls"
)

// Listener is an address with a protocol and, for HTTPS, a TLS identity.
type Listener struct {
	ID        ListenerID       `json:"id"`
	Origin    Origin           `json:"origin"`
	Class     Class            `json:"class"` // empty = the ID
	Bind      []netip.AddrPort `json:"bind"`
	Advertise []netip.Addr     `json:"advertise,omitempty"` // what DNS, status and self-registration say; empty = Bind
	Names     []Host           `json:"names,omitempty"`     // names of the listener itself, published in DNS
	Protocol  Protocol         `json:"protocol"`
	HostRule  HostRule         `json:"hostRule,omitempty"`
	Trust     Trust            `json:"trust,omitzero"`
	TLS       ListenerTLS      `json:"tls,omitzero"` // of HTTPS
	Parsing   Parsing          `json:"parsing,omitzero"`
	Clients   Clients          `json:"clients,omitzero"`
	HTTP1Only bool             `json:"http1Only,omitempty"` // HTTP/2 is not spoken
	Tracing   Tracing          `json:"tracing,omitzero"`
	Node      string           `json:"node,omitempty"` // the machine it belongs to: "node-1", "gateway"
	// Elsewhere means that another process runs it: it counts for names and for explaining, but no plane of this
	// process binds it.
	Elsewhere bool `json:"elsewhere,omitempty"`
	// Stopped means that it was stopped by hand: nobody serves it, but the names that lead to it stay.
	Stopped bool `json:"stopped,omitempty"`
}

// Trust says whom a listener believes about the client.
type Trust struct {
	// ProxyFrom are the addresses whose connections must begin with a PROXY protocol header (v1 or v2). From
	// all others such a header is refused and their own address counts.
	ProxyFrom []netip.Prefix `json:"proxyFrom,omitempty"`
	// ForwardedFrom are the client addresses whose X-Forwarded-* and Forwarded headers are believed. Those of all others
	// are replaced. The client is the last address of the chain that is in none of these ranges; what stands before it in
	// the chain is what that client says itself, and is cut off.
	ForwardedFrom []netip.Prefix `json:"forwardedFrom,omitempty"`
	// Hops is for proxies whose own addresses are not known: so many stand in front, the one that connects included, and
	// the client is the Hops-th address of the chain from its end. Connections must come from ForwardedFrom all the same.
	// 0 = by address.
	Hops int `json:"hops,omitempty"`
	// Believe is how much of their word counts.
	Believe Belief `json:"believe,omitempty"`
	// Field is the one whose addresses tell the client, in place of X-Forwarded-For and Forwarded; default these.
	Field string `json:"field,omitempty"`
	// ClientOnly has endpoints told the client's address alone in X-Forwarded-For, and not who passed the request on.
	ClientOnly bool `json:"clientOnly,omitempty"`
}

// Belief is how much of what a trusted forwarder says counts.
type Belief string

// The beliefs.
const (
	BelieveAll     Belief = ""        // who the client is, and how it asked
	BelieveAddress Belief = "address" // who the client is; how it asked is told by the connection
	BelieveRequest Belief = "request" // how the client asked: protocol, host and port; who it is is told by the connection
)

// Believes tells whether what an address says of clients is believed.
func (t *Trust) Believes(a netip.Addr) bool {
	for i := range t.ForwardedFrom {
		if t.ForwardedFrom[i].Contains(a) {
			return true
		}
	}
	return false
}

// MaxHops bounds Trust.Hops.
const MaxHops = 16

// EffectiveClass is Class, or the ID where no class is given.
func (l Listener) EffectiveClass() Class {
	if l.Class != "" {
		return l.Class
	}
	return Class(l.ID)
}

// Addresses is Advertise, or the bound addresses where nothing is advertised.
func (l Listener) Addresses() []netip.Addr {
	if len(l.Advertise) > 0 {
		return l.Advertise
	}
	var out []netip.Addr
	for _, b := range l.Bind {
		out = append(out, b.Addr())
	}
	return out
}

// Validate reports the first field that its type does not allow.
func (l Listener) Validate() error {
	switch {
	case l.ID == "":
		return fieldError("id", "is empty")
	case len(l.Bind) == 0:
		return fieldError("bind", "is empty: name at least one address:port")
	}
	for i, b := range l.Bind {
		if !b.IsValid() {
			return fieldError(fmt.Sprintf("bind[%d]", i), "is not an address:port")
		}
	}
	switch l.Protocol {
	case HTTP, HTTPS, TLS, TCP, UDP, DNS:
	default:
		return fieldError("protocol", fmt.Sprintf("%q is none of HTTP, HTTPS, TLS, TCP, UDP, DNS", l.Protocol))
	}
	if err := l.TLS.Validate(); err != nil {
		return err
	}
	if err := within("parsing", l.Parsing.Validate()); err != nil {
		return err
	}
	if err := within("tracing", l.Tracing.Validate()); err != nil {
		return err
	}
	if h := l.Trust.Hops; h < 0 || h > MaxHops || h > 0 && len(l.Trust.ForwardedFrom) == 0 {
		return fieldError("trust.hops", fmt.Sprintf("%d: want 0 to %d, and forwardedFrom beside it", h, MaxHops))
	}
	switch l.Trust.Believe {
	case BelieveAll, BelieveAddress, BelieveRequest:
	default:
		return fieldError("trust.believe", fmt.Sprintf("%q is neither address nor request: leave it out for both", l.Trust.Believe))
	}
	if err := l.Clients.Validate(); err != nil {
		return err
	}
	for i, n := range l.Names {
		if err := n.Validate(); err != nil {
			return fieldError(fmt.Sprintf("names[%d]", i), err.Error())
		}
	}
	return nil
}
