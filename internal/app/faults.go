package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"paifang/internal/model"
	"paifang/internal/overload"
	"paifang/internal/source/nacos"
	"paifang/internal/telemetry"
)

// fault is a value that its type allows and that cannot work.
type fault struct{ field, problem string }

// Check reports every value that its type allows and that cannot work, all in one error. What ReadConfig returns has
// passed it.
func (c *Config) Check() error {
	var errs []error
	for _, x := range c.faults() {
		errs = append(errs, fmt.Errorf("%s: %s", orDefault(x.field, "configuration"), x.problem))
	}
	return errors.Join(errs...)
}

// faults goes through the sections and collects what is wrong in them.
type faults []fault

func (f *faults) say(field, format string, args ...any) {
	*f = append(*f, fault{field, fmt.Sprintf(format, args...)})
}

func (f *faults) need(field string, a netip.AddrPort) {
	if !a.IsValid() {
		f.say(field, "is missing: give address:port")
	}
}

func (f *faults) natural(field string, d Duration) {
	if d < 0 {
		f.say(field, "is negative")
	}
}

func (f *faults) hops(section string, n int, trusted []netip.Prefix) {
	if n < 0 || n > model.MaxHops || n > 0 && len(trusted) == 0 {
		f.say(section+".hops", "%d: want 0 to %d, and trusted beside it", n, model.MaxHops)
	}
}

// ranges wants ranges without bits beyond their length: 10.1.2.3/8 is either 10.1.2.3 alone or all of 10, and trusting the wrong
// one of them is not to be found out later.
func (f *faults) ranges(field string, list []netip.Prefix) {
	for i, p := range list {
		if m := p.Masked(); m != p {
			f.say(fmt.Sprintf("%s[%d]", field, i), "%s is an address in a range: want %s for the range, %s for the address", p, m, netip.PrefixFrom(p.Addr(), p.Addr().BitLen()))
		}
	}
}

// name wants a name of the DNS, without wildcards.
func (f *faults) name(field, name string) {
	shape, _ := model.Host(name).Split()
	if err := model.Host(name).Validate(); err != nil || shape != model.HostExact {
		f.say(field, "%q is not a name: lower case letters, digits and -, with dots in between", name)
	}
}

// unique wants a name that no other element of its list has.
func (f *faults) unique(field, name string, seen map[string]bool) {
	switch {
	case name == "":
		f.say(field, "is missing")
	case seen[name]:
		f.say(field, "%q is the name of another one already", name)
	}
	seen[name] = true
}

func (c *Config) faults() []fault {
	var f faults
	if a := c.Admin.Address; a.IsValid() && !a.Addr().IsLoopback() {
		f.say("admin.address", "%s is not a loopback address: the admin API is for this machine only", a)
	}
	switch c.Log.Level {
	case "", "debug", "info", "warn", "error":
	default:
		f.say("log.level", "%q is none of debug, info, warn, error", c.Log.Level)
	}
	switch c.Log.Format {
	case "", "text", "json":
	default:
		f.say("log.format", "%q is none of text, json", c.Log.Format)
	}
	if _, err := telemetry.ParseFormat(c.Log.AccessFormat); err != nil {
		f.say("log.accessFormat", "%q is none of json, combined", c.Log.AccessFormat)
	}
	f.limits(c)
	c.Timeouts.check(f.say)
	c.HTTP2.check(f.say)
	c.Tracing.check(f.say)
	if c.Bodies.Total < 0 {
		f.say("bodies.total", "%d is negative", c.Bodies.Total)
	}
	f.natural("drain", c.Drain)
	c.dnsFaults(&f)
	c.slbFaults(&f)
	c.ingressFaults(&f)
	c.gatewayFaults(&f)
	c.registryFaults(&f)
	c.nacosFaults(&f)
	c.actuatorFaults(&f)
	if c.Sources.Spring.Kubernetes != nil && c.Sources.Kubernetes == nil && len(c.Sources.Manifests) == 0 {
		f.say("sources.spring.kubernetes", "there are no Services: set sources.kubernetes or sources.manifests")
	}
	c.bridgeFaults(&f)
	c.kubernetesFaults(&f)
	c.installationFaults(&f)
	c.webhookFaults(&f)
	c.podsFaults(&f)
	c.twice(&f)
	if c.DNS == nil && c.SLB == nil && c.Ingress == nil && c.Gateway == nil && c.Registry == nil && c.Pods == nil {
		f.say("", "no role is switched on: add at least one of dns, slb, ingress, gateway, registry")
	}
	return f
}

