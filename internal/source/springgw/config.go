package springgw

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"paifang/internal/bootconfig"
	"paifang/internal/document"
	"paifang/internal/model"
)

// gatewayConfig is what one application says of the gateway.
type gatewayConfig struct {
	routes   []*definition
	defaults []part       // default-filters
	own      [2][]ownList // our own filters for all routes, by ownKeys
	locator  *bootconfig.Property
	cors     []corsRule // globalcors
	// preflights says that those which no route matches are answered.
	preflights bool
	client
	off bool // the gateway is switched off
	// definitions says that its routes are definitions in JSON, and no configuration of Spring Boot.
	definitions bool
	faults      []fault  // that belong to no route
	around      *setting // what its filters find around them
	// known has what the properties of routes were read to; nil is one that is switched off.
	known map[*bootconfig.Property]*definition
}

// CodeUnverified is the code of TLS that verifies nobody.
const CodeUnverified model.Code = "tls-unverified"

// prefixes are where Spring Cloud Gateway has its properties: up to 4.2, and from 4.3 on.
func prefixes() [2][]string {
	return [2][]string{{"spring", "cloud", "gateway"}, {"spring", "cloud", "gateway", "server", "webflux"}}
}

// readConfig returns what the properties of an application say of the gateway, or nil when they say nothing. What was read before is not read again.
func readConfig(root *bootconfig.Property, resolvers map[string]string, zone string, before *gatewayConfig) *gatewayConfig {
	if root.Get(prefixes()[0]...) == nil {
		return nil
	}
	c := &gatewayConfig{around: settingOf(root, resolvers, before.around), known: make(map[*bootconfig.Property]*definition, len(before.known))}
	for _, prefix := range prefixes() {
		c.read(root.Get(prefix...), before)
	}
	c.balance = readBalancing(root, zone, func(p *bootconfig.Property, field, message string) {
		c.say(p, field, model.CodeUnsupported, model.Warning, message)
	})
	c.judgeVersions()
	c.judge(root)
	return c
}

// read adds what stands under one of the prefixes.
func (c *gatewayConfig) read(gw *bootconfig.Property, before *gatewayConfig) {
	if p := gw.Get("routes"); p != nil && !p.IsList() && len(p.Kids) > 0 {
		c.say(p, "routes", model.CodeInvalid, model.Error, notList)
	}
	for _, item := range gw.Get("routes").List() {
		d, ok := before.known[item]
		if !ok || before.around != c.around || d != nil && d.index != len(c.routes) {
			d = readDefinition(item, len(c.routes), c.around)
		}
		c.known[item] = d
		if d != nil {
			c.routes = append(c.routes, d)
		}
	}
	for i, item := range gw.Get("default-filters").List() {
		f := readPart(item, fmt.Sprintf("default-filters[%d]", i), false)
		f.shared, f.around = true, c.around
		for _, x := range strangers(item, f.field) {
			x.file = item.File
			c.faults = append(c.faults, x)
		}
		c.defaults = append(c.defaults, f)
	}
	for i, key := range ownKeys() {
		if p := gw.Get(key); p != nil {
			c.own[i] = append(c.own[i], newOwnList(p, key))
		}
	}
	if l := gw.Get("discovery", "locator"); l != nil {
		c.locator = l
	}
	c.readGlobal(gw.Get("globalcors"))
	for _, path := range [][]string{{"enabled"}, {"discovery", "locator", "enabled"}, {"discovery", "locator", "lower-case-service-id"}, {"loadbalancer", "use404"},
		{"globalcors", "add-to-simple-url-handler-mapping"}, {"httpclient", "ssl", "use-insecure-trust-manager"}} {
		if p := gw.Get(path...); p != nil && !p.IsFlag() {
			c.say(p, strings.Join(path, "."), model.CodeInvalid, model.Error, fmt.Sprintf("%q is neither true nor false, and counts as false", p.Text()))
		}
	}
	if p := gw.Get("enabled"); p != nil && p.Text() != "" && !p.IsTrue() && p.IsFlag() {
		c.off = true
		c.say(p, "enabled", model.CodeIgnored, model.Warning, "the gateway is switched off: nothing of the file is served")
	}
	client := gw.Get("httpclient")
	c.limit(client.Get("connect-timeout"), (*timeout)(&c.timeouts.Connect))
	c.limit(client.Get("response-timeout"), (*timeout)(&c.timeouts.Response))
	c.wait(client.Get("pool", "max-idle-time"), &c.pool.IdleTime)
	c.wait(client.Get("pool", "max-life-time"), &c.pool.Age)
	if p := client.Get("ssl", "use-insecure-trust-manager"); p.IsTrue() {
		c.insecure = true
		c.say(p, "httpclient.ssl.use-insecure-trust-manager", CodeUnverified, model.Warning,
			"certificates of upstreams are not verified: whoever is in between can read and change everything")
	}
}

func (c *gatewayConfig) limit(p *bootconfig.Property, into *timeout) {
	if p == nil {
		return
	}
	if err := into.set(p.Text()); err != nil {
		c.say(p, "httpclient."+p.Name, model.CodeInvalid, model.Error, err.Error())
	}
}

// wait reads how long a connection to an upstream may be kept.
func (c *gatewayConfig) wait(p *bootconfig.Property, into *time.Duration) {
	if p == nil {
		return
	}
	var d timeout
	if err := d.set(p.Text()); err != nil || d <= 0 || time.Duration(d) == off {
		c.say(p, "httpclient.pool."+p.Name, model.CodeInvalid, model.Error, p.Text()+" is no time that a connection is kept for; it has no effect")
		return
	}
	*into = time.Duration(d)
}

