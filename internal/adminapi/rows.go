package adminapi

import (
	"net/netip"
	"time"

	"paifang/internal/explain"
	"paifang/internal/hub"
	"paifang/internal/model"
)

// View is everything that can be listed. Who reads one kind gets that kind alone.
type View struct {
	Roads       []Road             `json:"roads,omitempty"`
	Nodes       []Node             `json:"nodes,omitempty"`
	Pods        []explain.Pod      `json:"pods,omitempty"`
	Records     []Record           `json:"records,omitempty"`
	Routes      []Route            `json:"routes,omitempty"`
	Upstreams   []Upstream         `json:"upstreams,omitempty"`
	Endpoints   []Endpoint         `json:"endpoints,omitempty"`
	Services    []Service          `json:"services,omitempty"`
	Listeners   []Listener         `json:"listeners,omitempty"`
	Diagnostics []model.Diagnostic `json:"diagnostics,omitempty"`
	Sources     []hub.SourceStatus `json:"sources,omitempty"`
	Info        []Info             `json:"info,omitempty"`
	Lists       []explain.List     `json:"lists,omitempty"`
	Traffic     []Traffic          `json:"traffic,omitempty"`
}

// Road is an application: endpoint lists with addresses in common, and the ways that lead to it.
type Road struct {
	Application   string   `json:"application"`
	Road          string   `json:"road"`          // 1, 2, both, none
	WayIn         []string `json:"wayIn"`         // host and path of its routes, in their order
	RuleKeptIn    []string `json:"ruleKeptIn"`    // "Kubernetes Ingress (3-ingress.yaml:12)", "route file (4-routes.yaml:6)"
	AddressesFrom []string `json:"addressesFrom"` // Kubernetes, registry, …
	Ready         int      `json:"ready"`         // addresses that are
	Total         int      `json:"total"`         // addresses
	Known         bool     `json:"known"`         // false: nothing runs, or nothing was delivered yet
	Lists         []string `json:"lists"`
}

// Node is a machine behind the SLB, by one of its addresses.
type Node struct {
	Name     string         `json:"name"`
	Behind   string         `json:"behind"` // the SLB's own address
	Addr     netip.AddrPort `json:"addr"`
	Health   string         `json:"health"` // healthy, unhealthy
	Why      string         `json:"why,omitempty"`
	Draining bool           `json:"draining"`
	Open     int            `json:"open"`           // connections through the SLB
	Since    time.Time      `json:"since,omitzero"` // of its present health
	Share    float64        `json:"share"`          // of new connections, 0 to 1
}

// Record is a name that our DNS answers with addresses.
type Record struct {
	Name   string       `json:"name"`
	Zone   string       `json:"zone"`
	Type   string       `json:"type"`
	TTL    int          `json:"ttl"` // seconds
	Addrs  []netip.Addr `json:"addrs"`
	Class  string       `json:"class,omitempty"`  // of the listeners that it leads to
	Source string       `json:"source,omitempty"` // file:line
	Origin model.Origin `json:"origin"`
}

// Route is a rule at one host of one class of listeners.
type Route struct {
	ID      string   `json:"id"`
	Class   string   `json:"class"`
	Host    string   `json:"host"` // * = any
	Path    string   `json:"path"`
	Match   string   `json:"match"`             // the whole condition in its author's words
	Effect  string   `json:"effect"`            // upstreams with shares, a redirect, or an answer of its own
	Targets []string `json:"targets,omitempty"` // upstream IDs
	Filters []string `json:"filters,omitempty"`
	Servers []string `json:"servers,omitempty"` // address:port of what it leads to now
	BoundOn []string `json:"boundOn,omitempty"` // nodes whose listeners serve it
	Road    int      `json:"road"`
	Source  string   `json:"source,omitempty"` // file:line
	Reject  string   `json:"reject,omitempty"` // the code under which it was rejected
	// LostTo is the route that hides it, so that it is never reached.
	LostTo string       `json:"lostTo,omitempty"`
	Origin model.Origin `json:"origin"`
	Rule   model.Route  `json:"rule"` // as its source gave it, for those who say it in other words
}

// Upstream is a named set of endpoints.
type Upstream struct {
	ID      string           `json:"id"`
	Name    string           `json:"name"`
	Road    int              `json:"road"`
	Lists   []string         `json:"lists"`
	Balance string           `json:"balance"`
	Source  string           `json:"source,omitempty"`
	Origin  model.Origin     `json:"origin"`
	State   explain.Upstream `json:"state"`
	SeenBy  string           `json:"seenBy,omitempty"` // the process whose picker this is, where there are several
	L4      bool             `json:"l4,omitempty"`     // connections are forwarded to it, not requests
	TLS     UpstreamTLS      `json:"tls,omitzero"`
}

// UpstreamTLS is how TLS to endpoints is spoken, without keys and certificates.
type UpstreamTLS struct {
	Mode       model.UpstreamTLSMode `json:"mode,omitempty"`
	Name       string                `json:"name,omitempty"`       // that is sent and verified; empty: the route's or the endpoint's
	HideName   bool                  `json:"hideName,omitempty"`   // no name is sent
	SkipVerify bool                  `json:"skipVerify,omitempty"` // any certificate will do
	OwnCA      bool                  `json:"ownCA,omitempty"`      // verified against CAs of its own
	Client     bool                  `json:"client,omitempty"`     // a certificate is shown
}

