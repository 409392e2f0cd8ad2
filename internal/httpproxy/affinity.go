package httpproxy

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"paifang/internal/http1"
	"paifang/internal/model"
	"paifang/internal/snapshot"
	"paifang/internal/upstream"
)

// choose returns the target of the request: the one that its client is bound to by a cookie, that of a lane, or one by
// chance, in the order that the route says.
func (w *work) choose() *boundTarget {
	r := w.route
	if len(r.lanes) > 0 && r.forward.LaneOrder == model.LanesFirst {
		if t := w.lane(); t != nil {
			return t
		}
	}
	if t := w.keeper(); t != nil {
		if len(r.lanes) > 0 && r.forward.LaneOrder == model.CookieAsDraws {
			if i, ok := r.route.Lanes.DecideBound(w, t.id); ok {
				return r.lanes[i]
			}
			if !t.shared { // a lane's alone, which the request is not in any more
				return r.choose()
			}
		}
		return t
	}
	if len(r.lanes) > 0 && r.forward.LaneOrder != model.LanesFirst {
		if t := w.lane(); t != nil {
			return t
		}
	}
	return r.choose()
}

// keeper returns the target that a cookie keeps the client at; nil if there is none.
func (w *work) keeper() *boundTarget {
	r := w.route
	if !r.sticky {
		return nil
	}
	for i := range r.targets {
		h := r.targets[i].handle
		if n, ok := w.bound(h); ok && (h.Affinity().Mode == model.Balanced || h.Bound(n)) {
			return &r.targets[i]
		}
	}
	return nil
}

// lane returns where the lane leads that takes the request; nil if none does.
func (w *work) lane() *boundTarget {
	if i, ok := w.route.route.Lanes.Decide(w); ok {
		return w.route.lanes[i]
	}
	return nil
}

// lead makes the target's upstream that of the request, or the one in its place while nobody of it is up.
func (w *work) lead(t *boundTarget) {
	w.handle, w.other = t.handle.For(w.c.secure), t.other
	if w.other != nil {
		w.other = w.other.For(w.c.secure)
	}
	if w.other != nil && !w.handle.Up() {
		w.handle, w.other = w.other, nil
	}
	if t.carry.Name != "" {
		w.x.Request.Fields.Set(t.carry.Name, t.carry.Value)
	}
}

// yields turns to the upstream in the place of one that has nobody left. It tells whether there is one to ask.
func (w *work) yields(err error) bool {
	switch err {
	case upstream.ErrNoEndpoints, upstream.ErrAllUnhealthy, upstream.ErrAllTried:
	default:
		return false
	}
	h := w.other
	if h == nil || h.Shared() != w.shared || h.Enter(w.c.plane.ctx) != nil {
		return false
	}
	counted := w.counted
	if counted {
		w.handle.Once()
	}
	w.handle.Leave()
	w.handle, w.other, w.hint, w.unbound, w.counted = h, nil, upstream.Hint{Tried: w.hint.Tried}, false, false
	w.aim()
	return !counted || w.count(true) == nil
}

var _ snapshot.LaneRequest = (*work)(nil)

// LookupKey is the key that parts of the request make.
func (w *work) LookupKey(parts []model.HashPart) (uint64, bool) {
	return upstream.KeyOf(parts, w)
}

// aim says what decides where the request goes: its client's cookie, or a key that is hashed.
func (w *work) aim() {
	h := w.handle
	if !h.Aims() {
		return
	}
	n, ok := w.bound(h)
	switch h.Affinity().Mode {
	case model.Persistent:
		w.hint.Mark, w.hint.Marked = n, ok
	case model.Balanced:
		if !ok {
			n, w.unbound = rand.Uint64(), true
		}
		w.hint.Key, w.hint.Keyed = upstream.Key(n), true
	case model.NoAffinity:
	}
	if !w.hint.Keyed {
		w.hint.Key, w.hint.Keyed = h.Key(w)
	}
	if p := h.Prefers(); p.Tag != "" {
		w.hint.Part = p.Value
		if v := w.x.Request.Fields.Get(p.Header); p.Header != "" && v != "" {
			w.hint.Part = v
		}
	}
}

// markDigits is the length of the number in an affinity cookie. With a key, a dash and the tag of its upstream follow.
const markDigits = 16

// bound returns the number in the client's affinity cookie for an upstream.
func (w *work) bound(h *upstream.Handle) (uint64, bool) {
	a := h.Affinity()
	if a.Mode == model.NoAffinity {
		return 0, false
	}
	v, ok := http1.Cookie(&w.x.Request.Fields, a.Cookie, 0)
	if !ok || len(v) < markDigits {
		return 0, false
	}
	tag := v[markDigits:]
	if a.Mode == model.Persistent && tag != "" || a.Mode == model.Balanced && (tag == "" || tag[0] != '-' || tag[1:] != h.Tag()) {
		return 0, false
	}
	n, err := strconv.ParseUint(v[:markDigits], 16, 64)
	return n, err == nil
}

