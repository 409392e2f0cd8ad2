package annotation

import "strings"

// Mirror is who gets copies of requests.
type Mirror struct {
	URL    string // text of a mirror filter; "" = nobody
	Host   string // text; "" = that of the URL
	NoBody bool
}

// mirrorRows are the annotations of mirrors, in the family of errors and headers, where ingress-nginx' own list has them.
func mirrorRows() []Annotation {
	return []Annotation{
		{Name: "mirror-target", Scope: WholeIngress, Verdict: Differs, read: readMirrorTarget,
			Note: "requests never wait for a target: copies that it does not take in time are dropped; of one over TLS the certificate is verified, and one at a link-local address, or in a cluster at a loopback address, is sent nothing"},
		{Name: "mirror-request-body", Scope: WholeIngress, Verdict: Differs, Note: "bodies stream meanwhile, and of one with more than 16 MiB there is no copy", read: readMirrorBody},
		{Name: "mirror-host", Scope: WholeIngress, Verdict: Supported, read: readMirrorHost},
	}
}

// readMirrorTarget takes nothing that the filter would refuse: a copy is not worth a route.
func readMirrorTarget(v *value) {
	var text string
	if !v.requestText(&text) {
		return
	}
	rest, ok := strings.CutPrefix(text, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(text, "http://")
	}
	host := hostOfText(rest)
	fixed := strings.NewReplacer("{host}", "", "{authority}", "").Replace(host)
	if !ok || host == "" || strings.ContainsAny(fixed, "{}@") || strings.Contains(text, "#") {
		v.invalid("%q is no address that begins with http:// or https:// and whose host is not for clients to choose: it has no effect", v.text)
		return
	}
	v.s.Mirror.URL = text
}

// hostOfText is the part behind the scheme that is the host: the path may follow as a part of the request.
func hostOfText(rest string) string {
	for _, end := range [...]string{"/", "?", "{path}", "{uri}"} {
		rest, _, _ = strings.Cut(rest, end)
	}
	return rest
}

func readMirrorBody(v *value) {
	copied := true
	if v.onOff(&copied) {
		v.s.Mirror.NoBody = !copied
		if !copied {
			v.same()
		}
	}
}

func readMirrorHost(v *value) {
	var text string
	switch {
	case !v.requestText(&text):
	case strings.ContainsAny(text, "/@,"):
		v.invalid("%q is no host: it has no effect", v.text)
	default:
		v.s.Mirror.Host = text
	}
}

// settleMirror gives copies the Host that ingress-nginx does where nobody says another: that of the target without its port.
func settleMirror(r *reading) {
	m := &r.Mirror
	if m.URL == "" {
		for _, name := range []string{"mirror-request-body", "mirror-host"} {
			if r.has(name) {
				r.say(name, Ignored, "needs mirror-target")
			}
		}
		return
	}
	_, rest, _ := strings.Cut(m.URL, "://")
	host := hostOfText(rest)
	if name, _, _ := strings.Cut(host, ":"); m.Host == "" && !strings.ContainsAny(host, "{[") {
		m.Host = name
	}
}
