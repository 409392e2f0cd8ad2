package model

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// UpstreamID names an upstream: "kubernetes/shop/order-service:80", "lb/nacos-order-service".
type UpstreamID string

// Keepers: who keeps a list of addresses. The road a request takes is read from the keeper of its list.
const (
	KeeperKubernetes = "kubernetes" // Services and what runs behind them: road 1
	KeeperRegistry   = "registry"   // a registry; further ones are "registry/NAME": road 2
	KeeperStatic     = "static"     // addresses written down in configuration
	KeeperDNS        = "dns"        // host:port, whose addresses are looked up
)

// EndpointsID names a list of addresses: one port of one Kubernetes Service, one registry service. Several
// upstreams may use one list with different settings.
type EndpointsID struct {
	Keeper string `json:"keeper"`
	Name   string `json:"name"` // "shop/order-service:http", "public/DEFAULT_GROUP/nacos-order-service"
}

// String returns "keeper:name".
func (e EndpointsID) String() string { return e.Keeper + ":" + e.Name }

// Road is 1 for lists that Kubernetes keeps, 2 for those of a registry, 0 for others.
func (e EndpointsID) Road() int {
	switch {
	case e.Keeper == KeeperKubernetes:
		return 1
	case e.Keeper == KeeperRegistry || strings.HasPrefix(e.Keeper, KeeperRegistry+"/"):
		return 2
	default:
		return 0
	}
}

// Compare orders by keeper, then name.
func (e EndpointsID) Compare(f EndpointsID) int {
	if c := strings.Compare(e.Keeper, f.Keeper); c != 0 {
		return c
	}
	return strings.Compare(e.Name, f.Name)
}

// Upstream is a named set of endpoints with balance, health and the way they are dialled.
type Upstream struct {
	ID        UpstreamID     `json:"id"`
	Origin    Origin         `json:"origin"`
	Priority  int            `json:"priority,omitempty"` // of the source; lower first
	Endpoints []EndpointsID  `json:"endpoints"`          // the union of these lists, an address counted once
	Select    Tags           `json:"select,omitempty"`   // only endpoints that carry all of these
	Except    []Tags         `json:"except,omitempty"`   // and none that carry all of one of these
	Without   Tags           `json:"without,omitempty"`  // what carries all of these is taken out of each list before the union: it came from another one
	Offer     string         `json:"offer,omitempty"`    // the service of the registry that the first list is offered as: "public/DEFAULT_GROUP/order"; empty: it is not
	Selector  Tags           `json:"selector,omitempty"` // labels by which the keeper finds the addresses (a Service's selector); for people alone
	Balance   Balance        `json:"balance,omitzero"`
	Affinity  Affinity       `json:"affinity,omitzero"`
	Zones     ZonePreference `json:"zones,omitzero"`
	Prefer    TagPreference  `json:"prefer,omitzero"`
	SlowStart SlowStart      `json:"slowStart,omitzero"`
	Health    HealthCheck    `json:"health,omitzero"`
	Ejection  Ejection       `json:"ejection,omitzero"`
	Limits    Limits         `json:"limits,omitzero"`
	Keep      Keep           `json:"keep,omitzero"`
	Dial      Dial           `json:"dial,omitzero"`
	TLS       UpstreamTLS    `json:"tls,omitzero"`
	Protocol  HTTPVersion    `json:"protocol,omitempty"` // that its endpoints are spoken to in
	FastCGI   FastCGI        `json:"fastcgi,omitzero"`   // where that is FCGI
	// EmptyStatus is what requests are answered while no endpoint can be chosen, 400 to 599. Default 503.
	EmptyStatus int `json:"emptyStatus,omitempty"`
}

// Takes tells whether an endpoint with these tags belongs to the upstream.
func (u *Upstream) Takes(t Tags) bool {
	return t.Contains(u.Select) && !slices.ContainsFunc(u.Except, t.Contains)
}

// StatusWhenEmpty is EmptyStatus with its default.
func (u *Upstream) StatusWhenEmpty() int { return cmp.Or(u.EmptyStatus, 503) }

// TrustText is in the names of upstreams whose endpoints are not asked who they are, so that none of them is shared with somebody who does ask.
func (u *Upstream) TrustText() string {
	if u.TLS.SkipVerify {
		return "{unverified}"
	}
	return ""
}

