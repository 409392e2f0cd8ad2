package springgw

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
)

// Names and times of Spring Cloud LoadBalancer where the properties say nothing.
const (
	stickyCookie   = "sc-lb-instance-id"
	hintHeader     = "X-SC-LB-Hint"
	hintTag        = "hint"
	healthPath     = "/actuator/health"
	healthInterval = 25 * time.Second
)

// balancing is how instances of services are chosen: spring.cloud.loadbalancer of one application. Services with properties of
// their own, under clients or by name, have an entry.
type balancing struct {
	all model.Upstream // settings alone
	by  map[string]model.Upstream
}

// settle gives the upstream of a service its settings.
func (b *balancing) settle(u *model.Upstream, service string) {
	if b == nil {
		return
	}
	from, ok := b.by[service]
	if !ok {
		from = b.all
	}
	u.Balance, u.Affinity, u.Zones, u.Prefer, u.Health, u.SlowStart = from.Balance, from.Affinity, from.Zones, from.Prefer, from.Health, from.SlowStart
	u.EmptyStatus = from.EmptyStatus
}

// readBalancing reads the properties of an application; say is told what is wrong with them. zone is Config.Zone.
func readBalancing(root *bootconfig.Property, zone string, say func(p *bootconfig.Property, field, message string)) *balancing {
	lb := root.Get("spring", "cloud", "loadbalancer")
	if lb == nil && !noInstance404(root) {
		return nil
	}
	out := &balancing{by: map[string]model.Upstream{}}
	read := func(service string) model.Upstream {
		r := balanceReader{root: root, lb: lb, service: service, zone: zone, say: say}
		return r.read()
	}
	out.all = read("")
	var services []string
	for _, k := range below(lb.Get("clients")) {
		services = append(services, k.Name)
	}
	for _, k := range slices.Concat(below(lb.Get("hint")), below(lb.Get("health-check", "path"))) {
		if k.Name != "default" {
			services = append(services, k.Name)
		}
	}
	for _, s := range services {
		if _, done := out.by[s]; !done {
			out.by[s] = read(s)
		}
	}
	return out
}

func below(p *bootconfig.Property) []*bootconfig.Property {
	if p == nil {
		return nil
	}
	return p.Kids
}

// weightKey is where instances have the weight that "weighted" goes by in their metadata.
const weightKey = "weight"

// balanceReader reads the settings of one service, or of those without properties of their own.
type balanceReader struct {
	root, lb *bootconfig.Property
	service  string
	zone     string
	say      func(p *bootconfig.Property, field, message string)
}

// get is the property of the service, or else the one of all.
func (r *balanceReader) get(path ...string) *bootconfig.Property {
	if r.service != "" {
		if p := r.lb.Get(append([]string{"clients", r.service}, path...)...); p != nil {
			return p
		}
	}
	return r.lb.Get(path...)
}

// named is get for a property that has a value for each service and a default.
func (r *balanceReader) named(path ...string) *bootconfig.Property {
	if r.service != "" {
		if p := r.lb.Get(append(path, r.service)...); p != nil {
			return p
		}
	}
	return r.get(append(path, "default")...)
}

// noInstance404 tells whether an application answers 404 for a service without instances.
func noInstance404(root *bootconfig.Property) bool {
	return (&setting{root: root}).gateway("loadbalancer", "use404").IsTrue()
}

func (r *balanceReader) read() (u model.Upstream) {
	if noInstance404(r.root) {
		u.EmptyStatus = 404
	}
	p := r.get("configurations")
	weighted := false
	for _, name := range p.Words() { // a text with commas, or a list
		switch name {
		case "default":
		case "weighted": // those of the registry always count
			weighted = true
		case "zone-preference":
			u.Zones = model.ZonePreference{Prefer: true, Enough: 1, Own: r.get("zone").Text()} // while one of them is up
			if cmp.Or(u.Zones.Own, r.zone) == "" {
				r.tell(p, "configurations", "zone-preference has no effect: set spring.cloud.loadbalancer.zone, or zone of the configuration file")
			}
		case "request-based-sticky-session":
			u.Affinity = r.sticky()
		case "same-instance-preference":
			u.Balance = model.Balance{Kind: model.SameEndpoint}
		case "health-check":
			r.health(&u)
		default:
			r.tell(p, "configurations", "the configuration "+name+
				" is not supported and has no effect: want zone-preference, request-based-sticky-session, same-instance-preference, health-check or weighted")
		}
	}
	if weighted {
		u.Balance.WeightTag = weightKey
	}
	if r.get("nacos", "enabled").IsTrue() {
		u.Zones.Cluster = cmp.Or(r.root.Get("spring", "cloud", "nacos", "discovery", "cluster-name").Text(), defaultCluster)
	}
	if value, header := r.named("hint").Text(), r.get("hint-header-name").Text(); value != "" || header != "" {
		u.Prefer = model.TagPreference{Tag: hintTag, Header: cmp.Or(header, hintHeader), Value: value}
	}
	if p := r.get("slow-start"); p != nil {
		var d timeout
		if err := d.set(p.Text()); err != nil || d < 0 || time.Duration(d) == off {
			r.tell(p, "slow-start", "slow-start: "+p.Text()+" is no time for an instance to warm up in; it has no effect")
		} else {
			u.SlowStart.Window = time.Duration(d)
		}
	}
	return u
}

// sticky keeps clients by a cookie. Spring reads one name for all services, and so the name here ends with what stands for the service:
// cookies of two would take each other's place. A name that is given for one service alone is that of its cookie.
func (r *balanceReader) sticky() model.Affinity {
	own := r.lb.Get("clients", r.service, "sticky-session", "instance-id-cookie-name")
	if r.service != "" && own.Text() != "" {
		return model.Affinity{Mode: model.Persistent, Cookie: own.Text()}
	}
	name := cmp.Or(r.lb.Get("sticky-session", "instance-id-cookie-name").Text(), stickyCookie)
	return model.Affinity{Mode: model.Persistent, Cookie: name, PerService: true}
}

// defaultCluster is where instances of Nacos are, and whom a gateway prefers, that name none.
const defaultCluster = "DEFAULT"

func (r *balanceReader) health(u *model.Upstream) {
	u.Health = model.HealthCheck{Kind: model.HealthHTTP, Path: cmp.Or(r.named("health-check", "path").Text(), healthPath), Interval: healthInterval}
	if p := r.get("health-check", "port"); p != nil {
		n, err := strconv.ParseUint(p.Text(), 10, 16)
		if err != nil {
			r.tell(p, "health-check.port", "health-check.port: "+p.Text()+" is no port; it has no effect")
		}
		u.Health.Port = uint16(n)
	}
	if p := r.get("health-check", "interval"); p != nil {
		var d timeout
		if err := d.set(p.Text()); err != nil || d <= 0 {
			r.tell(p, "health-check.interval", "health-check.interval: "+p.Text()+" is no time between two probes; it has no effect")
			return
		}
		u.Health.Interval = time.Duration(d)
	}
}

// tell reports a fault of properties of all services once.
func (r *balanceReader) tell(p *bootconfig.Property, field, message string) {
	r.say(p, "spring.cloud.loadbalancer."+field, message)
}
