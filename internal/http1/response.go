package http1

// Response is a response head, parsed from an upstream or filled by a filter. It is meant to be pooled: Reset, then
// Parse as often as it takes. Strings are valid until Reset; see the package comment.
type Response struct {
	Status int    // 100 to 999
	Reason string // as sent; empty is printed as the usual phrase of the status
	Minor  int    // of the HTTP version 1.x: 0 or 1
	Fields Fields
	Body   Framing

	// ContentLength is the length of a SizedBody. With NoBody it is what a HEAD or 304 response says the body would
	// have, -1 if it does not say. A response made by hand with neither has an empty body of length 0.
	ContentLength int64

	KeepAlive bool   // the server keeps the connection for another request
	Upgrade   string // the protocol of a 101

	// Mem makes strings that live as long as those of the response.
	Mem Arena

	scan headScan
}

// Reset makes the response ready for the next one and lets go of its buffer. It has a frame of its own: room for a copy of a
// response would otherwise be on the stack of everybody who resets one and then waits.
//
//go:noinline
func (r *Response) Reset() {
	f, m := r.Fields, r.Mem
	f.Reset()
	m.Reset()
	*r = Response{Fields: f, Mem: m}
}

// Interim tells whether another response to the same request follows: 1xx except 101.
func (r *Response) Interim() bool { return r.Status < 200 && r.Status != 101 }

// Parse reads a response head at the start of buf and returns how many bytes it has. method is that of the request it
// answers: a response to HEAD has no body. With ErrNeedMore, call it again with the same bytes and more; with a Fault,
// answer 502 and close the upstream connection. A nil lim means the defaults; what it says about names and paths of
// requests does not apply. After an interim response, call Reset before the next.
func (r *Response) Parse(buf []byte, lim *Limits, method string) (int, error) {
	if len(buf) > 0 && buf[0] != 'H' {
		return 0, BadStatusLine
	}
	end, err := r.scan.find(buf, lim)
	if err != nil {
		if err == TargetTooLong || err == BadRequestLine {
			err = BadStatusLine
		}
		return 0, err
	}
	return end, r.parse(buf[:end:end], method).err()
}

func (r *Response) parse(head []byte, method string) Fault {
	r.Fields.Reset()
	at, fault := r.statusLine(head)
	if fault != 0 {
		return fault
	}
	var f facts
	if fault = f.fields(head, at, &r.Fields); fault != 0 {
		return fault
	}
	if f.options.names {
		r.Fields.dropNamed()
	}
	r.KeepAlive = f.options.persistent(r.Minor)
	if r.Body, r.ContentLength, fault = f.framing(r.Minor); fault != 0 {
		return fault
	}
	switch {
	case r.Status < 200 || r.Status == 204:
		// A length of 0 contradicts nothing and common servers send it with 204.
		if r.Body == ChunkedBody || r.ContentLength > 0 {
			return BodyForbidden
		}
		r.Body, r.ContentLength = NoBody, -1
		if r.Status == 101 && f.upgrades == 1 && f.options.upgrade {
			r.Upgrade = protocol(f.upgrade)
		}
	case method == "HEAD" || r.Status == 304:
		r.Body = NoBody
	case r.Body == NoBody:
		r.Body = UntilClose
		r.KeepAlive = false
	}
	return 0
}

// statusLine reads version, status and reason and returns where the field lines begin. A missing space before an
// empty reason is forgiven: it hides nothing, and many servers do it.
func (r *Response) statusLine(head []byte) (int, Fault) {
	const version = "HTTP/1.1"
	if len(head) < len(version)+len(" 200\r\n") || string(head[:7]) != version[:7] || head[8] != ' ' {
		return 0, BadStatusLine
	}
	if head[7] != '0' && head[7] != '1' {
		return 0, UnsupportedVersion
	}
	status := 0
	for _, c := range head[9:12] {
		if c < '0' || c > '9' {
			return 0, BadStatusLine
		}
		status = status*10 + int(c-'0')
	}
	end := valueEnd(head, 12)
	switch {
	case status < 100 || head[12] != ' ' && head[12] != '\r':
		return 0, BadStatusLine
	case head[end] != '\r':
		return 0, BadStatusLine
	case head[end+1] != '\n':
		return 0, BareCR
	}
	r.Minor, r.Status = int(head[7]-'0'), status
	r.Reason = trim(view(head[12:end]))
	return end + 2, 0
}
