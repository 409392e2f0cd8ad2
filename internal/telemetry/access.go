package telemetry

import (
	"net/netip"
	"strconv"
	"time"
)

// Access is what the access log says of one request. Strings are read while Record runs and not kept. Empty ones, and
// zero numbers except Status, are left out.
type Access struct {
	Time      time.Time // when the request began
	Listener  string
	Node      string
	Peer      netip.AddrPort // the client's end of the connection, as the listener knows it; not in the log
	Client    netip.Addr     // as far as it is trusted: through the PROXY protocol and trusted forwarders
	Method    string
	Host      string
	Path      string // normalised, as decided on
	Status    int    // sent to the client; 0 if nothing was sent
	Reason    string // stable code of an own answer or a failure; empty when all went well
	Route     string
	Upstream  string
	Endpoint  netip.AddrPort // the last one that was tried
	Pod       string         // its pod or instance
	Tries     int            // endpoints that were tried
	In, Out   int64          // body bytes from and to the client
	Connect   time.Duration  // spent on connecting, all tries
	FirstByte time.Duration  // from the start to the head of the answer
	Total     time.Duration
	RequestID string
	Version   uint64 // of the snapshot that decided
}

// Append appends the record as one line of JSON.
func (a *Access) Append(dst []byte) []byte {
	dst = append(dst, `{"time":"`...)
	dst = a.Time.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	dst = append(dst, '"')
	dst = text(dst, "listener", a.Listener)
	dst = text(dst, "node", a.Node)
	if a.Client.IsValid() {
		dst = append(key(dst, "client"), '"')
		dst = append(a.Client.AppendTo(dst), '"')
	}
	dst = text(dst, "method", a.Method)
	dst = text(dst, "host", a.Host)
	dst = text(dst, "path", a.Path)
	dst = strconv.AppendInt(key(dst, "status"), int64(a.Status), 10)
	dst = text(dst, "reason", a.Reason)
	dst = text(dst, "route", a.Route)
	dst = text(dst, "upstream", a.Upstream)
	if a.Endpoint.IsValid() {
		dst = append(key(dst, "endpoint"), '"')
		dst = append(a.Endpoint.AppendTo(dst), '"')
	}
	dst = text(dst, "pod", a.Pod)
	dst = number(dst, "tries", int64(a.Tries))
	dst = number(dst, "in", a.In)
	dst = number(dst, "out", a.Out)
	dst = millis(dst, "connectMs", a.Connect)
	dst = millis(dst, "firstByteMs", a.FirstByte)
	dst = millis(dst, "totalMs", a.Total)
	dst = text(dst, "requestId", a.RequestID)
	dst = number(dst, "version", int64(a.Version))
	return append(dst, "}\n"...)
}

func key(dst []byte, name string) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, name...)
	return append(dst, `":`...)
}

func text(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return AppendString(key(dst, name), value)
}

func number(dst []byte, name string, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(key(dst, name), n, 10)
}

// millis appends milliseconds with three decimals.
func millis(dst []byte, name string, d time.Duration) []byte {
	if d <= 0 {
		return dst
	}
	us := d.Microseconds()
	dst = strconv.AppendInt(key(dst, name), us/1000, 10)
	us %= 1000
	return append(dst, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
}
