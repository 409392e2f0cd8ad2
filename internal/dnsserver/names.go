package dnsserver

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"paifang/internal/model"
)

// NameCount is what was asked about one published name since the server began.
type NameCount struct {
	Name      model.Host // as it is published, a wildcard for all names below it; empty: names that are not published
	Questions uint64
	Failed    uint64        // of these: answered FORMERR, SERVFAIL or NOTIMP
	Denied    uint64        // of these: answered NXDOMAIN or REFUSED
	Took      time.Duration // from the question to its answer, of all together
}

// maxCounted bounds the names that are counted, which come and go with the rules.
const maxCounted = 20_000

// nameCounts are updated by every question.
type nameCounts struct {
	mu sync.RWMutex
	m  map[model.Host]*nameTally
}

type nameTally struct {
	questions, failed, denied atomic.Uint64
	took                      atomic.Int64 // nanoseconds
}

func (c *nameCounts) add(name model.Host, rcode int, took time.Duration) {
	t := c.of(name)
	switch rcode {
	case dns.RcodeSuccess:
	case dns.RcodeNameError, dns.RcodeRefused:
		t.denied.Add(1)
	default:
		t.failed.Add(1)
	}
	t.took.Add(int64(took))
	t.questions.Add(1)
}

// of returns the nameTally of a name. Where there are too many, the rest is counted together with what is not published.
func (c *nameCounts) of(name model.Host) *nameTally {
	c.mu.RLock()
	t, full := c.m[name], len(c.m) >= maxCounted
	c.mu.RUnlock()
	if t != nil {
		return t
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if full {
		name = ""
	}
	if t = c.m[name]; t == nil {
		t = &nameTally{}
		c.m[model.Host(strings.Clone(string(name)))] = t
	}
	return t
}

// NameCounts returns what was asked, by name. The numbers of a name are not of one instant.
func (s *Server) NameCounts() []NameCount {
	s.names.mu.RLock()
	defer s.names.mu.RUnlock()
	out := make([]NameCount, 0, len(s.names.m))
	for name, t := range s.names.m {
		out = append(out, NameCount{name, t.questions.Load(), t.failed.Load(), t.denied.Load(), time.Duration(t.took.Load())})
	}
	slices.SortFunc(out, func(a, b NameCount) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return out
}
