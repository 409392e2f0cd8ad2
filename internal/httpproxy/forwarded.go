package httpproxy

import (
	"net/netip"
	"strings"

	"paifang/internal/http1"
)

// maxElements bounds the elements of a Forwarded field that are read.
const maxElements = 32

// forwarded returns the elements of a Forwarded field (RFC 7239) from the client on, with one for the peer appended, and
// the client, and the element that says how the client asked: the first that is kept. The list is empty where there is no such
// field, or one that cannot be read: then whoever wrote it wrote it past the proxies.
func (w *work) forwarded(proto string) (list string, client netip.Addr, first string) {
	mem := &w.x.Request.Mem
	text := joined(&w.x.Request.Fields, mem, "Forwarded")
	if text == "" {
		return "", w.x.Peer, ""
	}
	var starts [maxElements]int
	n, ok := elements(text, &starts)
	if !ok {
		return "", w.x.Peer, ""
	}
	walk := w.walk()
	from := len(text)
	for i := n - 1; i >= 0 && walk.wants(); i-- {
		first = text[starts[i]:from]
		from = starts[i]
		if !walk.take(parameter(first, "for")) {
			break
		}
	}
	kept := strings.Trim(text[from:], " \t,")
	own := w.element(proto)
	if kept == "" {
		return own, walk.client, first
	}
	return mem.Join(kept, ", ", own), walk.client, first
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

// parameter is a value in an element, without quotes (RFC 7239, 4). What stands in quotes is a value, whatever it looks like: a
// host is the client's own text. One with a backslash has no meaning here.
func parameter(element, name string) string {
	for rest := strings.Trim(element, " \t,"); rest != ""; {
		end := pairEnd(rest)
		key, value, _ := strings.Cut(rest[:end], "=")
		rest = rest[min(end+1, len(rest)):]
		if !http1.EqualFold(strings.Trim(key, " \t"), name) {
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

// pairEnd is where the first pair of an element ends.
func pairEnd(element string) int {
	quoted := false
	for i := 0; i < len(element); i++ {
		switch {
		case quoted && element[i] == '\\':
			i++
		case element[i] == '"':
			quoted = !quoted
		case element[i] == ';' && !quoted:
			return i
		}
	}
	return len(element)
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