func (c *Config) registryFaults(f *faults) {
	r := c.Registry
	if r == nil {
		return
	}
	f.need("registry.http", r.HTTP)
	f.need("registry.grpc", r.GRPC)
	f.ranges("registry.allow", r.Allow)
	f.ranges("registry.addresses", r.Addresses)
	switch r.Storage {
	case "", storageMemory:
	case storageBolt:
		if c.Data == "" {
			f.say("registry.storage", "bolt needs a directory: set data")
		}
	case storageEtcd:
		if r.Etcd == nil || len(r.Etcd.Endpoints) == 0 {
			f.say("registry.etcd.endpoints", "is missing: name the members of the cluster")
		}
	default:
		f.say("registry.storage", "%q is none of memory, bolt, etcd", r.Storage)
	}
	if e := r.Etcd; e != nil {
		if r.Storage != storageEtcd {
			f.say("registry.etcd", "is not used: set registry.storage to etcd")
		}
		if (e.Certificate == "") != (e.Key == "") {
			f.say("registry.etcd.certificate", "goes with key: set both or none")
		}
	}
	switch r.Auth {
	case "", authOff, authOn:
		if r.guarded() && c.Data == "" {
			f.say("registry.auth", "the first user's password needs a directory: set data, or auth: off")
		}
		if !r.guarded() && r.PasswordFile != "" {
			f.say("registry.passwordFile", "is not used: nobody logs in where auth is off")
		}
	default:
		f.say("registry.auth", "%q is none of on, off", r.Auth)
	}
	if (r.Certificate == "") != (r.Key == "") {
		f.say("registry.certificate", "certificate and key belong together")
	}
}

func (c *Config) dnsFaults(f *faults) {
	d := c.DNS
	if d == nil {
		return
	}
	f.need("dns.address", d.Address)
	f.natural("dns.ttl", d.TTL)
	if len(d.Zones) == 0 {
		f.say("dns.zones", "is empty: name at least one zone to answer for")
	}
	for i, z := range d.Zones {
		f.name(fmt.Sprintf("dns.zones[%d]", i), z)
	}
}

func (c *Config) slbFaults(f *faults) {
	s := c.SLB
	if s == nil {
		return
	}
	f.natural("slb.interval", s.Interval)
	f.natural("slb.timeout", s.Timeout)
	if s.Rise < 0 {
		f.say("slb.rise", "is negative")
	}
	if s.Fall < 0 {
		f.say("slb.fall", "is negative")
	}
	if len(s.Listeners) == 0 {
		f.say("slb.listeners", "is empty: name at least one port to accept connections on")
	}
	seen := map[string]bool{}
	for i, l := range s.Listeners {
		at := fmt.Sprintf("slb.listeners[%d]", i)
		f.need(at+".address", l.Address)
		f.unique(at+".name", l.Name, seen)
		if len(l.Nodes) == 0 && l.Members == nil {
			f.say(at+".nodes", "is empty: name the nodes behind the SLB")
		}
		c.membersFaults(f, at, &l)
		for j, n := range l.Nodes {
			f.need(fmt.Sprintf("%s.nodes[%d].address", at, j), n.Address)
		}
	}
}

