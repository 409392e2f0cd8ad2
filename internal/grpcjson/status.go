package grpcjson

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Status is how a call ended (gRPC over HTTP/2, "Responses"). The zero status is success.
type Status struct {
	Code    int // 0 to 16
	Message string
}

// Codes that are looked at by name.
const (
	codeUnknown = 2
	maxCode     = 16
)

// ReadStatus reads Grpc-Status and Grpc-Message. A code that is none of gRPC's counts as unknown (2); ok is false where there is none.
func ReadStatus(code, message string) (s Status, ok bool) {
	if code == "" {
		return Status{}, false
	}
	n, err := strconv.Atoi(code)
	if err != nil || n < 0 || n > maxCode {
		n = codeUnknown
	}
	return Status{n, decoded(message)}, true
}

// HTTP is the status of HTTP for a code, as google.rpc.Code documents it.
func (s Status) HTTP() int {
	return [maxCode + 1]int{
		0: 200, 1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429,
		9: 400, 10: 409, 11: 400, 12: 501, 13: 500, 14: 503, 15: 500, 16: 401,
	}[s.Code]
}

// JSON is a google.rpc.Status without its details.
func (s Status) JSON() []byte {
	out, err := json.Marshal(struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{s.Code, s.Message})
	if err != nil { // of two such values there is none
		return []byte(`{"code":2}`)
	}
	return out
}

// decoded takes the percent-encoding off a message. What is none stays, as the specification has it.
func decoded(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return strings.ToValidUTF8(b.String(), "\ufffd")
}
