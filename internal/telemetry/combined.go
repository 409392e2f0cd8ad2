package telemetry

import (
	"fmt"
	"strconv"
)

// Format is how a line of the access log is written.
type Format uint8

// The formats.
const (
	JSON     Format = iota // an object of JSON, with everything that is known
	Combined               // NCSA's combined format, as nginx writes it
)

// ParseFormat reads "json" or "combined"; "" is JSON.
func ParseFormat(name string) (Format, error) {
	switch name {
	case "", "json":
		return JSON, nil
	case "combined":
		return Combined, nil
	}
	return JSON, fmt.Errorf("telemetry: read format: %q is none of json, combined", name)
}

// combined appends a record as
//
//	client - - [02/Jan/2006:15:04:05 +0000] "GET /path?query HTTP/1.1" 200 612 "referer" "user agent"
//
// in local time, with the target as the client sent it. There is no user: credentials are not looked at. What is missing
// is "-". A connection of the SLB has no request, and status 000.
func (l *lines) combined(dst []byte, a *Access) []byte {
	if a.Client.IsValid() {
		dst = a.Client.AppendTo(dst)
	} else {
		dst = append(dst, '-')
	}
	l.at(a.Time.Local(), "02/Jan/2006:15:04:05 -0700")
	dst = append(append(append(dst, " - - ["...), l.stamp...), `] "`...)
	if a.Method == "" && a.Target == "" {
		dst = append(dst, '-')
	} else {
		dst = appendHex(dst, a.Method)
		if a.Target != "" {
			dst = l.secret.hide(append(dst, ' '), cut(a.Target), false, appendHex)
		}
		if a.Protocol != "" {
			dst = appendHex(append(dst, ' '), a.Protocol)
		}
	}
	s := a.Status
	dst = append(dst, '"', ' ', byte('0'+s/100%10), byte('0'+s/10%10), byte('0'+s%10), ' ')
	dst = strconv.AppendInt(dst, a.Out, 10)
	dst = l.quoted(append(dst, ' '), a.Referer, true)
	dst = l.quoted(append(dst, ' '), a.UserAgent, false)
	return append(dst, '\n')
}

// quoted appends a text in quotes, "-" where there is none.
func (l *lines) quoted(dst []byte, s string, address bool) []byte {
	dst = append(dst, '"')
	switch {
	case s == "":
		dst = append(dst, '-')
	case address:
		dst = l.secret.hide(dst, cut(s), false, appendHex)
	default:
		dst = appendHex(dst, cut(s))
	}
	return append(dst, '"')
}

// appendHex appends text in which quotes, backslashes, controls and everything beyond ASCII are \xHH, as nginx has it.
func appendHex(dst []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	from := 0
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			dst = append(append(dst, s[from:i]...), '\\', 'x', digits[c>>4], digits[c&15])
			from = i + 1
		}
	}
	return append(dst, s[from:]...)
}
