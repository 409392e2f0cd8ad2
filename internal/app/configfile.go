package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"reflect"
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
			c.placed(os.Getenv)
			for _, x := range c.faults() {
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

// ReadIfConfig reads a file if it is a configuration: one YAML document that is no Kubernetes object and has no Spring
// routes, and of which every second key at least is one of ours, or one of ours with a slip of the pen.
func ReadIfConfig(file string) (c Config, is bool, err error) {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return c, false, nil // the sources say what is wrong with a path
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return c, false, fmt.Errorf("app: read configuration: %w", err)
	}
	docs, problems := document.Split(file, text)
	if len(problems) > 0 || len(docs) != 1 || !meantAsConfig(docs[0].Root) {
		return c, false, nil
	}
	c, err = ParseConfig(file, text)
	return c, true, err
}

func meantAsConfig(root *document.Node) bool {
	if root.Kind != document.Map || root.Get("apiVersion") != nil || root.Get("spring") != nil {
		return false
	}
	var known []string
	for f := range reflect.TypeFor[Config]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		known = append(known, name)
	}
	ours := 0
	for _, e := range root.Keys {
		if document.Nearest(e.Key, known) != "" {
			ours++
		}
	}
	return ours > 0 && 2*ours >= len(root.Keys)
}

// Print writes the configuration as the YAML that ReadConfig reads.
func (c Config) Print() ([]byte, error) {
	text, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("app: print configuration: %w", err)
	}
	return text, nil
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

// podAddress is the variable in which the manifest of a pod tells what address the pod has: no file can know it.
const podAddress = "POD_IP"

// placed sets the addresses that others are told where none is given and the role listens on all of them. What is no address there
// is left for the faults to name.
func (c *Config) placed(env func(string) string) {
	own, err := netip.ParseAddr(env(podAddress))
	if err != nil {
		return
	}
	if g := c.Gateway; g != nil && !g.Elsewhere && g.advertise().IsUnspecified() && !g.Advertise.IsValid() {
		g.Advertise = own
	}
	if r := c.Registry; r != nil && r.HTTP.Addr().IsUnspecified() && !r.Advertise.IsValid() {
		r.Advertise = own
	}
}

// adminAddress is where the admin API listens.
func (c *Config) adminAddress() netip.AddrPort {
	if c.Admin.Address.IsValid() {
		return c.Admin.Address
	}
	return netip.MustParseAddrPort("127.0.0.1:8088")
}

// reserved are the addresses of the admin API, where no instance of any registry may be: who may register would have our gateways carry
// requests to it. Where it listens on all addresses of the machine, these are the ones that it has now.
func (c *Config) reserved() []netip.AddrPort {
	at := c.adminAddress()
	out := []netip.AddrPort{netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}
	if !at.Addr().IsUnspecified() {
		return out
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return out // loopback is refused all the same
	}
	for _, a := range own {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, netip.AddrPortFrom(p.Addr().Unmap(), at.Port()))
		}
	}
	return out
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
