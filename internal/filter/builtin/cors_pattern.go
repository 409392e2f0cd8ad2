package builtin

import (
	"fmt"
	"strings"

	"paifang/internal/http1"
)

// originPattern is an origin in which * stands for any text of a host and port, none included; alone it is every origin. The
// form is Spring's (CorsConfiguration.setAllowedOriginPatterns): a list of ports, as :[8080,8081], or :[*], may end it.
type originPattern struct {
	all   bool
	parts []string // between the asterisks, in lower case; two at least, unless there is none
	ports []string // nil: no list; "*" alone: any port, and none
}

func parseOriginPattern(s string) (originPattern, error) {
	if s == "*" {
		return originPattern{all: true}, nil
	}
	text := strings.ToLower(s)
	p := originPattern{}
	if head, list, ok := strings.Cut(text, ":["); ok {
		inner, closed := strings.CutSuffix(list, "]")
		if !closed {
			return p, fmt.Errorf("%q: a list of ports ends the pattern and is closed by ]", s)
		}
		for port := range strings.SplitSeq(inner, ",") {
			if port = strings.TrimSpace(port); port != "*" && (port == "" || strings.Trim(port, "0123456789") != "") {
				return p, fmt.Errorf("%q: %q is no port", s, port)
			}
			p.ports = append(p.ports, port)
		}
		text = head
	}
	if !strings.Contains(text, "://") || strings.ContainsAny(strings.Replace(text, "://", "", 1), "/?#@[]") {
		return p, fmt.Errorf("%q is no pattern of origins: want scheme://host with * in the place of any text", s)
	}
	p.parts = strings.Split(text, "*")
	return p, nil
}

// accepts tells whether an origin, as a request has it, is one of the pattern.
func (p *originPattern) accepts(s string) bool {
	if p.all {
		return true
	}
	if p.ports == nil {
		return p.covers(s)
	}
	for _, port := range p.ports {
		if port == "*" && p.covers(s) {
			return true
		}
		i := strings.LastIndexByte(s, ':')
		if i < 0 || s[i+1:] == "" || strings.Trim(s[i+1:], "0123456789") != "" {
			continue
		}
		if (port == "*" || s[i+1:] == port) && p.covers(s[:i]) {
			return true
		}
	}
	return false
}

// covers holds the text against the parts: the first begins it, the last ends it, and each of the others is looked for as far in
// front as it can be.
func (p *originPattern) covers(s string) bool {
	first, last := p.parts[0], p.parts[len(p.parts)-1]
	if len(p.parts) == 1 {
		return http1.EqualFold(s, first)
	}
	if len(s) < len(first)+len(last) || !http1.EqualFold(s[:len(first)], first) || !http1.EqualFold(s[len(s)-len(last):], last) {
		return false
	}
	rest := s[len(first) : len(s)-len(last)]
	for i := range len(rest) {
		if c := rest[i]; c != '-' && c != '_' && c != '.' && c != ':' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	for _, part := range p.parts[1 : len(p.parts)-1] {
		i := indexFold(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return true
}

func indexFold(s, part string) int {
	for i := 0; i+len(part) <= len(s); i++ {
		if http1.EqualFold(s[i:i+len(part)], part) {
			return i
		}
	}
	return -1
}
