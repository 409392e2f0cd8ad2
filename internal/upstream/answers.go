package upstream

import (
	"net/netip"
	"sync/atomic"
	"time"

	"paifang/internal/counter"
)

// Answers is what became of the requests whose last endpoint was this one, of one upstream. Another upstream that uses
// the same address has its own.
type Answers struct {
	Count   uint64        `json:"count"`
	Errors  uint64        `json:"errors"`  // 5xx, or none at all
	Refused uint64        `json:"refused"` // 4xx
	Latency time.Duration `json:"latency"` // sum, to the head of the answer
}

// answers are the counters behind Answers, in one shard.
type answers struct {
	count, errors, refused atomic.Uint64
	latency                atomic.Int64
	_                      [64]byte
}

// Answered counts a request that ended at the endpoint; see package counter about the shard.
func (e *Endpoint) Answered(shard uint32, status int, took time.Duration) {
	c := e.answers.At(shard)
	switch {
	case status < 100 || status >= 500:
		c.errors.Add(1)
	case status >= 400:
		c.refused.Add(1)
	}
	c.latency.Add(int64(took))
	c.count.Add(1)
}

// Answers adds up what was counted.
func (e *Endpoint) Answers() Answers {
	var out Answers
	for c := range e.answers.All() {
		out.Count += c.count.Load()
		out.Errors += c.errors.Load()
		out.Refused += c.refused.Load()
		out.Latency += time.Duration(c.latency.Load())
	}
	return out
}

// answersOf are the counters of an address of the upstream: those it has, in whichever handle, or new ones. The table's
// lock is held.
func (h *Handle) answersOf(addr netip.AddrPort) *counter.Sharded[answers] {
	for _, of := range h.table.histories[h.up.ID].handles {
		if e := of.use(addr); e != nil {
			return e.answers
		}
	}
	return counter.New[answers](counter.Shards())
}