// stick has the answer bind its client, where that is not bound or bound elsewhere for good.
func (w *work) stick(e *upstream.Endpoint) {
	h := w.handle
	a := h.Affinity()
	var value string
	switch a.Mode {
	case model.NoAffinity:
		return
	case model.Persistent:
		switch {
		case e.Is(w.hint.Mark) && w.hint.Marked:
			return
		case w.hint.Marked && !a.Move && h.Bound(w.hint.Mark):
			return // it goes back when its endpoint is up again
		}
		value = e.Mark()
	case model.Balanced:
		key := w.hint.Key
		switch {
		case a.Move && w.tries > 1:
			if key = keyOf(h, e, key); key == w.hint.Key && !w.unbound {
				return
			}
		case !w.unbound:
			return
		}
		value = w.hex(uint64(key), h.Tag())
	}
	w.x.Response.Fields.Add("Set-Cookie", w.cookieText(a, value))
}

// keyOf finds a key that leads to an endpoint by itself. Where luck does not give one soon, the old one stays.
func keyOf(h *upstream.Handle, e *upstream.Endpoint, old upstream.Key) upstream.Key {
	for range 64 {
		if k := upstream.Key(rand.Uint64()); h.Leads(k, e) {
			return k
		}
	}
	return old
}

// hex is a number with the tag of its upstream.
func (w *work) hex(n uint64, tag string) string {
	const digits = "0123456789abcdef"
	var b [markDigits]byte
	for i := markDigits - 1; i >= 0; i-- {
		b[i] = digits[n&15]
		n >>= 4
	}
	return w.x.Request.Mem.Join(bytesView(b[:]), "-", tag)
}

// cookieText is a Set-Cookie field (RFC 6265, 4.1; SameSite: its successor, section 4.1.2.7).
func (w *work) cookieText(a *model.Affinity, value string) string {
	mem := &w.x.Request.Mem
	path := a.Path
	if m := &w.route.route.Match.Path; a.RoutePath && m.Value != "" && m.Kind != model.PathRegex && m.Kind != model.PathPattern {
		if own := http1.EncodePath(m.Value); cookiePath(own) {
			path = own
		}
	}
	text := mem.Join(a.Cookie, "=", value, "; Path=", path)
	if a.Domain != "" {
		text = mem.Join(text, "; Domain=", a.Domain)
	}
	if a.MaxAge > 0 {
		var b [20]byte
		text = mem.Join(text, "; Max-Age=", bytesView(strconv.AppendInt(b[:0], int64(a.MaxAge/time.Second), 10)))
	}
	if a.Expires > 0 {
		var b [40]byte
		text = mem.Join(text, "; Expires=", bytesView(time.Now().Add(a.Expires).UTC().AppendFormat(b[:0], expiresForm)))
	}
	if a.Secure == "Always" || a.Secure == "" && w.overTLS() {
		text = mem.Join(text, "; Secure")
	}
	if !a.Scripts {
		text = mem.Join(text, "; HttpOnly")
	}
	if a.SameSite == model.SameSiteOmit {
		return text
	}
	return mem.Join(text, "; SameSite=", a.SameSite)
}

// expiresForm is the date of a cookie (RFC 6265, 4.1.1, after RFC 9110, 5.6.7).
const expiresForm = "Mon, 02 Jan 2006 15:04:05 GMT"

// cookiePath tells whether a path can be an attribute of a cookie.
func cookiePath(p string) bool {
	return !strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r >= 0x7f || r == ';' })
}

// overTLS tells whether the client came over TLS: to us, or to a proxy in front that is trusted to say so.
func (w *work) overTLS() bool {
	return w.c.secure || w.site.trusts(w.x.Peer) && http1.EqualFold(w.x.Request.Fields.Get("X-Forwarded-Proto"), "https")
}

var _ upstream.KeySource = (*work)(nil)

// KeyPart takes a part of what the client asked for into a key. What is empty is not there.
func (w *work) KeyPart(k upstream.Key, p *model.HashPart) (upstream.Key, bool) {
	x := &w.x
	var v string
	switch p.From {
	case model.HashHeader:
		v = x.Request.Fields.Get(p.Name)
	case model.HashCookie:
		v, _ = http1.Cookie(&x.Request.Fields, p.Name, 0)
	case model.HashQuery:
		v, _ = http1.Parameter(w.query(), p.Name, 0, &x.Request.Mem)
	case model.HashClient:
		b := x.Client.As16()
		return k.Add(string(b[:])), true
	case model.HashHost:
		v = w.host
	case model.HashPath:
		v = w.path
	case model.HashURI:
		return k.Add(w.path).Add(w.query()), true
	case model.HashText: // upstream.Handle adds it
	}
	return k.Add(v), v != ""
}

// query is the query as it was asked: filters may have changed that of the request.
func (w *work) query() string {
	_, q, _ := strings.Cut(w.x.Request.Target, "?")
	return q
}
