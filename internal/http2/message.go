package http2

import (
	"strings"

	"golang.org/x/net/http2/hpack"
)

// Field is a field line, or a pseudo field, whose name begins with a colon. A Sensitive one is never put into the
// compression tables (RFC 7541, section 7.1).
type Field = hpack.HeaderField

// Head is a header section: of a request, of an answer, or trailers. Pseudo fields come first.
type Head struct {
	Fields []Field
	End    bool // nothing follows: there is no body
	// TooLarge says that the section is above Config.HeaderList, and Fields not all of it.
	TooLarge bool
	// Malformed says how the section breaks RFC 9113, section 8; empty if it does not. Its stream is to be reset with
	// ProtocolError.
	Malformed string

	size int // as Config.HeaderList counts
}

// Get returns the value of the first field with this name, in lower case, or of a pseudo field; "" if there is none.
func (h *Head) Get(name string) string {
	for i := range h.Fields {
		if h.Fields[i].Name == name {
			return h.Fields[i].Value
		}
	}
	return ""
}

// Regular returns the fields behind the pseudo fields.
func (h *Head) Regular() []Field {
	for i := range h.Fields {
		if h.Fields[i].Name[0] != ':' {
			return h.Fields[i:]
		}
	}
	return nil
}

// kind is what a header section may be.
type kind uint8

const (
	requestHead kind = iota
	answerHead
	trailerSection
)

// pseudo numbers the pseudo fields, so that a section can be checked with a set of bits.
type pseudo uint8

const (
	method pseudo = 1 << iota
	scheme
	authority
	path
	status
	foreign // one that nobody knows, or that was not agreed on (":protocol", RFC 8441)
)

func pseudoOf(name string) pseudo {
	switch name {
	case ":method":
		return method
	case ":scheme":
		return scheme
	case ":authority":
		return authority
	case ":path":
		return path
	case ":status":
		return status
	}
	return foreign
}

// check says how the pseudo fields of a section break the rules of its kind (RFC 9113, section 8.3).
func (k kind) check(h *Head, seen pseudo) string {
	switch {
	case seen&foreign != 0:
		return "unknown pseudo field"
	case k == trailerSection && seen != 0:
		return "pseudo field in trailers"
	case k == trailerSection:
		return ""
	case k == answerHead && seen != status:
		return "an answer has exactly :status"
	case k == answerHead:
		return checkStatus(h.Get(":status"))
	case seen&status != 0:
		return ":status in a request"
	case h.Get(":method") == "CONNECT":
		if seen != method|authority {
			return "CONNECT has exactly :method and :authority"
		}
		return ""
	case seen&^authority != method|scheme|path:
		return "a request has :method, :scheme and :path"
	}
	if s := h.Get(":scheme"); s != "http" && s != "https" {
		return "unknown scheme"
	}
	// Servers behind that match paths by prefix must not get one that begins otherwise.
	if p := h.Get(":path"); p == "" || p[0] != '/' && p != "*" {
		return "a path begins with a slash"
	}
	return ""
}

func checkStatus(s string) string {
	if len(s) != 3 || s[0] < '1' || s[0] > '9' || !isDigit(s[1]) || !isDigit(s[2]) {
		return ":status is not three digits"
	}
	return ""
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// checkField says how a field breaks the rules that all sections share (RFC 9113, section 8.2).
func checkField(f Field) string {
	name := f.Name
	if name == "" || name == ":" {
		return "field without a name"
	}
	if name[0] == ':' {
		name = name[1:]
	}
	for i := 0; i < len(name); i++ {
		if !inLowerToken(name[i]) {
			return "field name with a byte that no name has, or in upper case"
		}
	}
	for i := 0; i < len(f.Value); i++ {
		if c := f.Value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return "field value with a control byte"
		}
	}
	switch f.Name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return "field that is about one connection"
	case "te":
		if f.Value != "trailers" {
			return "te other than trailers"
		}
	}
	return ""
}

// inLowerToken tells the bytes of a token (RFC 9110, section 5.6.2) that are not upper case.
func inLowerToken(c byte) bool {
	return c >= 'a' && c <= 'z' || isDigit(c) || c < 0x80 && strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// length returns what Content-Length of a section says of its body, -1 if it says nothing. Several that are the same are one
// (RFC 9110, section 8.6).
func (h *Head) length() (n int64, malformed string) {
	n = -1
	for _, f := range h.Fields {
		if f.Name != "content-length" {
			continue
		}
		v, ok := parseLength(f.Value)
		if !ok || n >= 0 && v != n {
			return -1, "content-length that is none"
		}
		n = v
	}
	return n, ""
}

func parseLength(s string) (n int64, ok bool) {
	if s == "" {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) || n > (1<<62)/10 {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}
