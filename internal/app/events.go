package app

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// Event is one line of what changed, for people.
type Event struct {
	Time time.Time
	Text string
}

// eventBacklog bounds the events that nobody has read; more are dropped and counted.
const eventBacklog = 1000

// events hands what changed to one reader without ever holding up who says it.
type events struct {
	out     chan Event
	mu      sync.Mutex
	dropped int
}

func newEvents() *events { return &events{out: make(chan Event, eventBacklog)} }

func (e *events) say(format string, args ...any) {
	ev := Event{time.Now(), strings.Map(printable, fmt.Sprintf(format, args...))}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dropped > 0 {
		select {
		case e.out <- Event{ev.Time, fmt.Sprintf("%d changes were too many to tell one by one", e.dropped)}:
			e.dropped = 0
		default:
		}
	}
	select {
	case e.out <- ev:
	default:
		e.dropped++
	}
}

// printable keeps names and messages that others chose from steering the terminal that an event is printed on, or from
// looking like several events.
func printable(r rune) rune {
	if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
		return ' '
	}
	return r
}

// published tells what a generation changed: routes that came and went, and what is newly wrong.
func (e *events) published(old, now *snapshot.Snapshot) {
	before, after := changedRoutes(old, now)
	e.sayMissing("route  + %s", after, before)
	e.sayMissing("route  - %s", before, after)
	for _, d := range newTrouble(old, now) {
		e.say("%s", d)
	}
}

// newTrouble is what is newly wrong, in the order of lists.
func newTrouble(old, now *snapshot.Snapshot) []model.Diagnostic {
	said, says := now.DiagnosticsSince(old)
	known := map[string]bool{}
	for _, d := range said {
		known[d.String()] = true
	}
	return slices.DeleteFunc(says, func(d model.Diagnostic) bool { return d.Severity == model.Info || known[d.String()] })
}

// sayMissing tells the lines that are not among others.
func (e *events) sayMissing(format string, lines, others []string) {
	there := make(map[string]bool, len(others))
	for _, line := range others {
		there[line] = true
	}
	for _, line := range lines {
		if !there[line] {
			e.say(format, line)
		}
	}
}

// placed is a route at one of its hosts.
type placed struct {
	class model.Class
	host  model.Host
	route *snapshot.Route
}

// changedRoutes has a line for every route that only one of two snapshots has, in the order of lists.
func changedRoutes(old, now *snapshot.Snapshot) (before, after []string) {
	var gone, come []placed
	classes := append(old.Classes(), now.Classes()...)
	slices.Sort(classes)
	for _, class := range slices.Compact(classes) {
		for t := range now.Site(class).Changes(old.Site(class)) {
			t.New.Differences(t.Old,
				func(r *snapshot.Route) { gone = append(gone, placed{class, t.Host, r}) },
				func(r *snapshot.Route) { come = append(come, placed{class, t.Host, r}) })
		}
	}
	return placedLines(gone), placedLines(come)
}

func placedLines(routes []placed) []string {
	slices.SortFunc(routes, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.class, b.class), a.host.Compare(b.host), model.CompareRoutes(a.route.Route, b.route.Route))
	})
	var out []string
	for _, p := range routes {
		line := fmt.Sprintf("%s %s", snapshot.HostText(p.host), p.route)
		if at := p.route.Origin.At(); at != "" {
			line = strings.TrimSuffix(line, fmt.Sprintf(" (%s)", p.route.ID)) + " (" + at + ")"
		}
		out = append(out, line)
	}
	return out
}
