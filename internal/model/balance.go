package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Balance says how an endpoint is chosen among those that may be. The zero value is round robin. Weights count in every
// kind.
type Balance struct {
	Kind  BalanceKind   `json:"kind,omitempty"`
	Hash  []HashPart    `json:"hash,omitempty"`  // what RingHash and Maglev look at, joined in this order
	Decay time.Duration `json:"decay,omitempty"` // of PeakEWMA: after so long a latency counts for 1/e; default 10s
	// Panic is in percent. Where fewer of the ready endpoints are up, own observation is not believed any more and all of
	// the ready are chosen among; what sources say always is. Default 0: only where none is up.
	Panic int `json:"panic,omitempty"`
	// WeightTag names a tag of endpoints whose whole number, from 1 on, is their weight. Default: the weight that their source gives them,
	// which is that of an endpoint without such a number too. One whose source gives it no traffic gets none.
	WeightTag string `json:"weightTag,omitempty"`
}

// mostWeight bounds the number in a WeightTag.
const mostWeight = 1_000_000

// WeightOf is the weight of an endpoint with these tags, which has another one from its source.
func (b *Balance) WeightOf(tags Tags, own Weight) Weight {
	if b.WeightTag == "" || own == WeightNone {
		return own
	}
	text, _ := tags.Get(b.WeightTag)
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return Weight(1000 * min(n, mostWeight))
	}
	return own
}

// BalanceKind names a way to choose.
type BalanceKind string

// The kinds.
const (
	RoundRobin    BalanceKind = ""              // smooth weighted round robin; plain round robin when the weights are equal
	LeastRequests BalanceKind = "LeastRequests" // of two drawn by weight, the one with fewer requests in flight per weight
	PeakEWMA      BalanceKind = "PeakEWMA"      // of two drawn by weight, the one with the lower expected latency
	RingHash      BalanceKind = "RingHash"      // consistent: a ketama ring, 160 points for each unit of weight
	Maglev        BalanceKind = "Maglev"        // consistent: a table of 65,537 entries; evener than a ring, moves slightly more
	SameEndpoint  BalanceKind = "SameEndpoint"  // one has all requests for as long as it may be chosen, whoever comes; weights do not count
)

// Hashes tells whether what a request is about decides where it goes.
func (k BalanceKind) Hashes() bool { return k == RingHash || k == Maglev }

// Chance tells whether chance decides, so that nobody can say where the next request goes.
func (k BalanceKind) Chance() bool { return k == LeastRequests || k == PeakEWMA }

// HashPart is a part of the key of a consistent hash. A request that has none of the parts takes its turn as in round
// robin.
type HashPart struct {
	From HashSource `json:"from"`
	Name string     `json:"name,omitempty"` // of the header, cookie or query parameter
	Text string     `json:"text,omitempty"` // of a Text part
}

// HashSource is where a part of a key comes from.
type HashSource string

// The sources of a key. What the client asked for counts, not what filters made of it.
const (
	HashHeader HashSource = "Header" // the first field of this name
	HashCookie HashSource = "Cookie"
	HashQuery  HashSource = "Query"  // the first query parameter of this name
	HashClient HashSource = "Source" // the client's address, as far as it is trusted, without its port
	HashHost   HashSource = "Host"   // without port
	HashPath   HashSource = "Path"   // normalised, without the query
	HashURI    HashSource = "URI"    // Path and query
	HashText   HashSource = "Text"   // always the same: a separator, or a salt
)

// String returns "header X-User".
func (p HashPart) String() string {
	switch p.From {
	case HashHeader, HashCookie, HashQuery:
		return strings.ToLower(string(p.From)) + " " + p.Name
	case HashText:
		return fmt.Sprintf("%q", p.Text)
	case HashURI:
		return "URI"
	}
	return strings.ToLower(string(p.From))
}

// String is how people are told: "round robin", "ring hash by header X-User, path".
func (b Balance) String() string {
	var by string
	for i, p := range b.Hash {
		if i > 0 {
			by += ", "
		}
		by += p.String()
	}
	switch b.Kind {
	case LeastRequests:
		return "least requests"
	case PeakEWMA:
		return "peak EWMA"
	case RingHash:
		return "ring hash by " + by
	case Maglev:
		return "maglev by " + by
	case SameEndpoint:
		return "the same endpoint"
	}
	return "round robin"
}

