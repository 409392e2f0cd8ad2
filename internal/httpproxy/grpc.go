package httpproxy

import (
	"strconv"
	"strings"

	"paifang/internal/http1"
)

// isGRPC tells requests of gRPC (its protocol specification for HTTP/2, "Requests"). gRPC-Web and others have
// another content type.
func isGRPC(r *http1.Request) bool {
	const kind = "application/grpc"
	t := r.Fields.Get("Content-Type")
	return r.Method == "POST" && len(t) >= len(kind) && http1.EqualFold(t[:len(kind)], kind) &&
		(len(t) == len(kind) || t[len(kind)] == '+' || t[len(kind)] == ';')
}

// answerGRPC makes an answer of our own one that gRPC understands: the status in a field, and a head alone, which its
// specification calls Trailers-Only. Other fields stay.
func (w *work) answerGRPC() {
	r := &w.x.Response
	code := grpcCode(r.Status)
	var digits [3]byte
	r.Fields.Set("Content-Type", "application/grpc")
	r.Fields.Set("Grpc-Status", r.Mem.Join(bytesView(strconv.AppendInt(digits[:0], int64(code), 10))))
	if text := strings.TrimSpace(w.x.Body); text != "" {
		r.Fields.Set("Grpc-Message", grpcMessage(text))
	}
	r.Status = 200
	r.Body, r.ContentLength = http1.NoBody, -1
	w.x.Body = ""
}

// grpcCode is the status of gRPC for one of HTTP.
func grpcCode(status int) int {
	switch status {
	case 400, 405, 414, 415, 417, 421, 431:
		return 13 // INTERNAL: the client is no right gRPC client
	case 401:
		return 16 // UNAUTHENTICATED
	case 403:
		return 7 // PERMISSION_DENIED
	case 404, 501:
		return 12 // UNIMPLEMENTED
	case 408, 504:
		return 4 // DEADLINE_EXCEEDED
	case 413:
		return 8 // RESOURCE_EXHAUSTED
	case 429, 502, 503:
		return 14 // UNAVAILABLE: to be tried again
	case 499:
		return 1 // CANCELLED
	}
	return 2 // UNKNOWN
}

// grpcMessage is a text as Grpc-Message has it: what is not printable, and the percent sign, percent-encoded.
func grpcMessage(text string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if c := text[i]; c < ' ' || c > '~' || c == '%' {
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
