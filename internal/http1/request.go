package http1

// Framing is how a body's end is known (RFC 9112, 6.3).
type Framing uint8

// The framings.
const (
	NoBody      Framing = iota // there is none
	SizedBody                  // ContentLength bytes, which may be 0
	ChunkedBody                // chunks, then trailers
	UntilClose                 // a response that ends when its connection does
)

// String returns "none", "sized", "chunked" or "until-close".
func (f Framing) String() string {
	return [...]string{"none", "sized", "chunked", "until-close"}[f]
}

// Request is a request head. It is meant to be pooled: Reset, then Parse as often as it takes.
//
// Strings are valid until Reset; see the package comment. Path, RawQuery and Authority are what is forwarded; a filter
// that changes them uses SetPath, SetQuery and SetAuthority, which check what they are given.
type Request struct {
	Method string // as sent: "get" is not GET (RFC 9110, 9.1)
	Target string // as sent

	// Path is the one normal form that routes, filters and authorisation decide on and the upstream gets: escapes of
	// unreserved bytes decoded, other escapes in upper case, dot segments removed, slashes merged (RFC 3986, 6.2.2).
	// It begins with a slash, or is "*" (OPTIONS for the whole server). What is sent on is WirePath.
	Path     string
	RawPath  string // as sent: nothing may be decided by it
	RawQuery string // as sent, without its question mark
	HasQuery bool   // there was a question mark
	// Differs says that RawPath is more than another spelling of Path: dot segments, "//", %2F or %5C were in it, of which
	// a server behind might make something else.
	Differs bool
	// Moved says that Path is what the client is to be sent to, and that nothing else may be done with the request: see
	// RedirectEncodedSlash.
	Moved bool

	// Host is the host alone: lower case, one trailing dot cut, no port, an IPv6 address in brackets. It is empty
	// only for HTTP/1.0 without Host.
	Host      string
	Port      string // as sent, without leading zeros; "" if there was none
	Authority string // Host, and ":" and Port if there was one

	Minor         int // of the HTTP version 1.x: 0 or 1
	Fields        Fields
	Body          Framing
	ContentLength int64 // of a SizedBody; -1 otherwise

	KeepAlive bool   // the client wants to use the connection again
	Expect100 bool   // the client waits for 100 (Continue) before it sends the body
	Upgrade   string // the protocol the client asks for ("websocket"), "" if none, or if the message has a body

	// Mem makes strings that live as long as those of the request.
	Mem Arena

	scan       headScan
	rules      pathRules
	normal     string // Path as parsed
	asReceived bool
}

// Reset makes the request ready for the next one and lets go of its buffer.
func (r *Request) Reset() {
	f, m := r.Fields, r.Mem
	f.Reset()
	m.Reset()
	*r = Request{Fields: f, Mem: m, ContentLength: -1}
}

// Parse reads a request head at the start of buf and returns how many bytes it has, an empty line in front included.
// With ErrNeedMore, call it again with the same bytes and more; with a Fault, answer its status and close. What was
// understood before the fault is left in r for the log. A nil lim means the defaults.
func (r *Request) Parse(buf []byte, lim *Limits) (int, error) {
	end, err := r.scan.find(buf, lim)
	if err != nil {
		if s := r.scan.start; err == ErrNeedMore && len(buf) > s && octets[buf[s]]&inToken == 0 && (buf[s] != '\r' || s > 0) {
			err = BadRequestLine // a TLS handshake on a clear-text port, say: do not wait for a line end
		}
		return 0, err
	}
	if f := r.parse(buf[r.scan.start:end:end], lim); f != 0 {
		return 0, f
	}
	return end, nil
}

