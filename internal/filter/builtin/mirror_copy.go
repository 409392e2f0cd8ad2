package builtin

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// mirrorMemory is what the copies of a process take.
type mirrorMemory struct {
	most int64
	used atomic.Int64
}

// Close is for filter.Use. Whoever took something gives it back himself.
func (m *mirrorMemory) Close() error { return nil }

func (m *mirrorMemory) take(n int) bool {
	if m.used.Add(int64(n)) > m.most {
		m.used.Add(-int64(n))
		return false
	}
	return true
}

// mirrorCopy is the copy of one request while that is read, and until all targets have had it.
type mirrorCopy struct {
	filter *mirror
	fields http.Header // the same for all targets, which do not change it
	body   []byte
	length int64        // of the body, -1 = not known
	size   int          // taken of the memory
	heads  []mirrorHead // nil once it was given up
	done   bool         // it was handed on
	users  atomic.Int32 // heads that are not sent yet
}

// mirrorHead is what is different for each target.
type mirrorHead struct {
	copy         *mirrorCopy
	sender       *mirrorSender
	method, host string
	url          *url.URL
}

var _ filter.Tap = (*mirrorCopy)(nil)

// newMirrorCopy copies what all targets get of the head: the request's own memory is used again.
func newMirrorCopy(f *mirror, x *filter.Exchange) *mirrorCopy {
	c := &mirrorCopy{filter: f, fields: http.Header{}}
	fields := &x.Request.Fields
	for i := range fields.Len() {
		h := fields.At(i)
		if !fields.Forwarded(i) || http1.Managed(h.Name) || http1.SameName(h.Name, filter.FieldMirrored) || !f.credentials && http1.Credential(h.Name) {
			continue
		}
		c.size += len(h.Name) + len(h.Value)
		c.fields.Add(strings.Clone(h.Name), strings.Clone(h.Value))
	}
	c.fields[filter.FieldMirrored] = []string{strings.Clone(x.Request.Authority)}
	if !fields.Has("User-Agent") {
		c.fields["User-Agent"] = nil // net/http would say one
	}
	return c
}

// head notes what one target gets.
func (c *mirrorCopy) head(t *mirrorTarget, x *filter.Exchange) {
	host := x.Request.Authority
	text := "http://" + host + uriOf(x) // of which the host is not looked at
	if len(t.url) > 0 {
		text = t.url.address(x)
	}
	to, err := t.url.parse(text)
	if err != nil {
		t.sender.counts.add(filter.CopyFailed)
		return
	}
	c.size += len(text)
	switch {
	case len(t.host) > 0:
		host = t.host.of(x)
	case len(t.url) > 0:
		host = to.Host
	}
	c.heads = append(c.heads, mirrorHead{copy: c, sender: t.sender, method: strings.Clone(x.Request.Method), host: strings.Clone(host), url: to})
}

// begin takes what is known of the body already. It returns whether there is something to wait for.
func (c *mirrorCopy) begin(x *filter.Exchange) bool {
	r := &x.Request
	if len(c.heads) == 0 {
		return false
	}
	if !c.filter.memory.take(c.size) {
		c.size = 0
		return c.drop(filter.CopyMemoryFull)
	}
	switch {
	case c.filter.withoutBody || r.Body == http1.NoBody:
	case x.RequestBody != nil:
		c.length = x.RequestBody.Size()
	case r.Body == http1.SizedBody:
		c.length = r.ContentLength
	default:
		c.length = -1
	}
	switch {
	case c.length > c.filter.maxBody:
		return c.drop(filter.CopyTooLarge)
	case c.length <= 0 || x.RequestBody == nil:
		return true
	case !c.grow(int(c.length)):
		return false
	}
	c.body = make([]byte, c.length)
	if n, _ := x.RequestBody.ReadAt(c.body, 0); n < len(c.body) { // whoever sends the request on finds the same
		return c.drop(filter.CopyUnsent)
	}
	return true
}

// Part takes a part of the body, as long as there is room.
func (c *mirrorCopy) Part(part []byte) {
	switch {
	case c.heads == nil || c.filter.withoutBody:
	case int64(len(c.body)+len(part)) > c.filter.maxBody:
		c.drop(filter.CopyTooLarge)
	case c.grow(len(part)):
		c.body = append(c.body, part...)
	}
}

func (c *mirrorCopy) grow(n int) bool {
	if !c.filter.memory.take(n) {
		return c.drop(filter.CopyMemoryFull)
	}
	c.size += n
	return true
}

// Complete hands the copy on.
func (c *mirrorCopy) Complete() {
	heads := c.heads
	if heads == nil || c.length >= 0 && c.length != int64(len(c.body)) { // the request is one that was sent elsewhere before
		return
	}
	c.done = true
	c.users.Store(int32(len(heads)))
	for i := range heads {
		heads[i].sender.add(&heads[i])
	}
}

// drop gives the copy up, and returns that there is none any more.
func (c *mirrorCopy) drop(why filter.CopyResult) bool {
	for i := range c.heads {
		c.heads[i].sender.counts.add(why)
	}
	c.heads, c.body = nil, nil
	c.filter.memory.used.Add(-int64(c.size))
	c.size = 0
	return false
}

// Release gives up what was not complete.
func (c *mirrorCopy) Release() {
	if !c.done && c.heads != nil {
		c.drop(filter.CopyUnsent)
	}
}

// ended notes that a target has had the copy, or gets none.
func (h *mirrorHead) ended(r filter.CopyResult) {
	h.sender.counts.add(r)
	if h.copy.users.Add(-1) == 0 {
		h.copy.filter.memory.used.Add(-int64(h.copy.size))
	}
}
