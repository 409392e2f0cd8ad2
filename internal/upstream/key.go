package upstream

import "paifang/internal/model"

// Key is what a consistent hash goes by. It is the same in every process and every release: replicas must send a client to
// the same endpoint. Begin with NewKey.
type Key uint64

// NewKey is a key with nothing in it.
func NewKey() Key { return 14695981039346656037 }

// Add takes a part of the request in (FNV-1a, 64 bits). Parts are kept apart: "ab", "c" is not "a", "bc".
func (k Key) Add(s string) Key {
	for i := 0; i < len(s); i++ {
		k = (k ^ Key(s[i])) * 1099511628211
	}
	return (k ^ 0xff) * 1099511628211
}

// spread makes every bit depend on every other: FNV's high bits hardly know the last bytes.
func spread(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// KeySource takes parts of a request into a key.
type KeySource interface {
	// KeyPart returns the key with the part added, and false where the request has none. It must not allocate.
	KeyPart(k Key, p *model.HashPart) (Key, bool)
}

// Key is the key of a request by what the upstream's balance looks at, and false where the balance does not hash or the
// request has none of it.
func (h *Handle) Key(from KeySource) (Key, bool) { return keyOf(h.up.Balance.Hash, from) }

// KeyOf is a number that parts of a request make, evenly spread, and false where it has none of them. Text alone is a key too.
func KeyOf(parts []model.HashPart, from KeySource) (uint64, bool) {
	k, ok := keyOf(parts, from)
	return spread(uint64(k)), ok
}

func keyOf(parts []model.HashPart, from KeySource) (Key, bool) {
	k, any, asks := NewKey(), false, false
	for i := range parts {
		p := &parts[i]
		if p.From == model.HashText {
			k = k.Add(p.Text)
			continue
		}
		asks = true
		next, has := from.KeyPart(k, p)
		if !has {
			next = k.Add("") // an empty part is not a missing one next to another
		}
		k, any = next, any || has
	}
	return k, any || !asks && len(parts) > 0 // text alone is the same key for everybody
}

// identity is the hash by which an endpoint has its places in rings and tables.
func identity(e *Endpoint) uint64 {
	var b [64]byte
	k := NewKey()
	for _, c := range e.Addr.AppendTo(b[:0]) {
		k = (k ^ Key(c)) * 1099511628211
	}
	return spread(uint64(k))
}
