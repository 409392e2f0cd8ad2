package explain

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"paifang/internal/http1"
	"paifang/internal/model"
	"paifang/internal/snapshot"
	"paifang/internal/upstream"
)

// maxHead bounds the bytes of a request that is explained.
const maxHead = http1.DefaultHead

// Request is what to explain.
type Request struct {
	URL     string   // http or https; without a scheme http
	Method  string   // default GET
	Headers []string // "Name: value"; a Host names the virtual host, as with curl -H
}

// asked is a request that was read.
type asked struct {
	scheme string
	target string // of the connection: name or address, without port and brackets
	port   uint16 // 0 = the listener of the scheme
	url    string // as it is shown
	head   []byte // as it is sent
	http   http1.Request
	seen   *http1.Request // what filters have made of it, where lanes ask; nil = http
	limits http1.Limits   // it was parsed with
	fault  error          // why the head is refused with 400, as a listener would
	extra  []string

	client netip.Addr     // that the connection comes from
	trust  model.Trust    // of the listener
	now    time.Time      // when the request is made
	draws  map[string]int // what chance says, by group
}

// read parses the request with the parser that serves. An error means that there is no request to be explained; a head
// that a listener would refuse is no error.
func (q Request) read() (*asked, error) {
	text := q.URL
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("explain: %q is not a URL: write it like http://shop.test/order/42", q.URL)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("explain: %q: the scheme must be http or https", q.URL)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("explain: %q names no host", q.URL)
	}
	a := &asked{scheme: u.Scheme, target: strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), url: text,
		client: netip.AddrFrom4([4]byte{127, 0, 0, 1}), draws: map[string]int{}}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("explain: %q: %s is not a port", q.URL, p)
		}
		a.port = uint16(n)
	}
	method := q.Method
	if method == "" {
		method = "GET"
	}
	if err := a.compose(method, rawTarget(text), u.Host, q.Headers); err != nil {
		return nil, err
	}
	// Until the listener is known, what any of them might take is no fault.
	a.parse(http1.Limits{Underscores: http1.KeepUnderscores, Slashes: http1.KeepSlashes, EncodedSlashes: http1.KeepEncodedSlash})
	return a, nil
}

// parse reads the head as a listener with these limits does.
func (a *asked) parse(limits http1.Limits) {
	a.http.Reset()
	a.limits = limits
	_, a.fault = a.http.Parse(a.head, &limits)
}

// rawTarget is path and query as they were written, so that the parser that serves sees what a client would send.
func rawTarget(text string) string {
	_, rest, _ := strings.Cut(text, "://")
	rest, _, _ = strings.Cut(rest, "#")
	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0:
		return "/"
	case rest[i] == '?':
		return "/" + rest[i:]
	default:
		return rest[i:]
	}
}

func (a *asked) compose(method, target, host string, headers []string) error {
	var rest strings.Builder
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || !http1.IsToken(name) || !http1.IsFieldValue(value) {
			return fmt.Errorf("explain: header %q: write it like 'Name: value'", h)
		}
		if strings.EqualFold(name, "Host") {
			host = value
			a.extra = append(a.extra, "Host: "+value)
			continue
		}
		if http1.Managed(name) {
			return fmt.Errorf("explain: header %q concerns the connection and is not the request's: leave it out", name)
		}
		a.extra = append(a.extra, name+": "+value)
		fmt.Fprintf(&rest, "%s: %s\r\n", name, value)
	}
	if !http1.IsToken(method) || strings.ContainsAny(target+host, "\r\n \t\x00") {
		return fmt.Errorf("explain: %s %s is not a request line", method, target)
	}
	length := ""
	switch method {
	case "POST", "PUT", "PATCH":
		length = "Content-Length: 0\r\n" // RFC 9110, 8.6
	}
	a.head = fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n%s%sConnection: close\r\n\r\n", method, target, host, rest.String(), length)
	if len(a.head) > maxHead {
		return fmt.Errorf("explain: the request has %d bytes, at most %d are explained", len(a.head), maxHead)
	}
	return nil
}

// address is the target as an address, where it is one.
func (a *asked) address() (netip.Addr, bool) {
	addr, err := netip.ParseAddr(a.target)
	return addr.Unmap(), err == nil
}

// line is the request as the first hop shows it.
func (a *asked) line() string {
	s := a.http.Method + " " + a.url
	for _, h := range a.extra {
		s += ", " + h
	}
	return s
}

// request is what is looked at: as it came, or as filters have left it.
func (a *asked) request() *http1.Request {
	if a.seen != nil {
		return a.seen
	}
	return &a.http
}

// The lookup reads the request as snapshot.Request has it.

func (a *asked) LookupMethod() string { return a.http.Method }
func (a *asked) LookupPath() string   { return a.http.Path }
func (a *asked) LookupValue(in snapshot.Place, name string, i int) (string, bool) {
	return snapshot.Value(a.request(), in, name, i)
}
func (a *asked) LookupPeer() netip.Addr { return a.client }
func (a *asked) LookupTime() time.Time  { return a.now }

// LookupForwarded goes along the list as far as those who have written it are believed, as the listener does.
func (a *asked) LookupForwarded(n int) netip.Addr {
	list := a.http.Fields.Get("X-Forwarded-For")
	if list == "" || !a.trust.Believes(a.client) {
		return a.client
	}
	n = min(n, strings.Count(list, ",")+1)
	if a.trust.Hops > 0 {
		return snapshot.Forwarded(list, min(n, a.trust.Hops))
	}
	for i := 1; ; i++ {
		if at := snapshot.Forwarded(list, i); i == n || !a.trust.Believes(at) {
			return at
		}
	}
}

func (a *asked) LookupDraw(group string) int { return a.draws[group] }

// LookupKey hashes what is known of the request. Of its client nothing is.
func (a *asked) LookupKey(parts []model.HashPart) (uint64, bool) { return upstream.KeyOf(parts, a) }

// KeyPart takes a part of the request into a key.
func (a *asked) KeyPart(k upstream.Key, p *model.HashPart) (upstream.Key, bool) {
	var v string
	switch p.From {
	case model.HashHeader:
		v = a.request().Fields.Get(p.Name)
	case model.HashCookie:
		v, _ = a.LookupValue(snapshot.InCookies, p.Name, 0)
	case model.HashQuery:
		v, _ = a.LookupValue(snapshot.InQuery, p.Name, 0)
	case model.HashHost:
		v = a.http.Host
	case model.HashPath:
		v = a.http.Path
	case model.HashURI:
		return k.Add(a.http.Path).Add(a.http.RawQuery), true
	case model.HashClient, model.HashText:
	}
	return k.Add(v), v != ""
}
