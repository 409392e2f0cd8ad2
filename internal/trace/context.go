package trace

import (
	"encoding/hex"
	"strings"
)

// The headers of W3C Trace Context.
const (
	Parent = "traceparent"
	State  = "tracestate"
)

// parent is what a traceparent says.
type parent struct {
	trace   [16]byte
	span    [8]byte
	sampled bool
}

// The places in a traceparent: version, trace, span and flags, in lower case hexadecimal, with dashes in between.
const (
	traceAt   = 3
	traceEnd  = traceAt + 32
	spanAt    = traceEnd + 1
	spanEnd   = spanAt + 16
	flagsAt   = spanEnd + 1
	parentLen = flagsAt + 2
)

// parseParent reads a traceparent (W3C Trace Context, level 1, 3.2). One of a later version is read as far as this one goes.
func parseParent(s string) (p parent, ok bool) {
	if len(s) < parentLen || s[2] != '-' || s[traceEnd] != '-' || s[spanEnd] != '-' {
		return parent{}, false
	}
	var version, flags [1]byte
	if !decode(version[:], s[:2]) || !decode(p.trace[:], s[traceAt:traceEnd]) || !decode(p.span[:], s[spanAt:spanEnd]) || !decode(flags[:], s[flagsAt:parentLen]) {
		return parent{}, false
	}
	switch {
	case version[0] == 0xff, version[0] == 0 && len(s) != parentLen, len(s) > parentLen && s[parentLen] != '-':
		return parent{}, false
	case p.trace == [16]byte{}, p.span == [8]byte{}:
		return parent{}, false
	}
	p.sampled = flags[0]&1 != 0
	return p, true
}

// decode reads hexadecimal digits in lower case.
func decode(dst []byte, s string) bool {
	for i := range dst {
		hi, lo := digit(s[2*i]), digit(s[2*i+1])
		if hi > 15 || lo > 15 {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

func digit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 16
}

// format writes a traceparent of version 00.
func (p parent) format() string {
	var b [parentLen]byte
	b[0], b[1], b[2], b[traceEnd], b[spanEnd], b[flagsAt], b[flagsAt+1] = '0', '0', '-', '-', '-', '0', '0'
	hex.Encode(b[traceAt:traceEnd], p.trace[:])
	hex.Encode(b[spanAt:spanEnd], p.span[:])
	if p.sampled {
		b[flagsAt+1] = '1'
	}
	return string(b[:])
}

// The bounds of a tracestate: members as the specification has them, and bytes that are passed on, of which it wants 512 at least.
const (
	maxMembers = 32
	maxState   = 2 << 10
)

// validState tells whether a tracestate can be passed on (level 1, 3.3): a list of key=value, empty members allowed. One that
// cannot is left out, and its trace goes on all the same.
func validState(s string) bool {
	if len(s) > maxState {
		return false
	}
	n := 0
	for member := range strings.SplitSeq(s, ",") {
		member = strings.Trim(member, " \t")
		if member == "" {
			continue
		}
		key, value, found := strings.Cut(member, "=")
		if n++; n > maxMembers || !found || !validKey(key) || !validValue(value) {
			return false
		}
	}
	return true
}

func validKey(key string) bool {
	if key == "" || len(key) > 256+1 {
		return false
	}
	for i := 0; i < len(key); i++ {
		switch c := key[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case i > 0 && (c == '_' || c == '-' || c == '*' || c == '/' || c == '@'):
		default:
			return false
		}
	}
	return true
}

func validValue(value string) bool {
	if value == "" || len(value) > 256 {
		return false
	}
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < ' ' || c > '~' || c == ',' || c == '=' {
			return false
		}
	}
	return true
}
