package registry

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"paifang/internal/model"
)

// service is one service's state. The registry's mutex guards it.
type service struct {
	key       Key
	revision  uint64
	lastRef   int64
	view      *View                           // nil: to be made when somebody asks
	shown     bool                            // somebody did, since lastRef has its value
	beating   map[netip.AddrPort]*publication // each address is a client of its own
	published map[*Connection][]*publication  // one publication, or a batch, of each connection
	fixed     map[slot]*publication           // persistent ones, which are stored
	restored  map[slot]*publication           // ephemeral ones of before a restart, which nobody has confirmed yet
	moving    map[slot]*publication           // those of clients that were told to connect again, and have not yet
	foreign   map[slot]*publication           // those of other processes' clients
	overrides map[slot]*override              // updates by API, which win over what clients say
	cleanup   lapse                           // when it goes for being empty

	settings     *Settings // nil: none were set
	settingsFeed uint64
	dirty        bool // its ephemeral instances are not saved as they are
	saved        int  // keys under which they are
	local        bool // the last change was seen by this process alone
}

// publication is an instance and who vouches for it.
type publication struct {
	in    Instance
	order uint64 // of two publications of one slot the later one counts

	// Of those kept by heartbeats:
	lease lease
	beat  time.Time // the last one
	lapse lapse

	doubted     bool   // another process had published it, and whether it is known there that this one does now is not known here
	unconfirmed bool   // of before a restart
	asked       bool   // persistent, and this process asks how it is
	stored      bool   // it is healthy, as it stands in the storage
	seen        bool   // it is healthy, as this process has found; while it is asked
	seenAlone   bool   // and so it is shown, while the storage does not answer
	feed        uint64 // of those that are stored: the last news that named it
	owner       string // of those of other processes: whose
	revision    int64  // of the storage, when it was written
}

func newService(key Key, lastRef int64) *service {
	s := &service{
		key:       key,
		lastRef:   lastRef,
		shown:     true,
		beating:   map[netip.AddrPort]*publication{},
		published: map[*Connection][]*publication{},
		overrides: map[slot]*override{},
	}
	s.cleanup = lapse{service: s, index: notQueued}
	return s
}

// count is the number of publications.
func (s *service) count() int {
	n := len(s.beating) + len(s.fixed) + len(s.restored) + len(s.moving) + len(s.foreign)
	for _, batch := range s.published {
		n += len(batch)
	}
	return n
}

// each calls f for every publication.
func (s *service) each(f func(*publication)) {
	for _, several := range []map[slot]*publication{s.fixed, s.restored, s.foreign} {
		for _, p := range several {
			f(p)
		}
	}
	s.eachOwn(f)
}

// eachOwn calls f for what clients of this process have published.
func (s *service) eachOwn(f func(*publication)) {
	for _, p := range s.beating {
		f(p)
	}
	for _, p := range s.moving {
		f(p)
	}
	for _, batch := range s.published {
		for _, p := range batch {
			f(p)
		}
	}
}

// holds tells whether anybody publishes a slot.
func (s *service) holds(at slot) bool {
	found := false
	s.each(func(p *publication) { found = found || p.in.slot() == at })
	return found
}

// render makes the view, unless it is made.
func (s *service) render() *View {
	if s.view != nil {
		return s.view
	}
	newest := make(map[slot]*publication, len(s.beating)+len(s.published))
	s.each(func(p *publication) {
		if q := newest[p.in.slot()]; q == nil || q.yields(p) {
			newest[p.in.slot()] = p
		}
	})
	registered := map[netip.AddrPort]bool{} // by themselves
	offered := false
	for _, p := range newest {
		if p.in.Offered() {
			offered = true
		} else {
			registered[p.in.Addr] = true
		}
	}
	list := make([]Instance, 0, len(newest))
	for at, p := range newest {
		if offered && p.in.Offered() && registered[at.addr] {
			continue // in another cluster: one process is one instance
		}
		in := p.in
		if o := s.overrides[at]; o != nil {
			o.patch.apply(&in)
		}
		in.Unconfirmed = p.unconfirmed
		list = append(list, in)
	}
	local := s.local
	for _, p := range s.fixed {
		local = local || p.seenAlone
	}
	s.shown = true
	s.view = &View{Key: s.key, Known: true, Revision: s.revision, LastRef: s.lastRef, Instances: list, Settings: s.settings, Local: local}
	s.view.Sort()
	return s.view
}

// yields tells whether another publication of the same slot counts in place of this one: what registered itself before what was
// offered for it, else the later one.
func (p *publication) yields(to *publication) bool {
	if a, b := p.in.Offered(), to.in.Offered(); a != b {
		return a
	}
	return p.order < to.order
}

// Sort brings the instances of a view that is being made into their order.
func (v *View) Sort() {
	slices.SortFunc(v.Instances, func(a, b Instance) int {
		return cmp.Or(a.Addr.Compare(b.Addr), strings.Compare(a.Cluster, b.Cluster))
	})
}

// Same tells whether two registrations say the same of one address.
func (in *Instance) Same(as *Instance) bool {
	return in.Addr == as.Addr && in.Cluster == as.Cluster && in.Weight == as.Weight && in.Enabled == as.Enabled &&
		in.Healthy == as.Healthy && in.Protected == as.Protected && in.Ephemeral == as.Ephemeral && sameTags(in.Metadata, as.Metadata)
}

func sameTags(a, b model.Tags) bool { return slices.Equal(a, b) }
