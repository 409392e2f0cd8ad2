package model

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Lane is a condition under which a request of a Forward goes to one of its targets, whatever their shares are. Lanes are
// tried in their order; the first one whose condition holds decides. Where none holds, the shares of the targets do. Canary
// releases and lanes of a gateway are made of these.
type Lane struct {
	Target UpstreamID `json:"target"` // one of the Forward's targets
	Name   string     `json:"name"`   // of the rule, where it is told; see Rule

	// From is what the condition looks at, Field the name of the header, cookie or query parameter.
	From  LaneSource `json:"from"`
	Field string     `json:"field,omitempty"`
	// Value is what it must be; with Pattern (RE2) it must have a match of that anywhere; with Present it must only be there.
	Value   string `json:"value,omitempty"`
	Pattern string `json:"pattern,omitempty"`
	Present bool   `json:"present,omitempty"`

	// Share of Of is how much chance gives to the target. With Hash it is not chance but what these parts of the request are, so
	// that a client stays; a request that has none of them is not taken. Beside is how much of the same total lanes before this one
	// have, by the same chance or hash: the shares stand beside each other.
	Share  int        `json:"share,omitempty"`
	Of     int        `json:"of,omitempty"`
	Beside int        `json:"beside,omitempty"`
	Hash   []HashPart `json:"hash,omitempty"`
}

// ByChance tells whether chance decides of a lane: not one that takes nobody or everybody.
func (l *Lane) ByChance() bool {
	return l.From == LaneShare && len(l.Hash) == 0 && l.Share > 0 && l.Share+l.Beside < l.Of
}

// OfLanes tells whether a target has what lanes lead there, and no share of the rest.
func (f *Forward) OfLanes(t Target) bool {
	return t.Weight == 0 && slices.ContainsFunc(f.Lanes, func(l Lane) bool { return l.Target == t.Upstream })
}

// LaneOrder says what becomes of clients that a cookie keeps at a target.
type LaneOrder string

// The orders.
const (
	CookieFirst   LaneOrder = ""       // they stay there, whatever lanes say
	LanesFirst    LaneOrder = "lanes"  // lanes decide for them too; the cookie decides for who is in none
	CookieAsDraws LaneOrder = "chance" // lanes decide for them too, and the cookie only in place of chance: who is drawn once stays
)

// LaneSource is what the condition of a lane looks at.
type LaneSource string

// The sources. A header or parameter that comes several times counts with its first value.
const (
	LaneHeader LaneSource = "Header"
	LaneCookie LaneSource = "Cookie"
	LaneQuery  LaneSource = "Query"
	LaneShare  LaneSource = "Share" // chance, or a hash
)

// maxLane bounds the text of a pattern in bytes.
const maxLane = 1000

// MaxOf bounds the total that a share is a part of.
const MaxOf = 1_000_000

// MaxLanes bounds the lanes of a Forward: each may be looked at by every request.
const MaxLanes = 64

// Rule is what a rule of a lane is called: "lane gray: header X-Gray: always". Canaries of Ingresses and lanes of a gateway are told in these
// words, and in no others.
func (l Lane) Rule(lane string) string {
	text := "lane " + lane + ": "
	if l.From == LaneShare {
		text += fmt.Sprintf("weight %d of %d", l.Share, l.Of)
		for i, p := range l.Hash {
			text += []string{" by ", ", "}[min(i, 1)] + p.String()
		}
		return text
	}
	text += strings.ToLower(string(l.From)) + " " + l.Field
	switch {
	case l.Pattern != "":
		text += " ~ " + l.Pattern
	case !l.Present:
		text += ": " + l.Value
	}
	return text
}

func (f Forward) validateLanes() error {
	if f.LaneOrder != CookieFirst && f.LaneOrder != LanesFirst && f.LaneOrder != CookieAsDraws {
		return fieldError("forward.laneOrder", fmt.Sprintf("%q is none of lanes, chance", f.LaneOrder))
	}
	if len(f.Lanes) > MaxLanes {
		return fieldError("forward.lanes", fmt.Sprintf("are %d: at most %d", len(f.Lanes), MaxLanes))
	}
	for i, l := range f.Lanes {
		at := fmt.Sprintf("forward.lanes[%d]", i)
		if !f.leadsTo(l.Target) {
			return fieldError(at+".target", fmt.Sprintf("%q is none of the targets", l.Target))
		}
		if err := l.validate(at); err != nil {
			return err
		}
	}
	return nil
}

func (l Lane) validate(at string) error {
	if l.From == LaneShare {
		switch {
		case l.Field != "" || l.Value != "" || l.Pattern != "" || l.Present:
			return fieldError(at, "is a share: field, value, pattern and present are for the other sources")
		case l.Of < 1 || l.Of > MaxOf:
			return fieldError(at+".of", fmt.Sprintf("%d is not within 1 to %d", l.Of, MaxOf))
		case l.Beside < 0 || l.Beside > l.Of:
			return fieldError(at+".beside", fmt.Sprintf("%d is not within 0 to %d", l.Beside, l.Of))
		case l.Share < 0 || l.Share > l.Of-l.Beside:
			return fieldError(at+".share", fmt.Sprintf("%d is not within 0 to %d", l.Share, l.Of-l.Beside))
		}
		for i, p := range l.Hash {
			if err := p.validate(fmt.Sprintf("%s.hash[%d]", at, i)); err != nil {
				return err
			}
		}
		return nil
	}
	switch {
	case l.From != LaneHeader && l.From != LaneCookie && l.From != LaneQuery:
		return fieldError(at+".from", fmt.Sprintf("%q is none of Header, Cookie, Query, Share", l.From))
	case l.Field == "":
		return fieldError(at+".field", "is empty")
	case l.Share != 0 || l.Of != 0 || l.Beside != 0 || len(l.Hash) > 0:
		return fieldError(at, "is no share: share, of and hash are for that")
	case l.Present && (l.Value != "" || l.Pattern != "") || l.Value != "" && l.Pattern != "":
		return fieldError(at, "has more than one of value, pattern and present")
	case len(l.Pattern) > maxLane:
		return fieldError(at+".pattern", fmt.Sprintf("has %d bytes: at most %d", len(l.Pattern), maxLane))
	}
	if _, err := regexp.Compile(l.Pattern); err != nil {
		return fieldError(at+".pattern", err.Error())
	}
	return nil
}
