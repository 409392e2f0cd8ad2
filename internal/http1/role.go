package http1

import "strings"

// role is what a field does besides being forwarded.
type role uint8

const (
	endToEnd role = iota
	trailerNames
	webSocketKey
	cookie
	// From here on a field belongs to one connection, or is printed from its own place in Request and Response.
	hopByHop
	hostName
	connection
	contentLength
	transferEncoding
	upgrade
	expect
)

// roleOf recognises the few names that matter by length first.
func roleOf(name string) role {
	switch len(name) {
	case 2:
		if EqualFold(name, "te") {
			return hopByHop
		}
	case 4:
		if EqualFold(name, "host") {
			return hostName
		}
	case 6:
		switch {
		case EqualFold(name, "cookie"):
			return cookie
		case EqualFold(name, "expect"):
			return expect
		}
	case 7:
		switch {
		case EqualFold(name, "upgrade"):
			return upgrade
		case EqualFold(name, "trailer"):
			return trailerNames
		}
	case 10:
		switch {
		case EqualFold(name, "connection"):
			return connection
		case EqualFold(name, "keep-alive"):
			return hopByHop
		}
	case 14:
		switch {
		case EqualFold(name, "content-length"):
			return contentLength
		case EqualFold(name, "http2-settings"):
			return hopByHop
		}
	case 16:
		if EqualFold(name, "proxy-connection") {
			return hopByHop
		}
	case 17:
		switch {
		case EqualFold(name, "transfer-encoding"):
			return transferEncoding
		case EqualFold(name, "sec-websocket-key"):
			return webSocketKey
		}
	case 18:
		if EqualFold(name, "proxy-authenticate") {
			return hopByHop
		}
	case 19:
		if EqualFold(name, "proxy-authorization") {
			return hopByHop
		}
	}
	return endToEnd
}

// Managed tells whether fields of this name are never printed from Fields, so that setting one has no effect: those
// that frame a message or concern one connection (RFC 9110, 7.6.1), and Host, which is Request.Authority.
func Managed(name string) bool { return roleOf(name) >= hopByHop }

// Protected tells whether Connection may not take this field away: a client could otherwise remove, on the way to
// the server behind, what the gateway or a proxy in front of it has said about that very client.
func Protected(name string) bool {
	for _, p := range [...]string{"x-forwarded-", "content-"} {
		if hasPrefixFold(name, p) {
			return true
		}
	}
	for _, p := range [...]string{
		"authorization", "cookie", "set-cookie", "forwarded", "x-real-ip", "x-request-id", "traceparent", "tracestate",
		"via", "cache-control", "location", "date", "origin",
	} {
		if EqualFold(name, p) {
			return true
		}
	}
	return false
}

// Credential tells whether a field is what clients show to be let in: Authorization, Proxy-Authorization, and Cookie.
func Credential(name string) bool {
	return EqualFold(name, "authorization") || EqualFold(name, "cookie") || EqualFold(name, "proxy-authorization")
}

// options is what the Connection fields of a message say together (RFC 9110, 7.6.1).
type options struct {
	close, keepAlive, upgrade bool
	names                     bool // there are others
	count                     int
}

func (o *options) add(list string) Fault {
	for list != "" {
		var name string
		name, list = member(list)
		if name == "" {
			continue // empty members are allowed (RFC 9110, 5.6.1)
		}
		if o.count++; o.count > maxOptions || !IsToken(name) {
			return BadConnection
		}
		switch {
		case EqualFold(name, "close"):
			o.close = true
		case EqualFold(name, "keep-alive"):
			o.keepAlive = true
		case EqualFold(name, "upgrade"):
			o.upgrade = true
		default:
			o.names = true
		}
	}
	return 0
}

// persistent tells whether the connection can be used again after the message (RFC 9112, 9.3).
func (o *options) persistent(minor int) bool {
	return !o.close && (minor >= 1 || o.keepAlive)
}

// dropNamed marks the fields that Connection names, so that they are not forwarded.
func (f *Fields) dropNamed() {
	for list := range f.Values("connection") {
		for list != "" {
			var name string
			name, list = member(list)
			if name == "" || Protected(name) {
				continue
			}
			for i := range f.rows {
				if r := &f.rows[i]; r.role < hopByHop && EqualFold(r.name, name) {
					r.role = hopByHop
				}
			}
		}
	}
}

// dropTwins removes fields whose name has an underscore and whose twin with dashes is there too.
func (f *Fields) dropTwins() {
	kept := 0
	for i := range f.rows {
		name := f.rows[i].name
		if strings.IndexByte(name, '_') >= 0 && f.hasTwin(name) {
			continue
		}
		f.rows[kept] = f.rows[i]
		kept++
	}
	f.rows = f.rows[:kept]
}

func (f *Fields) hasTwin(name string) bool {
	for i := range f.rows {
		if r := &f.rows[i]; strings.IndexByte(r.name, '_') < 0 && SameName(r.name, name) {
			return true
		}
	}
	return false
}
