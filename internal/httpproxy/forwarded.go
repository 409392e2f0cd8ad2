package httpproxy

import (
	"net/netip"
	"strings"

	"paifang/internal/http1"
)

// maxElements bounds the elements of a Forwarded field that are read.
const maxElements = 32

// forwarded returns the elements of a Forwarded field (RFC 7239) from the client on, with one for the peer appended, and
// the client. It is empty where there is no such field, or one that cannot be read: then whoever wrote it wrote it past the
// proxies.
func (w *work) forwarded(proto string) (list string, client netip.Addr) {
	mem := &w.x.Request.Mem
	text := joined(&w.x.Request.Fields, mem, "Forwarded")
	if text == "" {
		return "", w.x.Peer
	}
	var starts [maxElements]int
	n, ok := elements(text, &starts)
	if !ok {
		return "", w.x.Peer
	}
	walk := w.walk()
	from := len(text)
	for i := n - 1; i >= 0 && walk.wants(); i-- {
		element := text[starts[i]:from]
		from = starts[i]
		if !walk.take(nodeOf(element)) {
			break
		}
	}
	kept := strings.Trim(text[from:], " \t,")
	own := w.element(proto)
	if kept == "" {
		return own, walk.client
	}
	return mem.Join(kept, ", ", own), walk.client
}

// elements finds where the elements of a list begin that may have quoted strings. Of more than it has room for it keeps
// the last. It is false for a quoted string without an end.
func elements(text string, starts *[maxElements]int) (n int, ok bool) {
	quoted := false
	add := func(at int) {
		if n == maxElements {
			copy(starts[:], starts[1:])
			n--
		}
		starts[n] = at
		n++
	}
	add(0)
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		case text[i] == ',' && !quoted:
			add(i + 1)
		}
	}
	return n, !quoted
}

// nodeOf is the address in the "for" of an element, without quotes (RFC 7239, 4 and 6).
func nodeOf(element string) string {
	for pair := range strings.SplitSeq(strings.Trim(element, " \t,"), ";") {
		name, value, _ := strings.Cut(pair, "=")
		if !http1.EqualFold(strings.Trim(name, " \t"), "for") {
			continue
		}
		value = strings.Trim(value, " \t")
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		return value
	}
	return ""
}

// element is what is known of this hop: for, host and proto.
func (w *work) element(proto string) string {
	x := &w.x
	var b [96]byte
	out := append(b[:0], "for="...)
	out = appendNode(out, x.Peer)
	out = append(out, ";proto="...)
	out = append(out, proto...)
	text := bytesView(out)
	if host := x.Request.Authority; host != "" {
		return x.Request.Mem.Join(text, `;host="`, host, `"`)
	}
	return x.Request.Mem.Join(text)
}

// appendNode writes an address as RFC 7239, 6 has it: IPv6 in brackets and quotes.
func appendNode(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		return a.AppendTo(b)
	}
	return append(a.AppendTo(append(b, `"[`...)), `]"`...)
}
