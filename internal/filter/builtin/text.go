package builtin

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/inward"
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
		for v := range r.Fields.Sent(p.fixed) { // what goes no further is not what others would decide by
			return v
		}
		return ""
	case "cookie":
		return cookieOf(x, p.fixed)
	default:
		v, _ := http1.Parameter(r.RawQuery, p.fixed, 0, &r.Mem)
		return v
	}
}

// address returns the text as an address. What the client says of itself is one value there, whatever it holds: it neither ends the path nor
// begins another parameter.
func (t text) address(x *filter.Exchange) string {
	var b strings.Builder
	for i := range t {
		v := t[i].of(x)
		if t[i].said() {
			v = strings.ReplaceAll(url.QueryEscape(v), "+", "%20")
		}
		b.WriteString(v)
	}
	return b.String()
}

// said tells the parts that a client fills as it likes, but for path and query, which are in their normal form.
func (p *textPart) said() bool {
	switch p.from {
	case "method", "id", "user", "header", "cookie", "query":
		return true
	}
	return false
}

// errUpwards is why nobody is asked: what a client says would lead to another path than was meant, and escapes do not keep it from that.
var errUpwards = errors.New("a part of the path is a dot or two, by what the client says")

// parse reads what address has returned.
func (t text) parse(address string) (*url.URL, error) {
	to, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, err
	case to.Host == "":
		return nil, inward.ErrForbidden
	case slices.ContainsFunc(t, func(p textPart) bool { return p.said() }):
		for segment := range strings.SplitSeq(to.Path, "/") {
			if segment == "." || segment == ".." {
				return nil, errUpwards
			}
		}
	}
	return to, nil
}

// key is the same for two requests only if each part of the text is the same for both. A text itself may be: where parts run into each other
// {header.A}{header.B} says the same of "ab" and "c" as of "a" and "bc". Of what a request has more than once all counts, since nobody
// knows by which one somebody else goes.
func (t text) key(x *filter.Exchange) string {
	var b []byte
	add := func(v string) { b = append(append(strconv.AppendInt(b, int64(len(v)), 10), ' '), v...) }
	for i := range t {
		p, r := &t[i], &x.Request
		switch p.from {
		case "":
			continue
		case "header":
			for v := range r.Fields.Sent(p.fixed) {
				add(v)
			}
		case "cookie":
			add(p.of(x))
			if _, more := http1.Cookie(&r.Fields, p.fixed, 1); more {
				for v := range r.Fields.Values("Cookie") {
					add(v)
				}
			}
		case "query":
			add(p.of(x))
			if _, more := http1.Parameter(r.RawQuery, p.fixed, 1, &r.Mem); more {
				add(r.RawQuery)
			}
		default:
			add(p.of(x))
		}
		b = append(b, '\n') // no length begins with it
	}
	return string(b)
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