func (c *Config) ingressFaults(f *faults) {
	g := c.Ingress
	if g == nil {
		return
	}
	if len(g.Nodes) == 0 {
		f.say("ingress.nodes", "is empty: name at least one node")
	}
	checkBounds("ingress.", g.TLS, f.say)
	g.Parsing.check("ingress.parsing", f.say)
	f.hops("ingress", g.Hops, g.Trusted)
	f.ranges("ingress.trusted", g.Trusted)
	f.ranges("ingress.proxyFrom", g.ProxyFrom)
	seen := map[string]bool{}
	for i, n := range g.Nodes {
		at := fmt.Sprintf("ingress.nodes[%d]", i)
		f.need(at+".http", n.HTTP)
		f.unique(at+".name", n.Name, seen)
		if c.DNS != nil && n.HTTP.Addr().IsUnspecified() && len(g.Advertise) == 0 {
			f.say("ingress.advertise", "is missing: %s listens on all addresses, and DNS has to lead to one", n.Name)
		}
	}
}

func (c *Config) gatewayFaults(f *faults) {
	g := c.Gateway
	if g == nil {
		return
	}
	f.need("gateway.http", g.HTTP)
	checkBounds("gateway.", g.TLS, f.say)
	g.Parsing.check("gateway.parsing", f.say)
	f.hops("gateway", g.Hops, g.Trusted)
	f.ranges("gateway.trusted", g.Trusted)
	f.ranges("gateway.proxyFrom", g.ProxyFrom)
	if g.Host != "" {
		f.name("gateway.host", g.Host)
	}
	if g.registers() && c.Registry == nil && len(c.Sources.Nacos) == 0 {
		f.say("gateway.service", "there is no registry to register in: add registry or sources.nacos, or set service: \"-\"")
	}
	told := g.registers() || c.DNS != nil
	if told && g.HTTP.IsValid() && g.advertise().IsUnspecified() {
		f.say("gateway.advertise", "is missing: the gateway listens on all addresses, and DNS and registry have to be told one, here or in the environment variable "+podAddress)
	}
	if at := c.registersAt(); at != "" && g.advertise().IsLoopback() {
		f.say("gateway.advertise", "%s is every machine's own address: whoever finds it in the registry at %s would ask itself", g.advertise(), at)
	}
}

// registersAt is the first registry on another machine that the gateway registers in; empty: there is none.
func (c *Config) registersAt() string {
	if c.Gateway == nil || c.Gateway.Elsewhere || !c.Gateway.registers() || c.Registry != nil || len(c.Sources.Nacos) == 0 {
		return ""
	}
	for _, at := range c.Sources.Nacos[0].servers() {
		host, _, err := net.SplitHostPort(at)
		if addr, no := netip.ParseAddr(host); err == nil && host != "localhost" && (no != nil || !addr.IsLoopback()) {
			return at
		}
	}
	return ""
}

func (c *Config) nacosFaults(f *faults) {
	names := map[string]bool{}
	if c.Registry != nil {
		names[""] = true
	}
	for i, n := range c.Sources.Nacos {
		at := fmt.Sprintf("sources.nacos[%d]", i)
		if n.Address == "" {
			f.say(at+".address", "is missing: give host:port")
		} else {
			f.nacosAddresses(at, n)
		}
		f.ranges(at+".allow", n.Allow)
		if (n.Username == "") != (n.Password == "") {
			f.say(at+".username", "username and password belong together")
		}
		if n.CA != "" && !n.TLS {
			f.say(at+".ca", "is for TLS: set tls")
		}
		if names[n.Name] {
			f.say(at+".name", "another registry already has this name: give each its own")
		}
		names[n.Name] = true
	}
	for i, item := range c.Sources.Spring.Nacos {
		at := fmt.Sprintf("sources.spring.nacos[%d]", i)
		if item.DataID == "" {
			f.say(at+".dataId", "is missing: name the configuration")
		}
		if !names[item.Registry] {
			f.say(at+".registry", "there is no registry %q: name one of sources.nacos", item.Registry)
		}
	}
}

