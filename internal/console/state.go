package console

import (
	"cmp"
	"fmt"
	"strings"

	"paifang/internal/adminapi"
	"paifang/internal/explain"
	"paifang/internal/model"
)

// tone is what a colour says. No state is told by colour alone.
type tone string

const (
	good tone = "good"
	warn tone = "warn"
	bad  tone = "bad"
)

// state is how something stands: a word, what it is about ("2/2"), and why. Empty: there is nothing to say.
type state struct {
	Tone   tone
	Word   string
	Amount string
	Why    string
}

func nodeState(n adminapi.Node) state {
	switch {
	case n.Health != "healthy":
		return state{Tone: bad, Word: n.Health, Why: reason(n.Why)}
	case n.Draining:
		return state{Tone: warn, Word: "draining", Why: n.Why}
	default:
		return state{Tone: good, Word: "healthy"}
	}
}

func listenerState(l adminapi.Listener) state {
	switch {
	case l.Error != "":
		return state{Tone: bad, Word: "not bound", Why: l.Error}
	case l.Draining:
		return state{Tone: warn, Word: "draining"}
	case !l.Bound:
		return state{Tone: warn, Word: "not bound"}
	default:
		return state{Tone: good, Word: "bound"}
	}
}

func routeState(r adminapi.Route) state {
	switch {
	case r.LostTo != "":
		return state{Tone: warn, Word: "never reached", Why: r.LostTo}
	case r.Reject != "":
		return state{Tone: bad, Word: "rejected", Why: r.Reject}
	case len(r.BoundOn) == 0:
		return state{Tone: warn, Word: "not bound"}
	default:
		return state{Tone: good, Word: "serves"}
	}
}

func endpointState(e explain.Endpoint) state {
	switch {
	case e.Ready():
		return state{Tone: good, Word: "ready"}
	case !e.Healthy:
		return state{Tone: bad, Word: "down", Why: reason(e.Why)}
	case e.State == model.Unhealthy:
		return state{Tone: bad, Word: e.State.String(), Why: e.Why}
	default:
		return state{Tone: warn, Word: e.State.String(), Why: e.Why}
	}
}

func podState(p explain.Pod) state {
	if p.Ready {
		return state{Tone: good, Word: "ready", Why: p.Reason}
	}
	return state{Tone: bad, Word: "not ready", Why: cmp.Or(p.Reason, p.Phase)}
}

// sourceState is that of a source by what its status says.
func sourceState(failed, synced bool, why string) state {
	switch {
	case failed:
		return state{Tone: bad, Word: "failed", Why: why}
	case !synced:
		return state{Tone: warn, Word: "not synced", Why: why}
	case why != "":
		return state{Tone: warn, Word: "running", Why: why}
	default:
		return state{Tone: good, Word: "running"}
	}
}

func severityState(s model.Severity) state {
	out := state{Word: s.String()}
	switch s {
	case model.Error:
		out.Tone = bad
	case model.Warning:
		out.Tone = warn
	}
	return out
}

// ratio is how many are ready.
func ratio(ready, total int, known bool) state {
	out := state{Tone: good, Word: "ready", Amount: fmt.Sprintf("%d/%d", ready, total)}
	switch {
	case !known:
		return state{Tone: warn, Word: "unknown"}
	case ready == 0:
		out.Tone = bad
	case ready < total:
		out.Tone = warn
	}
	return out
}

// reason is why a connection could not be made, without the addresses that stand beside it.
func reason(why string) string {
	if rest, ok := strings.CutPrefix(why, "dial "); ok {
		if _, cause, found := strings.Cut(rest, ": "); found {
			return cause
		}
	}
	return why
}