func (c *gatewayConfig) say(p *bootconfig.Property, field string, code model.Code, severity model.Severity, message string) {
	c.faults = append(c.faults, fault{p.File, p.Line, field, code, severity, message})
}

// judge says what becomes of the properties that have no effect, or another one than in Spring.
func (c *gatewayConfig) judge(root *bootconfig.Property) {
	propertyVerdicts().walk(root, func(p *bootconfig.Property, path []string, v *Verdict) {
		if v.Verdict == Supported {
			return
		}
		severity, code := model.Info, model.CodeIgnored
		if v.Verdict == Unsupported || v.Name == sentinelRules { // an import keeps these, and who serves the file has to know that nobody does
			severity, code = model.Warning, model.CodeUnsupported
		}
		c.say(p, strings.Join(path, "."), code, severity, v.sentence())
	})
}

// walk visits the properties that have a verdict. What is below one that is not looked at is not looked at either.
func (t propertyTable) walk(root *bootconfig.Property, visit func(p *bootconfig.Property, path []string, v *Verdict)) {
	judged(root, nil, func(p *bootconfig.Property, path []string) bool {
		v, below, inside := t.of(path)
		if v == nil || below && t.covers(p, path) {
			return below || inside
		}
		visit(p, path, v)
		t.others(p, path, visit)
		return below
	})
}

// keysBelow are those that there are below properties whose verdict stands for all of them.
func keysBelow() map[string][]string {
	return map[string][]string{
		"discovery":                           {"locator"},
		"discovery.locator":                   {"enabled", "route-id-prefix", "include-expression", "url-expression", "lower-case-service-id", "predicates", "filters"},
		"globalcors":                          {"cors-configurations", "add-to-simple-url-handler-mapping"},
		"filter.local-response-cache":         {"enabled", "size", "time-to-live", "request"},
		"filter.local-response-cache.request": {"no-cache-strategy"},
	}
}

// others visits keys below a property that nobody reads, though its verdict stands for what is below it. A locator that acts says that itself.
func (t propertyTable) others(p *bootconfig.Property, path []string, visit func(p *bootconfig.Property, path []string, v *Verdict)) {
	var known []string
	for section, keys := range keysBelow() {
		if canonical(strings.Split(ourKeys+section, ".")) == canonical(path) {
			known = keys
		}
	}
	if known == nil || canonical(path) == ourKeys+"discovery.locator" && p.Get("enabled").IsTrue() {
		return
	}
	for _, k := range p.Kids {
		at := append(path[:len(path):len(path)], k.Name)
		if slices.ContainsFunc(known, func(key string) bool { return bootconfig.Same(key, k.Name) }) {
			t.others(k, at, visit)
			continue
		}
		v := &Verdict{"property", strings.Join(at, "."), Unsupported, noSuchProperty}
		if near := document.Nearest(k.Name, known); near != "" {
			v.Why += ": did you mean " + near + "?"
		}
		visit(k, at, v)
	}
}

// covers tells whether all that is written below a property has verdicts of its own.
func (t propertyTable) covers(p *bootconfig.Property, path []string) bool {
	for _, k := range p.Kids {
		if _, ok := t[canonical(append(path[:len(path):len(path)], k.Name))]; !ok {
			return false
		}
	}
	return len(p.Kids) > 0
}

// judged walks the properties below p. visit tells whether what is below is looked at too.
func judged(p *bootconfig.Property, path []string, visit func(*bootconfig.Property, []string) bool) {
	for _, k := range below(p) {
		at := append(path[:len(path):len(path)], k.Name)
		if visit(k, at) {
			judged(k, at, visit)
		}
	}
}

// keep adds what old has and c does not. A route that has another name now is not there twice: it keeps the old one until all can be read.
func (c *gatewayConfig) keep(old *gatewayConfig) {
	have, had := map[string]bool{}, map[string]bool{}
	for _, d := range c.routes {
		have[d.name()] = true
	}
	var missing []*definition
	under := map[string]bool{} // conditions of those that are missing
	for _, d := range old.routes {
		had[d.name()] = true
		if !have[d.name()] {
			missing = append(missing, d)
			under[d.conditions()] = true
		}
	}
	if len(missing) > 0 {
		c.routes = slices.DeleteFunc(c.routes, func(d *definition) bool { return !had[d.name()] && under[d.conditions()] })
		c.routes = append(c.routes, missing...)
	}
	if len(c.defaults) < len(old.defaults) {
		c.defaults = old.defaults
	}
	for i := range c.own {
		if c.own[i] == nil {
			c.own[i] = old.own[i]
		}
	}
	if c.locator == nil {
		c.locator = old.locator
	}
	if c.around == nil {
		c.around = old.around
	}
	if c.cors == nil {
		c.cors, c.preflights = old.cors, old.preflights
	}
	if c.balance == nil {
		c.balance = old.balance
	}
	c.insecure = c.insecure || old.insecure
	c.pool.IdleTime, c.pool.Age = cmp.Or(c.pool.IdleTime, old.pool.IdleTime), cmp.Or(c.pool.Age, old.pool.Age)
	if c.timeouts == (model.Timeouts{}) {
		c.timeouts = old.timeouts
	}
}