// parse reads a complete head.
func (r *Request) parse(head []byte, lim *Limits) Fault {
	r.Fields.Reset()
	r.ContentLength = -1
	at, fault := r.requestLine(head)
	if fault != 0 {
		return fault
	}
	var f facts
	if fault = f.fields(head, at, &r.Fields); fault != 0 {
		return fault
	}
	if f.scores {
		switch lim.underscores() {
		case RefuseUnderscores:
			return UnderscoreName
		case DropUnderscores:
			r.Fields.DelFunc(hasUnderscore)
		case KeepUnderscores:
			r.Fields.dropTwins()
		}
	}
	if f.options.names {
		r.Fields.dropNamed()
	}
	r.KeepAlive = f.options.persistent(r.Minor)
	if r.Body, r.ContentLength, fault = f.framing(r.Minor); fault != 0 {
		return fault
	}
	if fault = r.target(&f, lim); fault != 0 {
		return fault
	}
	if r.Minor == 0 {
		return 0 // Expect and Upgrade mean nothing there (RFC 9110, 7.8 and 10.1.1)
	}
	if f.strange {
		return UnknownExpectation
	}
	hasBody := r.Body == ChunkedBody || r.ContentLength > 0
	if hasBody && r.Method == "TRACE" {
		return BodyForbidden
	}
	r.Expect100 = f.expect && hasBody
	if f.upgrades == 1 && f.options.upgrade && !hasBody {
		r.Upgrade = protocol(f.upgrade)
	}
	if EqualFold(r.Upgrade, "websocket") && (r.Method != "GET" || f.keys != 1 || !isWebSocketKey(f.key)) {
		return BadWebSocket
	}
	return 0
}

// requestLine reads method, target and version and returns where the field lines begin.
func (r *Request) requestLine(head []byte) (int, Fault) {
	i := 0
	for octets[head[i]]&inToken != 0 {
		i++
	}
	if i == 0 || head[i] != ' ' {
		if head[i] == ' ' || head[i] == '\t' || head[i] == '\r' {
			return 0, BadRequestLine
		}
		return 0, BadMethod
	}
	r.Method = view(head[:i])
	if i > maxMethod {
		r.Method = r.Method[:maxMethod]
		return 0, MethodTooLong
	}
	from := i + 1
	for i = from; octets[head[i]]&inQuery != 0; i++ {
	}
	r.Target = view(head[from:i])
	switch c := head[i]; {
	case c == '#':
		return 0, Fragment
	case c == '\r' && head[i+1] == '\n':
		if i == from {
			return 0, BadRequestLine
		}
		return 0, BadVersion // HTTP/0.9
	case c == '\r':
		return 0, BareCR
	case c != ' ' || i == from:
		if c == '\t' || c == ' ' {
			return 0, BadRequestLine
		}
		return 0, BadTarget
	}
	v := head[i+1:]
	if fault := r.version(v); fault != 0 {
		return 0, fault
	}
	return i + 1 + len("HTTP/1.1\r\n"), 0
}

// version reads the rest of the request line.
func (r *Request) version(v []byte) Fault {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	switch {
	case len(v) < 10 || string(v[:5]) != "HTTP/" || !digit(v[5]) || v[6] != '.' || !digit(v[7]):
		// A second space or tab is the likelier mistake: "GET /a b HTTP/1.1".
		for _, c := range v {
			switch c {
			case ' ', '\t':
				return BadRequestLine
			case '\n':
				return BadVersion
			}
		}
		return BadVersion
	case v[8] != '\r' || v[9] != '\n':
		return BadVersion
	case v[5] != '1' || v[7] > '1':
		return UnsupportedVersion
	}
	r.Minor = int(v[7] - '0')
	return 0
}

func hasUnderscore(name string) bool {
	for i := 0; i < len(name); i++ {
		if name[i] == '_' {
			return true
		}
	}
	return false
}

// isWebSocketKey tells whether s is the base64 form of 16 bytes (RFC 6455, 4.1): 22 digits, the last of which has
// four zero bits, and two equals signs.
func isWebSocketKey(s string) bool {
	if len(s) != 24 || s[22:] != "==" {
		return false
	}
	for i := 0; i < 22; i++ {
		c := s[i]
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '+' && c != '/' {
			return false
		}
	}
	switch s[21] {
	case 'A', 'Q', 'g', 'w':
		return true
	}
	return false
}