// PartText says which of the endpoints of its lists an upstream takes: "{version=v2}", "{not version=v2}"; empty for all.
func (u *Upstream) PartText() string {
	var parts []string
	if len(u.Select) > 0 {
		parts = append(parts, u.Select.String())
	}
	for _, t := range u.Except {
		parts = append(parts, "not "+t.String())
	}
	if len(parts) == 0 {
		return ""
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// HTTPVersion is the version of HTTP that endpoints are spoken to in, or what stands for it. They are not asked: what an upstream says
// is sent.
type HTTPVersion string

// The versions. gRPC needs one of those of HTTP/2.
const (
	HTTP1 HTTPVersion = ""        // HTTP/1.1
	H2C   HTTPVersion = "h2c"     // HTTP/2 in clear text, by prior knowledge; over TLS to endpoints that are secure
	H2    HTTPVersion = "h2"      // HTTP/2 over TLS to all endpoints
	FCGI  HTTPVersion = "fastcgi" // FastCGI, as PHP-FPM speaks it
)

// Shared tells whether requests share connections.
func (v HTTPVersion) Shared() bool { return v == H2C || v == H2 }

// Dial says how connections to endpoints are made.
type Dial struct {
	From  netip.Addr `json:"from,omitzero"`   // own address to dial from; zero = the system's choice
	Proxy ProxyMode  `json:"proxy,omitempty"` // PROXY protocol header to send
}

// ProxyMode is the PROXY protocol version that is sent.
type ProxyMode string

// The modes. Probes say that they carry no client: with ProxyV2 by the LOCAL command (PROXY protocol specification,
// section 2.2), with ProxyV1 by UNKNOWN (section 2.1).
const (
	ProxyNone ProxyMode = ""
	ProxyV1   ProxyMode = "v1"
	ProxyV2   ProxyMode = "v2"
)

// Validate reports the first field that its type does not allow.
func (u Upstream) Validate() error {
	switch {
	case u.ID == "":
		return fieldError("id", "is empty")
	case len(u.Endpoints) == 0:
		return fieldError("endpoints", "is empty: name at least one list of addresses")
	}
	switch u.Dial.Proxy {
	case ProxyNone, ProxyV1, ProxyV2:
	default:
		return fieldError("dial.proxy", fmt.Sprintf("%q is none of v1, v2", u.Dial.Proxy))
	}
	for i, e := range u.Endpoints {
		if e.Keeper == "" || e.Name == "" {
			return fieldError(fmt.Sprintf("endpoints[%d]", i), "needs keeper and name")
		}
	}
	if u.EmptyStatus != 0 && (u.EmptyStatus < 400 || u.EmptyStatus > 599) {
		return fieldError("emptyStatus", fmt.Sprintf("is %d: want 400 to 599", u.EmptyStatus))
	}
	for i, t := range u.Except {
		if len(t) == 0 {
			return fieldError(fmt.Sprintf("except[%d]", i), "is empty: it would leave nobody")
		}
	}
	for _, part := range []interface{ validate() error }{u.Balance, u.Affinity, u.Zones, u.Prefer, u.SlowStart, u.Health, u.Ejection, u.Limits, u.Keep} {
		if err := part.validate(); err != nil {
			return err
		}
	}
	if u.Protocol != FCGI && (u.FastCGI.Index != "" || len(u.FastCGI.Params) > 0) {
		return fieldError("fastcgi", "is set, and protocol is not fastcgi")
	}
	switch u.Protocol {
	case HTTP1, H2C:
	case FCGI:
		if u.TLS.Mode == TLSAlways || u.TLS.Mode == TLSAsAsked {
			return fieldError("protocol", "fastcgi is not spoken over TLS, which tls.mode asks for")
		}
		if u.Health.Kind != HealthNone && u.Health.Kind != HealthTCP {
			return fieldError("health", "endpoints of fastcgi can be checked by tcp alone")
		}
		if err := u.FastCGI.validate(); err != nil {
			return err
		}
	case H2:
		if u.TLS.Mode == TLSNever || u.TLS.Mode == TLSAsAsked {
			return fieldError("protocol", "h2 is HTTP/2 over TLS, and tls.mode says that it is not always spoken: want h2c")
		}
	default:
		return fieldError("protocol", fmt.Sprintf("%q is none of h2c, h2, fastcgi: leave it out for HTTP/1.1", u.Protocol))
	}
	return u.TLS.Validate()
}

// EndpointSet is one contribution to one list. A list is the union of its contributions by address; where two name
// one address, the more restrictive State counts. A contribution that goes takes only its own addresses with it.
type EndpointSet struct {
	List      EndpointsID `json:"list"`
	Origin    Origin      `json:"origin"`
	Revision  uint64      `json:"revision,omitempty"` // the keeper's own, where it has one
	Endpoints []Endpoint  `json:"endpoints"`
	// Unread: the list is there, and its source does not follow it, because nobody uses it. What is in it is unknown, which is not
	// the same as empty.
	Unread bool `json:"unread,omitempty"`
}

// Endpoint is one address of a list.
type Endpoint struct {
	Addr   netip.AddrPort `json:"addr"`
	Weight Weight         `json:"weight,omitempty"`
	State  EndpointState  `json:"state,omitempty"`
	Reason string         `json:"reason,omitempty"` // why it is not ready, in words, where its source says more than State does
	Zone   string         `json:"zone,omitempty"`
	// Cluster is where a registry has it, as Nacos means the word; empty where it has no such.
	Cluster string    `json:"cluster,omitempty"`
	Node    string    `json:"node,omitempty"`   // the machine it runs on, where known
	Name    string    `json:"name,omitempty"`   // the pod or instance, where known
	Secure  bool      `json:"secure,omitempty"` // TLS to this one
	Since   time.Time `json:"since,omitzero"`   // when it joined its list, for slow start
	Tags    Tags      `json:"tags,omitempty"`
}

// Weight is in thousandths. The zero value is the default, 1.000; an explicit zero share is WeightNone.
type Weight int32

// WeightNone means no new traffic.
const WeightNone Weight = -1

// Thousandths is the weight as a share: 1000 by default, 0 for WeightNone.
func (w Weight) Thousandths() int {
	switch {
	case w == 0:
		return 1000
	case w < 0:
		return 0
	default:
		return int(w)
	}
}

// TagFrom is on endpoints that a registry has from elsewhere: who offered them there. Whoever offers addresses sets it, and what
// carries it is never offered again.
const TagFrom = "paifang.dev/from"

// EndpointState is what the sources say of an endpoint. Own observation (probes, failed connects) comes on top and
// is not kept here.
type EndpointState uint8

// The states, from the one that is chosen first to the one that never is. Picked are the Ready; if there is none,
// the Draining; if there is none, the LastResort.
const (
	Ready      EndpointState = iota
	Draining                 // terminating, but still serving
	LastResort               // missing from the first list after a registry lost its memory
	Unhealthy                // its source says so
	Disabled                 // taken out by hand
)

// String returns "ready", "draining", "last-resort", "unhealthy" or "disabled".
func (s EndpointState) String() string {
	return [...]string{"ready", "draining", "last-resort", "unhealthy", "disabled"}[s]
}

// MarshalText writes the state as its word.
func (s EndpointState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word of a state.
func (s *EndpointState) UnmarshalText(b []byte) error {
	for v := Ready; v <= Disabled; v++ {
		if v.String() == string(b) {
			*s = v
			return nil
		}
	}
	return fmt.Errorf("model: endpoint state %q: want ready, draining, last-resort, unhealthy or disabled", b)
}

// Tag is one label of an endpoint.
type Tag struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Tags are sorted by name, each name once.
type Tags []Tag

// NewTags sorts a map into tags.
func NewTags(m map[string]string) Tags {
	if len(m) == 0 {
		return nil
	}
	t := make(Tags, 0, len(m))
	for k, v := range m {
		t = append(t, Tag{k, v})
	}
	slices.SortFunc(t, func(a, b Tag) int { return strings.Compare(a.Name, b.Name) })
	return t
}

// Get returns the value of a tag and whether it is there.
func (t Tags) Get(name string) (string, bool) {
	i, ok := slices.BinarySearchFunc(t, name, func(a Tag, n string) int { return strings.Compare(a.Name, n) })
	if !ok {
		return "", false
	}
	return t[i].Value, true
}

// String returns "version=v2,zone=a".
func (t Tags) String() string {
	var b strings.Builder
	for i, x := range t {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(x.Name + "=" + x.Value)
	}
	return b.String()
}

// Contains tells whether every tag of want is in t.
func (t Tags) Contains(want Tags) bool {
	for _, w := range want {
		if v, ok := t.Get(w.Name); !ok || v != w.Value {
			return false
		}
	}
	return true
}
