// Package http1 is HTTP/1.1 over bytes: request and response heads, body framing, and their printing (RFC 9110,
// RFC 9112). It owns no socket, no goroutine and no clock: its caller reads bytes, hands them in, and writes what
// comes out.
//
// It is strict on purpose. A gateway that guesses what a malformed message means guesses differently from the server
// behind it, and that difference is request smuggling. So whatever the specification forbids, and whatever it lets a
// server refuse that clients do not send, is a Fault: a small number with a stable code and a status.
//
// It does not allocate once its pooled values are warm. Every string in a parsed Request or Response is a view of the
// bytes it was parsed from or of the value's own Arena: it is valid until Reset, and only as long as the caller leaves
// those bytes alone. Who keeps one longer must strings.Clone it.
package http1
