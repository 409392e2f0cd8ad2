package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"paifang/internal/dnsserver"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// name is the second hop: what our DNS answers.
func (x *walker) name() bool {
	if addr, ok := x.a.address(); ok {
		x.addr = addr
		x.hop("dns", addr.String()+" is an address: no name is asked for", "")
		return true
	}
	if x.done != nil && x.done.dns != nil {
		return x.nameAsked(x.done.dns)
	}
	if zone, ok := x.w.Snapshot.ZoneOf(x.a.target); ok && !x.w.answersNames() {
		return x.end("dns", fmt.Sprintf("nobody answers for zone %s: our DNS does not run", zone.Name), "", "no connection: the name is not answered")
	}
	for _, t := range []dnsserver.Type{dnsserver.A, dnsserver.AAAA} {
		answer := dnsserver.Lookup(x.w.Snapshot, x.a.target, t)
		switch answer.Outcome {
		case dnsserver.Found:
			x.named(answer.Addrs, t.String(), x.w.at(answer.Origin), 0)
			return true
		case dnsserver.NoName:
			return x.end("dns", fmt.Sprintf("NXDOMAIN: zone %s has no name %s%s", answer.Zone.Name, x.a.target, x.nearestNames(answer.Zone.Name)),
				"", "no connection: the name has no address")
		case dnsserver.Declined:
			return x.outside()
		}
	}
	return x.end("dns", fmt.Sprintf("NODATA: the name %s is there, but has no address%s", x.a.target, x.below()), "",
		"no connection: the name has no address")
}

// answersNames tells whether a DNS of ours runs, here or elsewhere.
func (w *World) answersNames() bool {
	for l := range w.Snapshot.Listeners() {
		if l.Protocol == model.DNS {
			return true
		}
	}
	return false
}

// named takes the first address, as clients do, and remembers for whom the name was published.
func (x *walker) named(addrs []netip.Addr, kind, source string, ms float64) {
	x.addr = addrs[0]
	if n, _ := x.w.Snapshot.Names().Lookup(x.a.target); n != nil {
		x.class = n.Class
	}
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	text := fmt.Sprintf("%s %s %s", x.a.target, kind, strings.Join(texts, " "))
	if len(addrs) > 1 {
		text += ": a client takes any, here the first"
	}
	h := x.hop("dns", text+in(source), source)
	if h.MS = ms; x.done != nil {
		h.Text += fmt.Sprintf(", %s", millisOf(ms))
	}
	if len(addrs) > 1 {
		for i, a := range addrs {
			h.Candidates = append(h.Candidates, Candidate{Name: a.String(), Share: 1 / float64(len(addrs)), Chosen: i == 0})
		}
	}
}

// nameAsked prints what our DNS server said to a question over the network.
func (x *walker) nameAsked(d *dnsAnswer) bool {
	source := ""
	if n, _ := x.w.Snapshot.Names().Lookup(x.a.target); n != nil {
		source = x.w.at(n.Origin)
	}
	switch {
	case d.err != "":
		return x.end("dns", d.err, "", "no connection: the name has no address")
	case len(d.addrs) > 0:
		x.named(d.addrs, d.kind, source, d.ms)
		return true
	case d.outcome == string(dnsserver.Declined):
		return x.outside()
	case d.outcome == string(dnsserver.NoName):
		zone, _ := x.w.Snapshot.ZoneOf(x.a.target)
		return x.end("dns", fmt.Sprintf("NXDOMAIN: zone %s has no name %s%s, %s", zone.Name, x.a.target, x.nearestNames(zone.Name), millisOf(d.ms)),
			"", "no connection: the name has no address")
	default:
		return x.end("dns", fmt.Sprintf("%s: no address for %s, %s", d.outcome, x.a.target, millisOf(d.ms)), "", "no connection: the name has no address")
	}
}

// outside is for names of somebody else's zones. Where a listener serves the host, its record can be told.
func (x *walker) outside() bool {
	var zones []string
	for z := range x.w.Snapshot.Zones() {
		zones = append(zones, z.Name)
	}
	ours := "there are none"
	if len(zones) > 0 {
		ours = strings.Join(zones, ", ")
	}
	text := fmt.Sprintf("%s lies outside our zones (%s)", x.a.target, ours)
	for _, class := range x.w.Snapshot.Classes() {
		for _, t := range x.w.Snapshot.Tables(class) {
			if t.Host == "" || !t.Host.Matches(x.a.target) {
				continue
			}
			for l := range x.w.Snapshot.Listeners() {
				if l.EffectiveClass() != class || !speaksHTTP(l) || len(l.Addresses()) == 0 {
					continue
				}
				x.addr, x.class = l.Addresses()[0], class
				x.hop("dns", fmt.Sprintf("%s; the record to enter at its DNS host is A %s", text, x.addr), "")
				return true
			}
		}
	}
	return x.end("dns", text+", and no route names it", "", "no connection by us: another DNS decides where the name leads")
}

// nearestNames lists published names of a zone, those that share most with the name asked for first.
func (x *walker) nearestNames(zone string) string {
	var names []string
	for n := range x.w.Snapshot.Names().All() {
		if _, fixed := n.Host.Split(); fixed == zone || strings.HasSuffix(fixed, "."+zone) {
			names = append(names, string(n.Host))
		}
	}
	if len(names) == 0 {
		return ", and no others"
	}
	near(names, x.a.target)
	return "; there are " + some(names, 4)
}

// below names what lies below an empty non-terminal.
func (x *walker) below() string {
	var names []string
	for n := range x.w.Snapshot.Names().All() {
		if strings.HasSuffix(string(n.Host), "."+x.a.target) {
			names = append(names, string(n.Host))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; below it there are " + some(names, 4)
}

// near puts words that share the longest beginning or end with a given one first.
func near(words []string, to string) {
	slices.SortStableFunc(words, func(a, b string) int { return alike(b, to) - alike(a, to) })
}

func alike(a, b string) int {
	head, tail := 0, 0
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	for tail < min(len(a), len(b)) && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	return head + tail
}

// some joins at most n words and counts the rest.
func some(words []string, n int) string {
	if len(words) <= n {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:n], ", "), len(words)-n)
}

func speaksHTTP(l model.Listener) bool { return l.Protocol == model.HTTP || l.Protocol == model.HTTPS }

// hostsOf lists the hosts of a site as they are shown.
func hostsOf(tables []*snapshot.HostTable) []string {
	var out []string
	for _, t := range tables {
		out = append(out, snapshot.HostText(t.Host))
	}
	return out
}
