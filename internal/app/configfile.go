package app

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"paifang/internal/document"
)

// ReadConfig reads a configuration file. An unknown key, a wrong type or a value that cannot work is an error that
// names file, line and field, and the nearest key there is; all of them are reported at once.
func ReadConfig(file string) (Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Config{}, fmt.Errorf("app: read configuration: %w", err)
	}
	return ParseConfig(file, text)
}

// ParseConfig is ReadConfig for a text that has been read.
func ParseConfig(file string, text []byte) (Config, error) {
	docs, problems := document.Split(file, text)
	if len(problems) == 0 && len(docs) != 1 {
		return Config{}, fmt.Errorf("%s: want one YAML document with the configuration, found %d", file, len(docs))
	}
	var c Config
	if len(problems) == 0 {
		problems = document.Decode(docs[0], &c)
		if len(problems) == 0 {
			for _, x := range c.check() {
				problems = append(problems, document.Problem{File: file, Line: docs[0].Line(x.field), Field: x.field, Message: x.problem})
			}
		}
	}
	if len(problems) > 0 {
		errs := make([]error, len(problems))
		for i, p := range problems {
			errs[i] = p
		}
		return Config{}, errors.Join(errs...)
	}
	return c, nil
}

// ReadIfConfig reads a file if it is a configuration: one YAML document that is no Kubernetes object and no Spring
// configuration, and has one of the keys that begin a role.
func ReadIfConfig(file string) (c Config, is bool, err error) {
	info, err := os.Stat(file)
	if err != nil || info.IsDir() {
		return c, false, nil // the sources say what is wrong with a path
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return c, false, fmt.Errorf("app: read configuration: %w", err)
	}
	docs, problems := document.Split(file, text)
	if len(problems) > 0 || len(docs) != 1 {
		return c, false, nil
	}
	for _, key := range []string{"dns", "slb", "ingress", "gateway", "registry", "pods", "sources"} {
		is = is || docs[0].Node(key) != nil
	}
	if !is || docs[0].Node("apiVersion") != nil {
		return c, false, nil
	}
	c, err = ParseConfig(file, text)
	return c, true, err
}

// Print writes the configuration as the YAML that ReadConfig reads.
func (c Config) Print() ([]byte, error) {
	text, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("app: print configuration: %w", err)
	}
	return text, nil
}

type fault struct{ field, problem string }

// check finds what the types allow but cannot work.
func (c *Config) check() []fault {
	var out []fault
	say := func(field, format string, args ...any) { out = append(out, fault{field, fmt.Sprintf(format, args...)}) }
	need := func(field string, a netip.AddrPort) {
		if !a.IsValid() {
			say(field, "is missing: give address:port")
		}
	}
	if a := c.Admin.Address; a.IsValid() && !a.Addr().IsLoopback() {
		say("admin.address", "%s is not a loopback address: the admin API is for this machine only", a)
	}
	switch c.Log.Level {
	case "", "debug", "info", "warn", "error":
	default:
		say("log.level", "%q is none of debug, info, warn, error", c.Log.Level)
	}
	switch c.Log.Format {
	case "", "text", "json":
	default:
		say("log.format", "%q is none of text, json", c.Log.Format)
	}
	c.HTTP2.check(say)
	if d := c.DNS; d != nil {
		need("dns.address", d.Address)
		if len(d.Zones) == 0 {
			say("dns.zones", "is empty: name at least one zone to answer for")
		}
	}
	if s := c.SLB; s != nil {
		for i, l := range s.Listeners {
			at := fmt.Sprintf("slb.listeners[%d]", i)
			need(at+".address", l.Address)
			if l.Name == "" {
				say(at+".name", "is missing")
			}
			if len(l.Nodes) == 0 {
				say(at+".nodes", "is empty: name the nodes behind the SLB")
			}
			for j, n := range l.Nodes {
				need(fmt.Sprintf("%s.nodes[%d].address", at, j), n.Address)
			}
		}
	}
	if g := c.Ingress; g != nil {
		if len(g.Nodes) == 0 {
			say("ingress.nodes", "is empty: name at least one node")
		}
		for i, n := range g.Nodes {
			at := fmt.Sprintf("ingress.nodes[%d]", i)
			need(at+".http", n.HTTP)
			if n.Name == "" {
				say(at+".name", "is missing")
			}
		}
	}
	if g := c.Gateway; g != nil {
		need("gateway.http", g.HTTP)
		if g.registers() && c.Registry == nil && len(c.Sources.Nacos) == 0 {
			say("gateway.service", "there is no registry to register in: add registry or sources.nacos, or set service: \"-\"")
		}
	}
	if r := c.Registry; r != nil {
		need("registry.http", r.HTTP)
		need("registry.grpc", r.GRPC)
	}
	names := map[string]bool{}
	if c.Registry != nil {
		names[""] = true
	}
	for i, n := range c.Sources.Nacos {
		at := fmt.Sprintf("sources.nacos[%d]", i)
		if n.Address == "" {
			say(at+".address", "is missing: give host:port")
		}
		if names[n.Name] {
			say(at+".name", "another registry already has this name: give each its own")
		}
		names[n.Name] = true
	}
	if p := c.Pods; p != nil && len(p.Nodes) == 0 && !p.Single {
		say("pods.nodes", "is empty: name the machines that pods are said to run on")
	}
	if c.Pods != nil {
		for name, at := range c.Pods.Attach {
			if _, err := netip.ParseAddrPort(at); err != nil {
				say("pods.attach."+name, "%q is not IP:port", at)
			}
		}
	}
	if c.DNS == nil && c.SLB == nil && c.Ingress == nil && c.Gateway == nil && c.Registry == nil && c.Pods == nil {
		say("", "no role is switched on: add at least one of dns, slb, ingress, gateway, registry")
	}
	return out
}

const defaultService = "paifang-gateway"

func (g *Gateway) registers() bool { return g.Service != "-" }

func (g *Gateway) service() string {
	if g.Service == "" {
		return defaultService
	}
	return g.Service
}

func (g *Gateway) advertise() netip.Addr {
	if g.Advertise.IsValid() {
		return g.Advertise
	}
	return g.HTTP.Addr()
}

// adminAddress is where the admin API listens.
func (c *Config) adminAddress() netip.AddrPort {
	if c.Admin.Address.IsValid() {
		return c.Admin.Address
	}
	return netip.MustParseAddrPort("127.0.0.1:8088")
}

// keeper is how the lists of an external registry are called.
func (n Nacos) keeper() string { return strings.TrimSuffix("registry/"+n.Name, "/") }

func (n Nacos) namespace() string { return orDefault(n.Namespace, "public") }
func (n Nacos) group() string     { return orDefault(n.Group, "DEFAULT_GROUP") }

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}
