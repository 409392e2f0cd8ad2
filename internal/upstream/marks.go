package upstream

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"paifang/internal/model"
)

// marks are the endpoints of a picker by the number that stands for them in cookies, ascending.
type marks []mark

type mark struct {
	number   uint64
	endpoint *Endpoint
}

// marksOf makes the marks where clients are bound to endpoints.
func (h *Handle) marksOf(members []*Endpoint) marks {
	if h.up.Affinity.Mode != model.Persistent {
		return nil
	}
	id := string(h.up.ID)
	if h.affinity.PerService && len(h.up.Endpoints) > 0 {
		id = h.up.Endpoints[0].String()
	}
	out := make(marks, 0, len(members))
	for _, e := range members {
		if e.mark == "" {
			e.number = h.table.markOf(id, e)
			e.mark = markText(e.number)
		}
		out = append(out, mark{e.number, e})
	}
	slices.SortFunc(out, func(a, b mark) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	return out
}

// markOf is a hash of the address with the table's key, which tells nothing about it. It is the same in every process that
// has the key.
func (t *Table) markOf(id string, e *Endpoint) uint64 {
	mac := hmac.New(sha256.New, append([]byte("paifang affinity "), t.cfg.AffinityKey...))
	mac.Write([]byte(id + "\n" + e.Addr.String()))
	return binary.BigEndian.Uint64(mac.Sum(nil))
}

func markText(n uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return hex.EncodeToString(b[:])
}

// find returns the endpoint that a number stands for.
func (m marks) find(n uint64) *Endpoint {
	i, ok := slices.BinarySearchFunc(m, n, func(a mark, n uint64) int {
		switch {
		case a.number < n:
			return -1
		case a.number > n:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return m[i].endpoint
}

// keeps tells whether a client may stay at the endpoint it is bound to: it is ready, whatever its weight, and up.
func (p *picker) keeps(n uint64, q *query) *Endpoint {
	e := p.bound.find(n)
	if e == nil || e.State != model.Ready || !q.takes(e, false) {
		return nil
	}
	return e
}

// Affinity is how the upstream keeps clients, with its defaults filled in.
func (h *Handle) Affinity() *model.Affinity { return h.affinity }

// Mark is the number that stands for the endpoint in a cookie, as 16 hexadecimal digits. Empty where clients are not bound
// to endpoints.
func (e *Endpoint) Mark() string { return e.mark }

// Is tells whether the number stands for the endpoint.
func (e *Endpoint) Is(n uint64) bool { return e.mark != "" && e.number == n }

// Aims tells whether anything but its turn decides where a request goes: otherwise Hint needs no key and no mark.
func (h *Handle) Aims() bool {
	return h.affinity.Mode != model.NoAffinity || len(h.up.Balance.Hash) > 0 || h.up.Prefer.Tag != ""
}

// Prefers is the tag that requests may name a value of, and how.
func (h *Handle) Prefers() *model.TagPreference { return &h.up.Prefer }

// Tag tells upstreams apart in cookies that hold a key.
func (h *Handle) Tag() string { return h.tag }

// Leads tells whether a key leads to an endpoint as long as nothing is in the way.
func (h *Handle) Leads(k Key, e *Endpoint) bool {
	p := h.picker.Load()
	found, err := p.pick(&query{key: k, keyed: true})
	return err == nil && found.Same(e)
}

// Bound tells whether the number stands for an endpoint that is ready, so that a client is still bound to it even if it is
// down just now.
func (h *Handle) Bound(n uint64) bool {
	e := h.picker.Load().bound.find(n)
	return e != nil && e.State == model.Ready
}

// withCookie is an upstream's affinity with what it leaves open.
func withCookie(up *model.Upstream) model.Affinity {
	a := up.Affinity
	a.Cookie = up.AffinityCookie()
	setDefault(&a.Path, "/")
	setDefault(&a.SameSite, "Lax")
	return a
}