func (b Balance) validate() error {
	kinds := []BalanceKind{RoundRobin, LeastRequests, PeakEWMA, RingHash, Maglev, SameEndpoint}
	switch {
	case !slices.Contains(kinds, b.Kind):
		return fieldError("balance.kind", fmt.Sprintf("%q is none of LeastRequests, PeakEWMA, RingHash, Maglev, SameEndpoint; leave it out for round robin", b.Kind))
	case b.Kind.Hashes() && len(b.Hash) == 0:
		return fieldError("balance.hash", "is empty: say what of a request decides")
	case !b.Kind.Hashes() && len(b.Hash) > 0:
		return fieldError("balance.hash", "is for RingHash and Maglev only")
	case b.Decay != 0 && b.Kind != PeakEWMA:
		return fieldError("balance.decay", "is for PeakEWMA only")
	case b.Decay < 0:
		return fieldError("balance.decay", "is negative")
	}
	for i, p := range b.Hash {
		if err := p.validate(fmt.Sprintf("balance.hash[%d]", i)); err != nil {
			return err
		}
	}
	return percent("balance.panic", b.Panic)
}

func (p HashPart) validate(at string) error {
	named := false
	switch p.From {
	case HashHeader, HashCookie, HashQuery:
		named = true
	case HashClient, HashHost, HashPath, HashURI, HashText:
	default:
		return fieldError(at+".from", fmt.Sprintf("%q is none of Header, Cookie, Query, Source, Host, Path, URI, Text", p.From))
	}
	switch {
	case named && p.Name == "":
		return fieldError(at+".name", "is empty")
	case !named && p.Name != "":
		return fieldError(at+".name", "is for Header, Cookie and Query only")
	case (p.From == HashText) != (p.Text != ""):
		return fieldError(at+".text", "belongs to a Text part, which needs it")
	}
	return nil
}

func percent(field string, p int) error {
	if p < 0 || p > 100 {
		return fieldError(field, fmt.Sprintf("%d is no percentage from 0 to 100", p))
	}
	return nil
}

// ZonePreference keeps requests in the zone of the process while it has enough capacity. The zone of an endpoint is what its
// source says, whatever its case; where the process does not know its own, there is no preference.
type ZonePreference struct {
	Prefer bool `json:"prefer,omitempty"`
	// Enough is in percent of the weight of all the zone's ready endpoints. While so much of it is up, every request stays.
	// Below, the share up ÷ Enough stays and the rest goes to other zones, by weight. Default 70.
	Enough int `json:"enough,omitempty"`
	// Least is how many endpoints must be up in the zone for it to be preferred at all. Default 1.
	Least int `json:"least,omitempty"`
	// Own is the zone that is preferred. Default: that of the process.
	Own string `json:"own,omitempty"`
	// Cluster is preferred too: endpoints of this cluster of their registry come first, among those of the zone where one of the cluster is
	// up there.
	Cluster string `json:"cluster,omitempty"`
}

func (z ZonePreference) validate() error {
	if z.Least < 0 {
		return fieldError("zones.least", "is negative")
	}
	return percent("zones.enough", z.Enough)
}

// SlowStart gives an endpoint that joined its list, or came back from being down or ejected, a growing part of its weight.
// Its weight is max(Minimum, (age ÷ Window)^(1 ÷ Aggression)) of what it will be. It has no effect on RingHash and Maglev.
type SlowStart struct {
	Window     time.Duration `json:"window,omitempty"`     // default 0: none
	Minimum    int           `json:"minimum,omitempty"`    // in percent; default 10
	Aggression int           `json:"aggression,omitempty"` // in percent; default 100: linear; more is faster at the beginning
}

func (s SlowStart) validate() error {
	switch {
	case s.Window < 0:
		return fieldError("slowStart.window", "is negative")
	case s.Window == 0 && s != SlowStart{}:
		return fieldError("slowStart.window", "is missing: without it there is no slow start")
	case s.Aggression < 0 || s.Aggression > 1000:
		return fieldError("slowStart.aggression", fmt.Sprintf("%d is no percentage from 1 to 1000", s.Aggression))
	}
	return percent("slowStart.minimum", s.Minimum)
}
