package builtin

import (
	"fmt"
	"net/url"
	"strings"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// text is made of parts of a request: "https://{host}/login?from={escaped-uri}". The parts are
//
//	{scheme}        http or https, as the client speaks
//	{host}          in lower case, without port
//	{authority}     host with port, as the client has said it
//	{path}, {uri}   the normal form of the path, which everything is decided by; with the query
//	{escaped-uri}   the same, as the value of a query parameter
//	{method}, {client}, {id}, {user}
//	{header.NAME}, {cookie.NAME}, {query.NAME}
//
// Whatever else stands in braces is refused when it is read.
type text []textPart

type textPart struct {
	fixed string // text, or the name of what is after a dot
	from  string // the part of the request; "" = fixed
}

// parseText reads a text.
func parseText(s string) (text, error) {
	var out text
	for s != "" {
		before, rest, open := strings.Cut(s, "{")
		if before != "" {
			out = append(out, textPart{fixed: before})
		}
		if !open {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fmt.Errorf("%q has a brace that is not closed", s)
		}
		from, of, _ := strings.Cut(name, ".")
		switch from {
		case "scheme", "host", "authority", "path", "uri", "escaped-uri", "method", "client", "id", "user":
			if of != "" {
				return nil, fmt.Errorf("{%s} is no part of a request", name)
			}
		case "header", "cookie", "query":
			if !http1.IsToken(of) {
				return nil, fmt.Errorf("{%s} has no name behind its dot", name)
			}
		default:
			return nil, fmt.Errorf("{%s} is no part of a request", name)
		}
		out = append(out, textPart{of, from})
		s = after
	}
	return out, nil
}

// of returns the text for a request. It may hold views of the request.
func (t text) of(x *filter.Exchange) string {
	if len(t) == 1 {
		return t[0].of(x)
	}
	var b strings.Builder
	for i := range t {
		b.WriteString(t[i].of(x))
	}
	return b.String()
}

func (p *textPart) of(x *filter.Exchange) string {
	r := &x.Request
	switch p.from {
	case "":
		return p.fixed
	case "scheme":
		return schemeOf(x)
	case "host":
		return r.Host
	case "authority":
		return r.Authority
	case "path":
		return rooted(r.Path)
	case "uri":
		return uriOf(x)
	case "escaped-uri":
		return url.QueryEscape(uriOf(x))
	case "method":
		return r.Method
	case "client":
		if !x.Client.IsValid() {
			return ""
		}
		return x.Client.String()
	case "id":
		return x.ID
	case "user":
		return x.User
	case "header":
		return r.Fields.Get(p.fixed)
	case "cookie":
		return cookieOf(x, p.fixed)
	default:
		v, _ := http1.Parameter(r.RawQuery, p.fixed, 0, &r.Mem)
		return v
	}
}

// trusted tells whether the client cannot choose what the text says, but for the host that it asked for.
func (t text) trusted() bool {
	for _, p := range t {
		if p.from != "" && p.from != "scheme" && p.from != "host" && p.from != "authority" {
			return false
		}
	}
	return true
}

func uriOf(x *filter.Exchange) string {
	if x.Request.HasQuery {
		return rooted(x.Request.Path) + "?" + x.Request.RawQuery
	}
	return rooted(x.Request.Path)
}

// rooted has a path begin with its slash, which one that a filter has made may lack: behind a host it must not become a part of that.
func rooted(path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return "/" + path
}

func cookieOf(x *filter.Exchange, name string) string {
	for v := range x.Request.Fields.Values("Cookie") {
		for pair := range strings.SplitSeq(v, ";") {
			if n, value, ok := strings.Cut(strings.Trim(pair, " \t"), "="); ok && n == name {
				return value
			}
		}
	}
	return ""
}
