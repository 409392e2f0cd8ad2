package explain

import (
	"fmt"
	"math"
	"net/netip"
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

func balanceText(equal bool) string {
	if equal {
		return "round robin: "
	}
	return "weighted round robin: "
}

// choice is the end of a line at which one of several is chosen. Shares are told where they differ.
func (x *walker) choice(chosen string, cs []Candidate, equal bool, t took) string {
	verb := "next is "
	if t.ok {
		verb = "took "
	}
	text := verb + chosen
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
