package springgw

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"

	"paifang/internal/model"
)

// memory is what definitions came to. It makes a change of one route cost one route, among however many.
type memory struct {
	common common // what held for all of them
	// settings are those of texts that are kept elsewhere, with what is above them.
	settings map[*setting]*setting
	routes   map[*definition]translated
	hosts    map[string]leading // by the keys of their groups
}

// translated is what one definition came to, which follows from it, from what is common to all and from what is here.
type translated struct {
	key      string // of its group
	objects  *model.Objects
	position int
	weights  []weight
	shares   []model.Share // of the weights
	leads    []*lead
	depends  *dependence // nil = on nothing that is elsewhere
}

// dependence is what few definitions go by that stands elsewhere. It is apart because there may be many definitions.
type dependence struct {
	services  []string          // that routes lead to; nil = it does not go by them
	described []*descriptorFile // that its filters name
}

// holds tells whether all of it is as it was.
func (d *dependence) holds(t *translator) bool {
	if d == nil {
		return true
	}
	for _, f := range d.described {
		if t.c.descriptors.get(f.path) != f {
			return false
		}
	}
	return d.services == nil || slices.Equal(d.services, t.known())
}

// lead is a definition's way to a host, and the upstream for that.
type lead struct {
	to target
	up model.Upstream
}

// leading is what a lead came to with the addresses that were known.
type leading struct {
	lead    *lead
	known   known
	objects *model.Objects
}

// remember begins what the next translation will find, and forgets what was if something is different for all.
func (t *translator) remember() {
	if !t.before.common.equal(&t.common) {
		t.before = &memory{}
	}
	t.now = &memory{t.common, t.settings, make(map[*definition]translated, len(t.before.routes)), make(map[string]leading, len(t.before.hosts))}
}

// equal tells whether routes come to the same with both. Where a default filter stands is none of theirs.
func (c *common) equal(d *common) bool {
	return c.above == d.above && maps.EqualFunc(c.clients, d.clients, client.equal) && slices.EqualFunc(c.defaults, d.defaults, part.equal) &&
		slices.EqualFunc(c.own[0], d.own[0], ownList.equal) && slices.EqualFunc(c.own[1], d.own[1], ownList.equal) &&
		slices.EqualFunc(c.cors, d.cors, func(a, b corsRule) bool {
			return a.pattern == b.pattern && a.at.File == b.at.File && a.at.Line == b.at.Line && reflect.DeepEqual(a.spec, b.spec) && (a.err == nil) == (b.err == nil)
		})
}

func (p part) equal(q part) bool {
	return p.name == q.name && p.field == q.field && slices.Equal(p.words, q.words) && p.args.Equal(q.args) && p.fault == q.fault && p.around == q.around
}

// recall takes what a definition came to before, and tells whether that is what it comes to now.
func (t *translator) recall(d *definition, position int) bool {
	r, ok := t.before.routes[d]
	if !ok || r.position != position || !slices.Equal(r.shares, t.weights.shares(d.name(), r.weights)) {
		return false
	}
	if !r.depends.holds(t) {
		return false
	}
	t.groups[r.key] = r.objects
	t.now.routes[d] = r
	for _, l := range r.leads {
		t.static(l)
	}
	return true
}

// lead notes that the definition under way leads to a host.
func (t *translator) lead(to target, up model.Upstream) {
	l := &lead{to, up}
	t.leads = append(t.leads, l)
	t.static(l)
}

// static adds the upstream of a host once, with the addresses that are known.
func (t *translator) static(l *lead) {
	key := string(l.up.ID)
	if t.groups[key] != nil {
		return
	}
	now := leading{lead: l, known: t.addresses(l.to)}
	if was := t.before.hosts[key]; was.lead == l && was.known.equal(now.known) {
		now = was
	} else {
		now.objects = t.host(l, now.known)
	}
	t.groups[key], t.now.hosts[key] = now.objects, now
}

// addresses are those that are known of a host, which is asked for if it has a name.
func (t *translator) addresses(to target) known {
	if a, ok := to.addr(); ok {
		return known{addrs: []netip.Addr{a}}
	}
	if t.c.names {
		return known{}
	}
	t.hosts[to.place()] = to
	return t.resolved[to.place()]
}

func (k known) equal(other known) bool {
	text := func(err error) string {
		if err == nil {
			return ""
		}
		return err.Error()
	}
	return (k.addrs == nil) == (other.addrs == nil) && slices.Equal(k.addrs, other.addrs) && text(k.err) == text(other.err)
}

// host makes the objects of a host.
func (t *translator) host(l *lead, k known) *model.Objects {
	to, up := l.to, l.up
	g := &model.Objects{Upstreams: []model.Upstream{up}}
	if _, isAddress := to.addr(); t.c.names && !isAddress {
		g.Upstreams[0].Endpoints = []model.EndpointsID{{Keeper: model.KeeperDNS, Name: to.place()}}
		return g
	}
	if k.err != nil {
		message := fmt.Sprintf("host %s has no address: %v", to.host, k.err)
		if k.addrs != nil {
			message += "; those it had before stay in use"
		}
		g.Diagnostics = []model.Diagnostic{fault{"", 0, "uri", CodeUnresolved, model.Warning, message}.diagnostic(up.Origin)}
	}
	if k.addrs == nil {
		return g // unknown, which is not empty
	}
	set := model.EndpointSet{List: up.Endpoints[0], Origin: up.Origin}
	for _, a := range k.addrs {
		set.Endpoints = append(set.Endpoints, model.Endpoint{Addr: netip.AddrPortFrom(a, to.port), Name: to.host})
	}
	g.Endpoints = []model.EndpointSet{set}
	return g
}
