package http1

import "strconv"

// Connection is what a printed head says about its connection.
type Connection uint8

// The choices.
const (
	Persist   Connection = iota // say nothing: HTTP/1.1 connections persist (RFC 9112, 9.3)
	Close                       // "close": this message is the last one
	KeepAlive                   // "keep-alive": for HTTP/1.0 clients, who must be told
	Upgrading                   // "upgrade", with the message's Upgrade
)

// LastChunk ends a chunked body that has no trailers.
const LastChunk = "0\r\n\r\n"

// AppendRequest appends the head as it is sent to an upstream: always HTTP/1.1, WirePath, one Host, one
// framing, and of Fields what is neither managed nor named by Connection. It allocates only if dst is too short.
func AppendRequest(dst []byte, r *Request, c Connection) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, r.WirePath()...)
	if r.HasQuery {
		dst = append(dst, '?')
		dst = append(dst, r.RawQuery...)
	}
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, r.Authority...)
	dst = append(dst, "\r\n"...)
	dst = appendFields(dst, &r.Fields)
	switch r.Body {
	case SizedBody:
		dst = appendLength(dst, r.ContentLength)
	case ChunkedBody:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	return append(appendConnection(dst, c, r.Upgrade), "\r\n"...)
}

// AppendResponse appends the head as it is sent to a client: always HTTP/1.1, one framing, and of Fields what is
// neither managed nor named by Connection. It allocates only if dst is too short.
func AppendResponse(dst []byte, r *Response, c Connection) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendUint(dst, uint64(r.Status), 10)
	dst = append(dst, ' ')
	if r.Reason != "" {
		dst = append(dst, r.Reason...)
	} else {
		dst = append(dst, Reason(r.Status)...)
	}
	dst = append(dst, "\r\n"...)
	dst = appendFields(dst, &r.Fields)
	switch {
	case r.Status < 200 || r.Status == 204: // RFC 9110, 8.6
	case r.Body == ChunkedBody:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case r.Body != UntilClose && r.ContentLength >= 0:
		dst = appendLength(dst, r.ContentLength)
	}
	return append(appendConnection(dst, c, r.Upgrade), "\r\n"...)
}

func appendFields(dst []byte, f *Fields) []byte {
	for i := range f.rows {
		if r := &f.rows[i]; r.role < hopByHop {
			dst = append(dst, r.name...)
			dst = append(dst, ": "...)
			dst = append(dst, r.value...)
			dst = append(dst, "\r\n"...)
		}
	}
	return dst
}

func appendLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	return append(strconv.AppendInt(dst, n, 10), "\r\n"...)
}

func appendConnection(dst []byte, c Connection, protocol string) []byte {
	switch c {
	case Close:
		return append(dst, "Connection: close\r\n"...)
	case KeepAlive:
		return append(dst, "Connection: keep-alive\r\n"...)
	case Upgrading:
		dst = append(dst, "Connection: upgrade\r\nUpgrade: "...)
		return append(append(dst, protocol...), "\r\n"...)
	}
	return dst
}

// AppendChunkSize appends the line before n bytes of chunk data, which "\r\n" must follow. n is above 0: a size of 0
// would end the body.
func AppendChunkSize(dst []byte, n int) []byte {
	return append(strconv.AppendUint(dst, uint64(n), 16), "\r\n"...)
}

// AppendChunk appends data as one chunk, nothing if there is none.
func AppendChunk(dst, data []byte) []byte {
	if len(data) == 0 {
		return dst
	}
	return append(append(AppendChunkSize(dst, len(data)), data...), "\r\n"...)
}

// AppendTrailers appends the last chunk, the fields and the end of the body.
func AppendTrailers(dst []byte, f *Fields) []byte {
	dst = append(dst, "0\r\n"...)
	return append(appendFields(dst, f), "\r\n"...)
}
