package snapshot

import (
	"fmt"
	"io"
	"strings"

	"paifang/internal/model"
)

// Dump writes everything in the snapshot but its version as text, in a fixed order, for tests and for people.
func (s *Snapshot) Dump(w io.Writer) {
	for l := range s.Listeners() {
		fmt.Fprintf(w, "listener %s %s %v class %s", l.ID, l.Protocol, l.Bind, l.EffectiveClass())
		if len(l.Advertise) > 0 {
			fmt.Fprintf(w, " advertise %v", l.Advertise)
		}
		fmt.Fprintln(w)
	}
	for _, class := range s.Classes() {
		for _, t := range s.Tables(class) {
			fmt.Fprintf(w, "host %s %s\n", class, HostText(t.Host))
			for _, r := range t.Routes() {
				fmt.Fprintf(w, "  %s\n", r)
			}
			for _, l := range t.Lost() {
				fmt.Fprintf(w, "  lost %s to %s\n", l.Route.ID, l.To.ID)
			}
		}
	}
	for _, r := range s.c.L4Routes {
		fmt.Fprintf(w, "l4 %s %v", r.ID, r.Attach)
		if len(r.ServerNames) > 0 {
			fmt.Fprintf(w, " TLS for %v", r.ServerNames)
		}
		fmt.Fprintf(w, " to %s\n", r.Upstream)
	}
	for u := range s.Upstreams() {
		fmt.Fprintf(w, "upstream %s over", u.ID)
		for _, e := range u.Endpoints {
			fmt.Fprintf(w, " %s", e)
		}
		if part := u.PartText(); part != "" {
			fmt.Fprintf(w, " only %s", part)
		}
		if u.TLS.Mode != model.TLSAsListed {
			fmt.Fprintf(w, " TLS %s", u.TLS.Mode)
		}
		if u.TLS.Name != "" {
			fmt.Fprintf(w, " as %s", u.TLS.Name)
		}
		fmt.Fprintln(w, u.Settings())
	}
	for _, c := range s.c.Certificates {
		fmt.Fprintf(w, "certificate %s %v\n", c.ID, c.Hosts)
	}
	for _, p := range s.c.TLSPolicies {
		fmt.Fprintf(w, "tls %s %v", p.ID, p.Hosts)
		if p.ClientAuth != model.ClientNone {
			fmt.Fprintf(w, " client certificate %s", p.ClientAuth)
		}
		if p.Reject != "" {
			fmt.Fprintf(w, " rejected %s", p.Reject)
		}
		fmt.Fprintln(w)
	}
	for _, z := range s.c.Zones {
		fmt.Fprintf(w, "zone %s\n", z.Name)
	}
	for n := range s.c.Names.All() {
		fmt.Fprintf(w, "name %s %v ttl %d\n", n.Host, n.Addrs, n.TTL)
	}
	for _, x := range s.c.Workloads {
		fmt.Fprintf(w, "workload %s replicas %d\n", x.ID, x.Replicas)
	}
	for _, d := range s.Diagnostics() {
		fmt.Fprintln(w, d)
	}
}

// HostText is how a host pattern is shown: "*" for any host.
func HostText(h model.Host) string {
	if h == "" {
		return "*"
	}
	return string(h)
}

// String is one line: match, conditions, filters, effect, ID.
func (r *Route) String() string {
	var b strings.Builder
	b.WriteString(r.Match.Path.String())
	if c := r.Match.Text(); c != "" {
		fmt.Fprintf(&b, ", %s,", c)
	}
	if r.Default {
		b.WriteString(" default")
	}
	for _, f := range r.Filters {
		fmt.Fprintf(&b, " %s%s", f.Kind, f.Config)
	}
	switch a := r.Action.(type) {
	case model.Forward:
		b.WriteString(" to")
		for _, t := range a.Targets {
			fmt.Fprintf(&b, " %s", t.Upstream)
			if t.Weight > 0 {
				fmt.Fprintf(&b, "*%d", t.Weight)
			}
			if t.Else != "" {
				fmt.Fprintf(&b, " else %s", t.Else)
			}
			if t.Carry.Name != "" {
				fmt.Fprintf(&b, " with %s: %s", t.Carry.Name, t.Carry.Value)
			}
		}
		b.WriteString(a.LanesText() + a.Retry.Settings() + a.InsteadText())
	case model.Redirect:
		fmt.Fprintf(&b, " redirect %d %s", a.Status, a.Location)
	case model.Respond:
		fmt.Fprintf(&b, " respond %d", a.Status)
		if a.Code != "" {
			fmt.Fprintf(&b, " %s", a.Code)
		}
	}
	b.WriteString(r.Timeouts.Settings())
	if r.Reject != "" {
		b.WriteString(" rejected")
	}
	fmt.Fprintf(&b, " (%s)", r.ID)
	return b.String()
}
