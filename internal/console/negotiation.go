package console

import (
	"net/http"
	"strconv"
	"strings"
)

// preference is one entry of an Accept header with its weight (RFC 9110, section 12.4.2).
type preference struct {
	what   string
	weight float64
}

func preferences(header string) []preference {
	var out []preference
	for part := range strings.SplitSeq(header, ",") {
		what, params, _ := strings.Cut(part, ";")
		p := preference{strings.ToLower(strings.TrimSpace(what)), 1}
		for param := range strings.SplitSeq(params, ";") {
			if q, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(param)), "q="); ok {
				weight, err := strconv.ParseFloat(q, 64)
				if err != nil || !(weight >= 0 && weight <= 1) {
					weight = 0
				}
				p.weight = weight
			}
		}
		if p.what != "" {
			out = append(out, p)
		}
	}
	return out
}

// prefersHTML tells whether a client names HTML, as browsers do, and does not like plain text better. */* alone names nothing.
func prefersHTML(accept string) bool {
	html, text := 0.0, 0.0
	for _, p := range preferences(accept) {
		switch p.what {
		case "text/html", "application/xhtml+xml":
			html = max(html, p.weight)
		case "text/plain":
			text = max(text, p.weight)
		}
	}
	return html > 0 && html >= text
}

// language is zh for those who ask for it (?lang=) or prefer any Chinese to English, otherwise en.
func language(r *http.Request) string {
	switch r.URL.Query().Get("lang") {
	case "zh":
		return "zh"
	case "en":
		return "en"
	}
	chinese, other := 0.0, 0.0
	for _, p := range preferences(r.Header.Get("Accept-Language")) {
		switch base, _, _ := strings.Cut(p.what, "-"); base {
		case "zh":
			chinese = max(chinese, p.weight)
		case "en", "*":
			other = max(other, p.weight)
		}
	}
	if chinese > other {
		return "zh"
	}
	return "en"
}
