package explain

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"paifang/internal/model"
)

// took is what happened at a choice; not ok = nothing was sent.
type took struct {
	ok    bool
	tries int
	ms    float64 // to connect
}

// candidates are the endpoints that take turns, with their shares. equal tells that the shares do not differ.
func candidates(all []Endpoint, chosen netip.AddrPort, name func(Endpoint) string) (out []Candidate, equal bool) {
	equal = true
	for _, e := range all {
		if e.Share <= 0 {
			continue
		}
		c := Candidate{Name: name(e), Share: e.Share, Chosen: e.Addr == chosen}
		if !e.Ready() {
			c.Note = e.state()
		}
		equal = equal && (len(out) == 0 || math.Abs(out[0].Share-c.Share) < 1e-9)
		out = append(out, c)
	}
	return out, equal
}

// balanceText is the beginning of a line at which one of several is chosen.
func (u Upstream) balanceText(equal bool) string {
	switch {
	case u.Balance != "":
		return u.Balance + ": "
	case equal:
		return "round robin: "
	}
	return "weighted round robin: "
}

// choice is the end of that line. Shares are told where they differ, and where nobody can say who is next.
func (x *walker) choice(chosen string, cs []Candidate, equal bool, t took) string {
	verb := "next is "
	if t.ok {
		verb = "took "
	}
	text := verb + chosen
	if !slices.ContainsFunc(cs, func(c Candidate) bool { return c.Chosen }) && !t.ok {
		var all []string
		for _, c := range cs {
			all = append(all, fmt.Sprintf("%s (%s)", c.Name, percent(c.Share)))
		}
		return "next is one of " + some(all, 4)
	}
	var others []string
	for _, c := range cs {
		switch {
		case c.Chosen && !equal:
			text += " (" + percent(c.Share) + ")"
		case !c.Chosen && !equal:
			others = append(others, fmt.Sprintf("%s (%s)", c.Name, percent(c.Share)))
		}
		if c.Chosen && c.Note != "" {
			text += ", " + c.Note + " since nothing is ready"
		}
	}
	if len(others) > 0 {
		text += ", others: " + some(others, 4)
	}
	if t.ok {
		if t.tries > 1 {
			text += ", " + counted(t.tries-1, "retry", "retries")
		}
		text += fmt.Sprintf(", %s to connect", millisOf(t.ms))
	}
	return text
}

// anyNode goes on with one of the nodes among which chance decides: all serve alike, and what one does is what any does.
func (x *walker) anyNode(u Upstream, text, source string) bool {
	cs, equal := candidates(u.Endpoints, netip.AddrPort{}, x.nodeName)
	x.hop("slb", text+", "+u.balanceText(equal)+x.choice("", cs, equal, took{}), source).Candidates = cs
	for _, e := range u.Endpoints {
		if e.Share <= 0 {
			continue
		}
		behind, ok := x.w.listenerAt(e.Addr)
		if !ok {
			return x.end("node", fmt.Sprintf("%s is no listener of ours", e.Addr), "", "what is there decides")
		}
		x.serving = &behind
		x.hop("node", fmt.Sprintf("%s or one like it", nodeOf(behind)), x.w.at(behind.Origin))
		return true
	}
	return false
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func percent(share float64) string {
	return fmt.Sprintf("%d %%", int(math.Round(share*100)))
}

// because names an endpoint and why it is not ready.
func because(name string, e Endpoint) string {
	if e.Why != "" {
		return name + ": " + e.Why
	}
	return name + ": " + e.state()
}

// state is what keeps an endpoint from being ready, in a word.
func (e Endpoint) state() string {
	if e.State != model.Ready {
		return e.State.String()
	}
	if !e.Healthy {
		return "unhealthy"
	}
	return "ready"
}

func millis(d time.Duration) string { return millisOf(float64(d.Microseconds()) / 1000) }

func millisOf(ms float64) string {
	if ms >= 100 {
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f ms", ms)
}

// age is how long something is ago, in one unit.
func age(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d/time.Minute))
	default:
		return fmt.Sprintf("%d h", int(d/time.Hour))
	}
}