// nacosAddresses are addresses of servers, and where the APIs of gRPC are named one for each.
func (f *faults) nacosAddresses(at string, n Nacos) {
	for _, server := range n.servers() {
		if _, err := nacos.GRPCAddress(server); err != nil && n.GRPC == "" {
			f.say(at+".address", "%v", err)
		}
	}
	if n.GRPC == "" {
		return
	}
	for _, server := range addresses(n.GRPC) {
		if _, _, err := net.SplitHostPort(server); err != nil {
			f.say(at+".grpc", "%q is no host:port", server)
		}
	}
	if want, got := len(n.servers()), len(addresses(n.GRPC)); want != got {
		f.say(at+".grpc", "has %d addresses, and address has %d: give one for each, in the same order", got, want)
	}
}

func (c *Config) podsFaults(f *faults) {
	p := c.Pods
	if p == nil {
		return
	}
	f.natural("pods.within", p.Within)
	if len(p.Nodes) == 0 && !p.Single {
		f.say("pods.nodes", "is empty: name the machines that pods are said to run on")
	}
	seen := map[string]bool{}
	for i, n := range p.Nodes {
		at := fmt.Sprintf("pods.nodes[%d]", i)
		f.unique(at+".name", n.Name, seen)
		if !n.Range.IsValid() && !p.Single {
			f.say(at+".range", "is missing: give addresses for its pods, such as 127.1.1.0/24")
		}
		if !n.Addr.IsValid() {
			f.say(at+".addr", "is missing: give the address of this node")
		}
	}
	for name, at := range p.Attach {
		if _, err := netip.ParseAddrPort(at); err != nil {
			f.say("pods.attach."+name, "%q is not IP:port", at)
		}
	}
}

// place is an address that this process listens on.
type place struct {
	field string
	at    netip.AddrPort
}

// places are all of them, those of roles elsewhere apart.
func (c *Config) places() []place {
	out := []place{{"admin.address", c.adminAddress()}, {"admin.public", c.Admin.Public}}
	add := func(field string, at netip.AddrPort) { out = append(out, place{field, at}) }
	if d := c.DNS; d != nil && !d.Elsewhere {
		add("dns.address", d.Address)
	}
	if s := c.SLB; s != nil && !s.Elsewhere {
		for i, l := range s.Listeners {
			add(fmt.Sprintf("slb.listeners[%d].address", i), l.Address)
		}
	}
	if g := c.Ingress; g != nil && !g.Elsewhere {
		for i, n := range g.Nodes {
			add(fmt.Sprintf("ingress.nodes[%d].http", i), n.HTTP)
			add(fmt.Sprintf("ingress.nodes[%d].https", i), n.HTTPS)
		}
	}
	if g := c.Gateway; g != nil && !g.Elsewhere {
		add("gateway.http", g.HTTP)
		add("gateway.https", g.HTTPS)
	}
	if r := c.Registry; r != nil {
		add("registry.http", r.HTTP)
		add("registry.grpc", r.GRPC)
	}
	return out
}

// twice finds addresses that two parts of this process would listen on.
func (c *Config) twice(f *faults) {
	all := c.places()
	for i, a := range all {
		for _, b := range all[:i] {
			if Collide(a.at, b.at) {
				f.say(a.field, "%s is taken by %s, %s: give one of them another port", a.at, b.field, b.at)
				break
			}
		}
	}
}

// Collide tells whether two sockets cannot listen on these addresses at the same time: they have one port, and one address
// or that of all.
func Collide(a, b netip.AddrPort) bool {
	return a.IsValid() && b.IsValid() && a.Port() != 0 && a.Port() == b.Port() &&
		(a.Addr() == b.Addr() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified())
}

// limits finds limits that nothing could run in.
func (f *faults) limits(c *Config) {
	if m := c.Limits.Memory; m != "" {
		if _, err := overload.ParseLimit(m); err != nil {
			f.say("limits.memory", "%v", err)
		}
	}
	for _, n := range []struct {
		field string
		n     int
	}{{"metrics.series", c.Metrics.Series}, {"limits.connections", c.Limits.Connections}, {"limits.connectionsPerAddress", c.Limits.ConnectionsPerAddress},
		{"limits.heads", c.Limits.Heads}} {
		if n.n < 0 {
			f.say(n.field, "%d is less than nothing", n.n)
		}
	}
}
