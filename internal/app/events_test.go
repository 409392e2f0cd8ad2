package app

import "testing"

// What a manifest calls its objects is printed on somebody's terminal.
func TestEventsDoNotSteerTheTerminal(t *testing.T) {
	e := newEvents()
	e.say("route  + %s", "a\x1b[2J\r\nb\u009b31m\u202ec 名")
	if got, want := (<-e.out).Text, "route  + a [2J  b 31m c 名"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
