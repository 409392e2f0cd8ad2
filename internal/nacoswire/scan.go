package nacoswire

import (
	"strconv"
	"strings"
)

// scanner reads JSON of the form in which clients send nearly all of it: plain texts, plain numbers. What is of another form, or wrong, makes
// it bad, and is left to encoding/json, which takes several times as long and has the last word on what is right.
type scanner struct {
	b   []byte
	i   int
	bad bool
}

const maxDepth = 16 // of what is skipped

// whole reads one object and nothing behind it. Of each member that is not null, member reads the value or skips it.
func (s *scanner) whole(member func(name string, null bool)) bool {
	s.object(member)
	s.space()
	return !s.bad && s.i == len(s.b)
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\n' || s.b[s.i] == '\t' || s.b[s.i] == '\r') {
		s.i++
	}
}

// peek is the next byte that counts; 0 at the end.
func (s *scanner) peek() byte {
	if s.space(); s.i < len(s.b) && !s.bad {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) take(c byte) {
	if s.peek() != c {
		s.bad = true
		return
	}
	s.i++
}

func (s *scanner) object(member func(name string, null bool)) {
	s.take('{')
	if s.peek() == '}' {
		s.i++
		return
	}
	for !s.bad {
		name := s.text()
		if s.take(':'); s.peek() == 'n' {
			s.word("null")
			member(name, true)
		} else {
			member(name, false)
		}
		if s.peek() == '}' {
			s.i++
			return
		}
		s.take(',')
	}
}

// text reads a text without anything escaped or beyond ASCII.
func (s *scanner) text() string {
	s.take('"')
	for from := s.i; s.i < len(s.b) && !s.bad; s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return string(s.b[from : s.i-1])
		case c < ' ', c >= 0x7f, c == '\\':
			s.bad = true
		}
	}
	s.bad = true
	return ""
}

func (s *scanner) word(w string) {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		s.bad = true
		return
	}
	s.i += len(w)
}

func (s *scanner) flag() bool {
	if s.peek() == 't' {
		s.word("true")
		return true
	}
	s.peek()
	s.word("false")
	return false
}

// digits reads a number without an exponent.
func (s *scanner) digits() string {
	s.space()
	from := s.i
	if s.i < len(s.b) && s.b[s.i] == '-' {
		s.i++
	}
	first := s.i
	s.run()
	if n := s.i - first; n == 0 || n > 1 && s.b[first] == '0' {
		s.bad = true
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		before := s.i
		if s.run(); s.i == before {
			s.bad = true
		}
	}
	if s.i < len(s.b) && (s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		s.bad = true
	}
	return string(s.b[from:s.i])
}

func (s *scanner) run() {
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
}

func (s *scanner) long() int64 {
	n, err := strconv.ParseInt(s.digits(), 10, 64)
	s.bad = s.bad || err != nil
	return n
}

func (s *scanner) number() float64 {
	n, err := strconv.ParseFloat(s.digits(), 64)
	s.bad = s.bad || err != nil
	return n
}

// texts reads an object of texts; null calls for what has none.
func (s *scanner) texts(null func(out map[string]string, name string)) map[string]string {
	out := map[string]string{}
	s.object(func(name string, none bool) {
		if none {
			null(out, name)
			return
		}
		out[name] = s.text()
	})
	return out
}

// skip reads what nobody asks for. A name that is one of known but for its letters' case is not skipped: encoding/json takes it for that.
func (s *scanner) skip(name string, null bool, known ...string) {
	for _, k := range known {
		s.bad = s.bad || strings.EqualFold(k, name)
	}
	if !null {
		s.value(0)
	}
}

func (s *scanner) value(depth int) {
	switch c := s.peek(); {
	case depth > maxDepth:
		s.bad = true
	case c == '"':
		s.text()
	case c == 't', c == 'f':
		s.flag()
	case c == 'n':
		s.word("null")
	case c == '{':
		s.object(func(_ string, null bool) {
			if !null {
				s.value(depth + 1)
			}
		})
	case c == '[':
		s.take('[')
		if s.peek() == ']' {
			s.i++
			return
		}
		for !s.bad {
			if s.value(depth + 1); s.peek() == ']' {
				s.i++
				return
			}
			s.take(',')
		}
	default:
		s.digits()
	}
}
