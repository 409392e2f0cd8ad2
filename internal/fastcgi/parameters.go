package fastcgi

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// parameters are what the responder is told of a request: those of CGI, the fields, and those of the settings, which take the place of
// others of their names.
func (h *head) parameters(c *Conn) []byte {
	path := h.path
	if decoded, err := url.PathUnescape(keptSlashes.Replace(path)); err == nil {
		path = decoded
	}
	v := Request{Method: h.method, Target: h.target, Path: path, Query: h.query, Script: path, Host: hostOf(h.get("Host"))}
	if strings.HasSuffix(path, "/") {
		v.Script += c.settings.Index
	}
	var out []byte
	given := make(map[string]bool, len(c.settings.Params))
	for i := range c.settings.Params {
		p := &c.settings.Params[i]
		given[p.Name] = true
		out = appendPair(out, p.Name, p.Value(&v))
	}
	set := func(name, value string) {
		if !given[name] {
			out = appendPair(out, name, value)
		}
	}
	set("GATEWAY_INTERFACE", "CGI/1.1")
	set("SERVER_SOFTWARE", "paifang")
	set("SERVER_PROTOCOL", "HTTP/1.1")
	set("SERVER_NAME", v.Host)
	set("REQUEST_METHOD", h.method)
	set("REQUEST_URI", h.target)
	set("DOCUMENT_URI", v.Script)
	set("SCRIPT_NAME", v.Script)
	set("QUERY_STRING", h.query)
	set("CONTENT_TYPE", h.get("Content-Type"))
	length := ""
	if h.length > 0 {
		length = strconv.FormatInt(h.length, 10)
	}
	set("CONTENT_LENGTH", length)
	set("REDIRECT_STATUS", "200") // PHP's own condition for not having been called by hand
	h.origin(c, set)
	for name, value := range h.joined() {
		set(name, value)
	}
	return out
}

// origin is where the request came from, as the fields say that the gateway sets itself.
func (h *head) origin(c *Conn, set func(name, value string)) {
	scheme, port := "http", "80"
	if h.get("X-Forwarded-Proto") == "https" {
		scheme, port = "https", "443"
		set("HTTPS", "on")
	}
	set("REQUEST_SCHEME", scheme)
	if p := h.get("X-Forwarded-Port"); p != "" {
		port = p
	}
	set("SERVER_PORT", port)
	client := h.get("X-Real-IP")
	if client == "" {
		first, _, _ := strings.Cut(h.get("X-Forwarded-For"), ",")
		client = strings.TrimSpace(first)
	}
	if client == "" {
		client, _, _ = net.SplitHostPort(c.LocalAddr().String())
	}
	set("REMOTE_ADDR", client)
}

// joined are the fields as parameters. Those of one name are one, as RFC 3875 has it in section 4.1.18. What has an underscore, a dot or
// another mark but a dash in its name could pass for another (PHP makes dots underscores), and Proxy for the setting HTTP_PROXY that many
// clients of HTTP obey (CVE-2016-5385): neither is told.
func (h *head) joined() map[string]string {
	out := make(map[string]string, len(h.fields))
	for _, f := range h.fields {
		switch strings.ToLower(f.name) {
		case "content-type", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect", "proxy":
			continue
		}
		if strings.ContainsFunc(f.name, func(c rune) bool { return !isPlain(c) }) {
			continue
		}
		name := "HTTP_" + strings.ReplaceAll(strings.ToUpper(f.name), "-", "_")
		separator := ", "
		if name == "HTTP_COOKIE" {
			separator = "; "
		}
		if had, ok := out[name]; ok {
			out[name] = had + separator + f.value
		} else {
			out[name] = f.value
		}
	}
	return out
}

// isPlain tells what names of fields are told have: nginx passes over all others, too.
func isPlain(c rune) bool {
	return c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// keptSlashes leaves slashes encoded that are text inside a segment (parsing.encodedSlashes: keep): no route was chosen by them.
var keptSlashes = strings.NewReplacer("%2F", "%252F", "%2f", "%252f", "%5C", "%255C", "%5c", "%255c")

// hostOf is a Host without its port.
func hostOf(text string) string {
	if name, _, err := net.SplitHostPort(text); err == nil {
		return name
	}
	return text
}
