package annotation

import (
	"net/url"
	"strconv"
	"strings"

	"paifang/internal/model"
)

// Redirect is where clients are sent instead.
type Redirect struct {
	AppRoot   string
	SSL       bool // to https, where the host has a certificate
	ForceSSL  bool // and where it has none
	Relative  bool // to a path with its slash: it says the path alone
	KeepSlash bool // at the end of the address in https
	Temporal  Target
	Permanent Target
	WWW       bool // between www.x and x
}

// Target is the address of a redirect. With KeepPath the request's own path and query follow it.
type Target struct {
	Location string
	Scheme   string
	Host     string
	Port     int
	KeepPath bool
	Status   int
}

// On tells whether there is one.
func (t Target) On() bool { return t.Location != "" || t.KeepPath }

func redirectFamily() family {
	return family{name: "Redirects", settle: settleRedirect, rows: []Annotation{
		{Name: "app-root", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.path(&v.s.Redirect.AppRoot) }},
		{Name: "ssl-redirect", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.boolean(&v.s.Redirect.SSL) }},
		{Name: "force-ssl-redirect", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.boolean(&v.s.Redirect.ForceSSL) }},
		{Name: "preserve-trailing-slash", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.boolean(&v.s.Redirect.KeepSlash) }},
		{Name: "permanent-redirect", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.target(&v.s.Redirect.Permanent) }},
		{Name: "permanent-redirect-code", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.code(&v.s.Redirect.Permanent.Status, 308, 301) }},
		{Name: "temporal-redirect", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.target(&v.s.Redirect.Temporal) }},
		{Name: "temporal-redirect-code", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.code(&v.s.Redirect.Temporal.Status, 307, 302) }},
		{Name: "from-to-www-redirect", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.boolean(&v.s.Redirect.WWW) }},
		{Name: "relative-redirects", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.boolean(&v.s.Redirect.Relative) }},
		{Name: "use-port-in-redirects", Scope: OwnPaths, Verdict: Ignored, Note: "redirects to https say no port: it is 443"},
	}}
}

// target reads the URL of a redirect, which may end in $request_uri.
func (v *value) target(to *Target) {
	text, keeps := strings.CutSuffix(v.text, "$request_uri")
	if strings.Contains(text, "$") {
		v.invalid("%q has variables, of which only $request_uri at the end is known: it has no effect", v.text)
		return
	}
	was := v.text
	v.text = text
	var location string
	ok := v.location(&location)
	v.text = was
	if !ok {
		return
	}
	if !keeps {
		to.Location = location
		return
	}
	u, err := url.Parse(location)
	if err != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil || model.Host(u.Hostname()).Validate() != nil {
		v.invalid("%q has something between the host and $request_uri: it has no effect", was)
		return
	}
	port, _ := strconv.Atoi(u.Port())
	to.Scheme, to.Host, to.Port, to.KeepPath = u.Scheme, strings.ToLower(u.Hostname()), port, true
}

// code reads the status of a redirect; one that is none is the default, as under ingress-nginx.
func (v *value) code(to *int, most, otherwise int) {
	n, err := strconv.Atoi(v.text)
	switch {
	case err != nil:
		v.invalid("%q is no status: %d counts", v.text, otherwise)
	case n < 300 || n > most || n == 304:
		v.ignored("%d is not within 300 to %d: %d counts", n, most, otherwise)
	default:
		*to = n
	}
}

func settleRedirect(r *reading) {
	d := &r.Redirect
	if d.Temporal.Status == 0 {
		d.Temporal.Status = 302
	}
	if d.Permanent.Status == 0 {
		d.Permanent.Status = 301
	}
	if d.Temporal.On() && d.Permanent.On() {
		r.say("permanent-redirect", Ignored, "temporal-redirect is given too, and goes before it")
		d.Permanent = Target{}
	}
}
