// Package http2 is HTTP/2 connections, of servers and of clients: streams, flow control and what bounds both (RFC 9113).
// It knows no routes, and of fields only what the protocol itself forbids.
//
// Frames and header compression are those of golang.org/x/net/http2 and its hpack. What is above them is here, because a
// gateway has to decide what a library for handlers decides by itself: how many handlers a client may keep busy, what is
// told before a connection ends, with which code a stream is reset, what a malformed request is answered and logged with.
//
// A connection has one goroutine of its own, which reads (Conn.Run), and on a server one for each stream. Nobody waits for
// a turn to write: frames are appended to one buffer under the connection's lock, and whoever finds nobody writing writes
// it, together with what others append meanwhile. The reading goroutine never writes itself, so a peer that does not read
// holds up nobody but its own streams.
//
// Waits of streams end by Interrupt, those of the connection by Check, which its owner calls a few times a second: there
// is no timer per stream.
package http2
