package http1

import (
	"bytes"
	"strings"
	"unsafe"
)

// headScan finds the end of a head in bytes that arrive in pieces. It looks at every byte once, and sees a line that
// does not end in CRLF, or a head that is too long, before the head is complete.
type headScan struct {
	start int // of the head: past an empty line in front of it
	line  int // start of the line whose end is not found yet
	seen  int // searched up to here
	lines int // complete lines
}

// find returns the index after the empty line that ends the head.
func (s *headScan) find(buf []byte, lim *Limits) (int, error) {
	for {
		i := bytes.IndexByte(buf[s.seen:], '\n')
		if i < 0 {
			s.seen = len(buf)
			if err := s.room(len(buf)-s.line, len(buf), lim); err != nil {
				return 0, err
			}
			return 0, ErrNeedMore
		}
		lf := s.seen + i
		s.seen = lf + 1
		switch {
		case lf == s.line || buf[lf-1] != '\r':
			return 0, BareLF
		case lf-1 > s.line:
			if s.lines++; s.lines-1 > lim.fields() {
				return 0, TooManyFields
			}
			if err := s.room(lf-1-s.line, lf+1, lim); err != nil {
				return 0, err
			}
		case s.lines > 0:
			if err := s.room(0, lf+1, lim); err != nil {
				return 0, err
			}
			return lf + 1, nil
		case s.start > 0:
			return 0, BadRequestLine // one empty line is forgiven (RFC 9112, 2.2), more are not
		default:
			s.start = lf + 1
		}
		s.line = lf + 1
	}
}

// room checks a line of so many bytes in a head of so many bytes against the limits.
func (s *headScan) room(line, head int, lim *Limits) error {
	switch {
	case line > lim.line() && s.lines <= 1 && s.line == s.start:
		return TargetTooLong
	case line > lim.line():
		return FieldTooLarge
	case head-s.start > lim.head():
		return HeadTooLarge
	}
	return nil
}

// view is b as a string that shares its bytes.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// facts are what the field lines of a head say about the message itself.
type facts struct {
	hosts, lengths, codings, upgrades int
	keys, cookies                     int // Sec-WebSocket-Key fields; pairs in Cookie fields
	host, length, coding, upgrade     string
	key                               string // Sec-WebSocket-Key
	options                           options
	expect, strange                   bool // an Expect field; one other than 100-continue
	scores                            bool // a name with an underscore
}

// fields parses the field lines of a complete head from i on: buf ends with the empty line.
func (f *facts) fields(buf []byte, i int, list *Fields) Fault {
	text := view(buf)
	first := true
	for i < len(buf)-2 {
		colon := i
		var seen uint8
		for octets[buf[colon]]&inToken != 0 {
			seen |= octets[buf[colon]]
			colon++
		}
		if buf[colon] != ':' || colon == i {
			return badName(buf, i, colon, first)
		}
		end := valueEnd(buf, colon+1)
		if buf[end] != '\r' {
			return BadFieldValue
		}
		if buf[end+1] != '\n' {
			return BareCR
		}
		r := row{text[i:colon], trim(text[colon+1 : end]), endToEnd}
		if r.role = roleOf(r.name); r.role != endToEnd {
			if fault := f.note(r); fault != 0 {
				return fault
			}
		}
		f.scores = f.scores || seen&isScore != 0
		list.rows = append(list.rows, r)
		i = end + 2
		first = false
	}
	return 0
}

// badName says what is wrong with a line whose name, from i to at, is not followed by a colon.
func badName(buf []byte, i, at int, first bool) Fault {
	switch c := buf[at]; {
	case (c == ' ' || c == '\t') && at == i && first:
		return LeadingSpace
	case (c == ' ' || c == '\t') && at == i:
		return ObsFold
	case (c == ' ' || c == '\t') && bytes.IndexByte(buf[at:at+bytes.IndexByte(buf[at:], '\n')], ':') >= 0:
		return SpaceBeforeColon
	case c == '\r' && buf[at+1] == '\n':
		return NoColon
	case c == '\r':
		return BareCR
	}
	return BadFieldName
}

// note keeps what a field says about the message.
func (f *facts) note(r row) Fault {
	switch r.role {
	case hostName:
		f.hosts++
		f.host = r.value
	case contentLength:
		f.lengths++
		f.length = r.value
	case transferEncoding:
		f.codings++
		f.coding = r.value
	case upgrade:
		f.upgrades++
		f.upgrade = r.value
	case webSocketKey:
		f.keys++
		f.key = r.value
	case cookie:
		if f.cookies += strings.Count(r.value, ";") + 1; f.cookies > maxCookies {
			return TooManyCookies
		}
	case expect:
		f.expect = true
		f.strange = f.strange || !EqualFold(r.value, "100-continue")
	case connection:
		return f.options.add(r.value)
	}
	return 0
}

// framing says how the body is framed (RFC 9112, 6.3), as far as the fields tell.
func (f *facts) framing(minor int) (Framing, int64, Fault) {
	switch {
	case f.codings > 0 && f.lengths > 0:
		return NoBody, -1, LengthAndCoding
	case f.codings > 1:
		return NoBody, -1, TwoCodings
	case f.lengths > 1:
		return NoBody, -1, TwoLengths
	case f.codings == 1 && minor == 0:
		return NoBody, -1, CodingInOldVersion
	case f.codings == 1 && EqualFold(f.coding, "chunked"):
		return ChunkedBody, -1, 0
	case f.codings == 1 && IsToken(f.coding):
		return NoBody, -1, UnknownCoding
	case f.codings == 1:
		return NoBody, -1, BadCoding
	case f.lengths == 1:
		n, ok := parseLength(f.length)
		if !ok {
			return NoBody, -1, BadLength
		}
		return SizedBody, n, 0
	}
	return NoBody, -1, 0
}

// parseLength reads decimal digits and nothing else. Numbers that no body reaches are refused, not wrapped.
func parseLength(s string) (n int64, ok bool) {
	if s == "" {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' || n > (1<<62)/10 {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

// protocol returns the first protocol of an Upgrade field that is none of HTTP's own: HTTP/2 in clear text is started by
// its preface here, never by an upgrade that the server behind would take part in.
func protocol(list string) string {
	for list != "" {
		var one string
		one, list = member(list)
		name, version, versioned := strings.Cut(one, "/") // RFC 9110, 7.8
		if !IsToken(name) || versioned && !IsToken(version) {
			continue
		}
		if !EqualFold(name, "h2c") && !EqualFold(name, "h2") && !EqualFold(name, "h3") && !EqualFold(name, "http") {
			return one
		}
	}
	return ""
}
