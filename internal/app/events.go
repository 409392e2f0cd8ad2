package app

import (
	"fmt"
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
	before, after := routeLines(old, now), routeLines(now, old)
	e.sayMissing("route  + %s", after, before)
	e.sayMissing("route  - %s", before, after)
	known := map[string]bool{}
	for _, d := range old.Diagnostics() {
		known[d.String()] = true
	}
	for _, d := range now.Diagnostics() {
		if d.Severity > model.Info && !known[d.String()] {
			e.say("%s", d)
		}
	}
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

// routeLines has a line for every route of the tables that s does not share with other.
func routeLines(s, other *snapshot.Snapshot) []string {
	var out []string
	for _, class := range s.Classes() {
		elsewhere := other.Site(class)
		for _, t := range s.Tables(class) {
			if o, ok := elsewhere.Get(t.Host); ok && o == t {
				continue
			}
			for _, r := range t.Routes {
				line := fmt.Sprintf("%s %s", snapshot.HostText(t.Host), r)
				if at := r.Origin.At(); at != "" {
					line = strings.TrimSuffix(line, fmt.Sprintf(" (%s)", r.ID)) + " (" + at + ")"
				}
				out = append(out, line)
			}
		}
	}
	return out
}
