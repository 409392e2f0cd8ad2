package explain

import (
	"net/netip"
	"sync"
	"time"

	"paifang/internal/model"
)

// Exchange is what the HTTP plane recorded of one request when its answer was complete. Its strings are those of the
// snapshot, so that recording one allocates nothing.
type Exchange struct {
	Client    netip.AddrPort // as the listener knows it: with the PROXY protocol, that of the client of the SLB
	Listener  model.ListenerID
	Node      string
	Route     model.RouteID
	Upstream  model.UpstreamID
	Endpoint  netip.AddrPort // asked last; zero = none was
	Tries     int            // endpoints that were tried
	Status    int
	Code      model.Code    // of an answer of our own
	Connect   time.Duration // to the endpoint; 0 = a pooled connection
	FirstByte time.Duration // from the request to the first byte of the endpoint's answer
	Total     time.Duration
	Version   uint64 // of the snapshot
}

// Passage is what the L4 plane recorded of one connection when its connection to a node stood.
type Passage struct {
	Client   netip.AddrPort
	Listener model.ListenerID
	Upstream model.UpstreamID
	Endpoint netip.AddrPort // the node
	Tries    int            // nodes that were tried
	Connect  time.Duration
}

// Traces finds what the planes recorded of a client's newest request and connection. The client is known by its
// address and port, which the sender sees before it sends and nobody else has at that time; a request ID would not do,
// since listeners do not believe clients about it.
type Traces interface {
	Exchange(client netip.AddrPort) (Exchange, bool)
	Passage(client netip.AddrPort) (Passage, bool)
}

// Ring remembers the newest requests and connections of this process, so many of each. It is in parts by the port of the
// client, so that connections seldom wait for each other. It is safe for concurrent use and never allocates after New.
type Ring struct {
	exchanges [ringParts]ring[Exchange]
	passages  [ringParts]ring[Passage]
}

const ringParts = 32

// partOf leaves the lowest bit out: some systems give clients ports of one parity.
func partOf(client netip.AddrPort) int { return int(client.Port() >> 1 % ringParts) }

// NewRing returns a ring of n requests and n connections, rounded up; below 1 means 1,024.
func NewRing(n int) *Ring {
	if n < 1 {
		n = 1024
	}
	each := (n + ringParts - 1) / ringParts
	r := &Ring{}
	for i := range ringParts {
		r.exchanges[i].all = make([]Exchange, each)
		r.passages[i].all = make([]Passage, each)
	}
	return r
}

// AddExchange records a request.
func (r *Ring) AddExchange(e Exchange) { r.exchanges[partOf(e.Client)].add(&e) }

// AddPassage records a connection.
func (r *Ring) AddPassage(p Passage) { r.passages[partOf(p.Client)].add(&p) }

// Exchange returns the newest request of a client.
func (r *Ring) Exchange(client netip.AddrPort) (Exchange, bool) {
	return r.exchanges[partOf(client)].find(func(e *Exchange) bool { return e.Client == client })
}

// Passage returns the newest connection of a client.
func (r *Ring) Passage(client netip.AddrPort) (Passage, bool) {
	return r.passages[partOf(client)].find(func(p *Passage) bool { return p.Client == client })
}

var _ Traces = (*Ring)(nil)

type ring[T any] struct {
	mu   sync.Mutex
	all  []T
	next int
	_    [64]byte // the next part is on another cache line
}

func (r *ring[T]) add(v *T) {
	r.mu.Lock()
	r.all[r.next] = *v
	if r.next++; r.next == len(r.all) {
		r.next = 0
	}
	r.mu.Unlock()
}

func (r *ring[T]) find(is func(*T) bool) (found T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.all {
		at := (r.next + 2*len(r.all) - 1 - i) % len(r.all) // the newest first
		if is(&r.all[at]) {
			return r.all[at], true
		}
	}
	return found, false
}

// happened is what became of a request that was sent.
type happened struct {
	dns      *dnsAnswer
	client   netip.Addr // that the connection came from
	connect  time.Duration
	exchange *Exchange
	passage  *Passage
	status   int
	code     string
	bytes    int64
	total    time.Duration // from connecting to the last byte
	err      string        // why there is no answer

	unreached netip.AddrPort // where nobody took the connection; zero where somebody did
}

// The methods below are for a nil *happened as well: then nothing was sent.

func (h *happened) happenedAt() *Exchange {
	if h == nil {
		return nil
	}
	return h.exchange
}

func (h *happened) passageTry() took {
	if h == nil || h.passage == nil {
		return took{}
	}
	return took{true, h.passage.Tries, h.passageMS()}
}

func (h *happened) passageMS() float64 {
	if h == nil || h.passage == nil {
		return 0
	}
	return float64(h.passage.Connect.Microseconds()) / 1000
}

func (h *happened) exchangeTry() took {
	if h == nil || h.exchange == nil {
		return took{}
	}
	return took{true, h.exchange.Tries, h.exchangeMS()}
}

func (h *happened) exchangeMS() float64 {
	if h == nil || h.exchange == nil {
		return 0
	}
	return float64(h.exchange.Connect.Microseconds()) / 1000
}

// connectMS is how long the client's connection took, on the line of whom it reached.
func (h *happened) connectMS(viaSLB bool) float64 {
	if h == nil || viaSLB {
		return 0
	}
	return float64(h.connect.Microseconds()) / 1000
}

func (h *happened) connectText() string {
	if h == nil || h.connect == 0 {
		return ""
	}
	return ", " + millis(h.connect) + " to connect"
}