// Endpoint is one address of one list.
type Endpoint struct {
	List   string         `json:"list"`
	Keeper string         `json:"keeper"`
	Addr   netip.AddrPort `json:"addr"`
	Name   string         `json:"name,omitempty"`
	Node   string         `json:"node,omitempty"`
	State  string         `json:"state"`          // what its sources say
	Down   bool           `json:"down,omitempty"` // own observation has taken it out, of an upstream at least
	Why    string         `json:"why,omitempty"`  // it is down, ejected or not ready
	Weight float64        `json:"weight"`
	By     string         `json:"by,omitempty"` // how its keeper found it: "label app=order"
}

// Service is what a keeper calls a service.
type Service struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	Group     string `json:"group,omitempty"`
	Port      string `json:"port,omitempty"` // of a Kubernetes Service: its number or name
	KeptBy    string `json:"keptBy"`         // Kubernetes, registry
	Ready     int    `json:"ready"`
	Total     int    `json:"total"`
	Revision  uint64 `json:"revision,omitempty"`
	InUse     bool   `json:"inUse"`           // an upstream uses it
	Local     bool   `json:"local,omitempty"` // its last change is known to this registry alone, until its storage answers again
}

// Listener is an address with how its socket stands.
type Listener struct {
	ID       string   `json:"id"`
	Node     string   `json:"node,omitempty"`
	Protocol string   `json:"protocol"`
	Bind     []string `json:"bind"`
	Class    string   `json:"class"`
	ListenerState
	Names        []string       `json:"names,omitempty"`    // of the listener itself, in DNS
	HostRule     model.HostRule `json:"hostRule,omitempty"` // what becomes of a request that its most specific host does not take
	Certificates []Certificate  `json:"certificates,omitempty"`
	TLS          *ListenerTLS   `json:"tls,omitempty"`    // nil in clear text
	Passed       []Passed       `json:"passed,omitempty"` // that is not ended here
	Source       string         `json:"source,omitempty"`
}

// ListenerTLS is what a listener asks of handshakes.
type ListenerTLS struct {
	MinVersion model.TLSVersion `json:"minVersion"`
	MaxVersion model.TLSVersion `json:"maxVersion"`
	Ciphers    []string         `json:"ciphers,omitempty"` // of TLS 1.2; empty = all that are offered
	Staple     bool             `json:"staple,omitempty"`  // OCSP responses are stapled
	Policies   []TLSPolicy      `json:"policies,omitempty"`
}

// TLSPolicy is what some hosts of a listener ask beyond that.
type TLSPolicy struct {
	ID         string           `json:"id"`
	Hosts      []model.Host     `json:"hosts"`
	ClientAuth model.ClientAuth `json:"clientAuth,omitempty"`
	CASecret   string           `json:"caSecret,omitempty"` // that the CAs of clients are read from
	Reject     model.Code       `json:"reject,omitempty"`   // why requests for these hosts are refused
	Source     string           `json:"source,omitempty"`   // file:line
	Origin     model.Origin     `json:"origin"`
}

// Certificate is one that a listener shows for some hosts. There is no key in it.
type Certificate struct {
	ID     string       `json:"id"`
	Hosts  []model.Host `json:"hosts"`
	Secret string       `json:"secret,omitempty"` // that it is read from: "shop/shop-tls"
	Source string       `json:"source,omitempty"` // file:line of the rule that names it
	Origin model.Origin `json:"origin"`
}

// Passed is a server name whose TLS goes to an upstream as it comes.
type Passed struct {
	ServerName model.Host   `json:"serverName"`
	Route      string       `json:"route"`
	Upstream   string       `json:"upstream"`
	Source     string       `json:"source,omitempty"` // file:line
	Origin     model.Origin `json:"origin"`
}

// ListenerState is what a plane knows of a listener.
type ListenerState struct {
	Bound    bool   `json:"bound"`
	Error    string `json:"error,omitempty"`
	Open     int    `json:"open"` // connections
	Draining bool   `json:"draining,omitempty"`
}

// Info is a process.
type Info struct {
	Name     string        `json:"name"` // of its role: "up", "node-1"
	PID      int           `json:"pid"`
	Version  string        `json:"version"`
	Started  time.Time     `json:"started"`
	Ready    bool          `json:"ready"`
	Why      []string      `json:"why,omitempty"` // it is not ready
	Snapshot uint64        `json:"snapshot"`      // the generation that was published last
	Planes   []PlaneStatus `json:"planes,omitempty"`
	Pieces   []string      `json:"pieces,omitempty"` // that can be stopped and started
	Dir      string        `json:"dir,omitempty"`    // that is watched
	State    string        `json:"state,omitempty"`  // directory where the process keeps what it must not forget
}

// PlaneStatus is which generation a plane serves.
type PlaneStatus struct {
	Name    string `json:"name"`
	Version uint64 `json:"version"`
	Error   string `json:"error,omitempty"`
}
