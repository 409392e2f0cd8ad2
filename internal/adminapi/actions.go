package adminapi

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Actions stops and starts pieces of a running installation, to see what each road does without one.
type Actions interface {
	// Pieces lists what can be stopped: node-1, node-2, slb, dns, gateway, registry, and the pods.
	Pieces() []string
	// Act stops or starts a piece and returns when that is done. The signal is for stop: TERM (the default) ends a piece in
	// order, KILL at once, STOP freezes it. ctx bounds the wait.
	Act(ctx context.Context, piece string, verb Verb, signal Signal) error
}

// Verb is what to do with a piece.
type Verb string

// The verbs.
const (
	Stop  Verb = "stop"
	Start Verb = "start"
)

// Signal is how a piece is stopped.
type Signal string

// The signals. CONT is for start alone: it wakes a frozen piece, as start without a signal does too.
const (
	TERM Signal = "TERM"
	KILL Signal = "KILL"
	STOP Signal = "STOP"
	CONT Signal = "CONT"
)

// ParseSignal reads a signal with or without SIG in front, in any case, for a verb; none is the default of the verb.
func ParseSignal(verb Verb, text string) (Signal, error) {
	s := Signal(strings.TrimPrefix(strings.ToUpper(text), "SIG"))
	switch {
	case s == "" && verb == Stop:
		return TERM, nil
	case s == "" && verb == Start:
		return CONT, nil
	case verb == Stop && (s == TERM || s == KILL || s == STOP), verb == Start && s == CONT:
		return s, nil
	case verb == Stop:
		return "", fmt.Errorf("signal %q: to stop there are TERM, KILL and STOP", text)
	default:
		return "", fmt.Errorf("signal %q: to start there is CONT", text)
	}
}

// checkPiece returns an error that lists the pieces, the nearest first, for a name that is none.
func checkPiece(a Actions, piece string) error {
	all := a.Pieces()
	if slices.Contains(all, piece) {
		return nil
	}
	if len(all) == 0 {
		return fmt.Errorf("there is no piece %q: this process has none that can be stopped", piece)
	}
	return fmt.Errorf("there is no piece %q: there are %s", piece, strings.Join(nearestFirst(piece, all), ", "))
}
