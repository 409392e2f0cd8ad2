package model

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Naming lets a request name the target it goes to, by a URI. Scheme, host and port of that must be those of one of
// Target.URIs: nothing else is ever dialled. Path and query of the URI become those of the request. A request whose URI is none
// of them is refused; one that names nothing goes by lanes and shares, or is refused where no target has a weight.
type Naming struct {
	// Header is the name of the field whose first value is the URI.
	Header string `json:"header,omitempty"`
	// Template is in its place a URI with {name} for variables of the route's path pattern, and of Hosts.
	Template string `json:"template,omitempty"`
	// Hosts are RE2 expressions; the named groups of the first one that all of the request's host matches are variables too.
	Hosts []string `json:"hosts,omitempty"`
}

// Bounds of what is compared with each request.
const (
	maxNamedURIs   = 1024 // of all targets of a Forward
	maxNamingHosts = 64
	maxNamingText  = 2000 // bytes of a template or expression
)

// NamedURI returns scheme, host and port of a URI in the form in which they are compared: "http://order.test:8080",
// "lb://order". Schemes and hosts of http, https, ws and wss are in lower case, ws is http and wss https, and a port that the
// scheme implies is left out. rest is the path with the query, without a fragment; ok is false for what has no scheme and host,
// or has a user.
func NamedURI(uri string) (named, rest string, ok bool) {
	scheme, after, found := strings.Cut(uri, "://")
	if !found || scheme == "" || strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		return "", "", false
	}
	host := after
	if i := strings.IndexAny(after, "/?#"); i >= 0 {
		host, rest = after[:i], after[i:]
	}
	if i := strings.IndexByte(rest, '#'); i >= 0 {
		rest = rest[:i]
	}
	if host == "" || strings.ContainsAny(host, "@%") {
		return "", "", false
	}
	usual := ""
	switch scheme = strings.ToLower(scheme); scheme {
	case "http", "ws":
		scheme, usual = "http", ":80"
	case "https", "wss":
		scheme, usual = "https", ":443"
	default:
		return scheme + "://" + host, rest, true // names of services are told apart by case
	}
	u, err := url.Parse(scheme + "://" + host)
	if err != nil || u.Hostname() == "" {
		return "", "", false
	}
	host = strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" && ":"+port != usual {
		host += ":" + port
	}
	return scheme + "://" + host, rest, host != ""
}

func (f Forward) validateNaming() error {
	n := f.Naming
	known := map[string]bool{}
	for i, t := range f.Targets {
		for j, uri := range t.URIs {
			at := fmt.Sprintf("forward.targets[%d].uris[%d]", i, j)
			switch named, rest, ok := NamedURI(uri); {
			case n == nil:
				return fieldError(at, "is set without forward.naming")
			case !ok || rest != "" || named != uri:
				return fieldError(at, fmt.Sprintf("%q is not scheme, host and port alone: want %s", uri, cmp.Or(named, "http://host:port")))
			case known[uri]:
				return fieldError(at, fmt.Sprintf("%q leads to two targets", uri))
			case len(known) == maxNamedURIs:
				return fieldError(at, fmt.Sprintf("is one of more than %d", maxNamedURIs))
			}
			known[uri] = true
		}
	}
	if n == nil {
		return nil
	}
	switch {
	case (n.Header == "") == (n.Template == ""):
		return fieldError("forward.naming", "wants one of header and template")
	case strings.ContainsFunc(n.Header, notToken):
		return fieldError("forward.naming.header", fmt.Sprintf("%q is no header name", n.Header))
	case len(n.Template) > maxNamingText || len(n.Hosts) > maxNamingHosts:
		return fieldError("forward.naming", fmt.Sprintf("is too long: at most %d bytes of template and %d hosts", maxNamingText, maxNamingHosts))
	case len(known) == 0:
		return fieldError("forward.naming", "no target has a URI that could be named")
	}
	for i, h := range n.Hosts {
		at := fmt.Sprintf("forward.naming.hosts[%d]", i)
		if len(h) > maxNamingText {
			return fieldError(at, fmt.Sprintf("has %d bytes: at most %d", len(h), maxNamingText))
		}
		if _, err := regexp.Compile(h); err != nil {
			return fieldError(at, err.Error())
		}
	}
	return nil
}
