package telemetry

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Access is what the access log says of one request. Strings are read while Record runs and not kept. In JSON, empty
// ones, and zero numbers except Status, are left out.
type Access struct {
	Time      time.Time // when the request began
	Listener  string
	Node      string
	Peer      netip.AddrPort // the client's end of the connection, as the listener knows it
	Client    netip.Addr     // as far as it is trusted: through the PROXY protocol and trusted forwarders
	Method    string
	Host      string
	Path      string // normalised, as decided on; empty: the request was not understood
	Target    string // as the client sent it, with the query
	Protocol  string // HTTP/1.1
	Status    int    // sent to the client; 0 if nothing was sent
	Reason    string // stable code of an own answer or a failure; empty when all went well
	Route     string
	Upstream  string
	Endpoint  netip.AddrPort // the last one that was tried
	Pod       string         // its pod or instance
	Tries     int            // endpoints that were tried
	Resent    int            // times that one was sent the whole again, because a kept connection was lost; it may have seen both
	In, Out   int64          // body bytes from and to the client
	Connect   time.Duration  // spent on connecting, all tries
	FirstByte time.Duration  // from the start to the head of the answer
	Total     time.Duration
	RequestID string
	TraceID   string // 32 hexadecimal digits; empty: it is not traced
	UserAgent string
	Referer   string
	Version   uint64 // of the snapshot that decided

	Shard uint32 // of the log that takes the record: who records much keeps to one
}

// maxText bounds what a line takes of one text, in bytes before they are escaped.
const maxText = 8 << 10

// cut bounds a text.
func cut(s string) string {
	if len(s) > maxText {
		return s[:maxText]
	}
	return s
}

// lines writes records as lines of a log. It belongs to one goroutine at a time.
type lines struct {
	format Format
	secret *secrets
	second int64  // that stamp is of
	stamp  []byte // the time up to the second, formatted
}

// append appends a record as a line.
func (l *lines) append(dst []byte, a *Access) []byte {
	if l.format == Combined {
		return l.combined(dst, a)
	}
	return l.json(dst, a)
}

// at brings the stamp up to date. Formatting a time costs more than the rest of a line, and most are of the same second.
func (l *lines) at(t time.Time, layout string) {
	if s := t.Unix(); s != l.second || len(l.stamp) == 0 {
		l.second, l.stamp = s, t.AppendFormat(l.stamp[:0], layout)
	}
}

// json appends a record as one line of JSON.
func (l *lines) json(dst []byte, a *Access) []byte {
	l.at(a.Time.UTC(), "2006-01-02T15:04:05.")
	dst = append(append(dst, `{"time":"`...), l.stamp...)
	ms := a.Time.Nanosecond() / 1e6
	dst = append(dst, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z', '"')
	dst = text(dst, "listener", a.Listener)
	dst = text(dst, "node", a.Node)
	if a.Peer.IsValid() {
		dst = append(key(dst, "peer"), '"')
		dst = append(a.Peer.AppendTo(dst), '"')
	}
	if a.Client.IsValid() {
		dst = append(key(dst, "client"), '"')
		dst = append(a.Client.AppendTo(dst), '"')
	}
	dst = text(dst, "method", a.Method)
	dst = text(dst, "host", cut(a.Host))
	path, query := a.Path, ""
	if path == "" {
		path = a.Target
	} else if i := strings.IndexByte(a.Target, '?'); i >= 0 {
		query = a.Target[i+1:]
	}
	dst = l.address(dst, "path", path, false)
	dst = l.address(dst, "query", query, true)
	dst = text(dst, "protocol", a.Protocol)
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
	dst = number(dst, "resent", int64(a.Resent))
	dst = number(dst, "in", a.In)
	dst = number(dst, "out", a.Out)
	dst = millis(dst, "connectMs", a.Connect)
	dst = millis(dst, "firstByteMs", a.FirstByte)
	dst = millis(dst, "totalMs", a.Total)
	dst = text(dst, "requestId", a.RequestID)
	dst = text(dst, "traceId", a.TraceID)
	dst = text(dst, "userAgent", cut(a.UserAgent))
	dst = l.address(dst, "referer", a.Referer, false)
	dst = number(dst, "version", int64(a.Version))
	return append(dst, "}\n"...)
}

// address is text for what may have secrets in it.
func (l *lines) address(dst []byte, name, value string, query bool) []byte {
	if value == "" {
		return dst
	}
	dst = append(key(dst, name), '"')
	return append(l.secret.hide(dst, cut(value), query, appendJSON), '"')
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
