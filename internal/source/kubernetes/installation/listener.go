package installation

import (
	"strconv"
	"strings"
	"time"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/annotation"
)

// Buffers are what nginx reads heads of requests into: a first one and, for what does not fit, larger ones, each of which a
// line has to fit into. The zero value says nothing.
type Buffers struct {
	First  int // bytes; 0 = 1024
	Number int // of the larger ones; 0 = 4
	Size   int // bytes of each; 0 = 8192
}

// limits are the same as listeners have them.
func (b Buffers) limits(p *model.Parsing) {
	if b == (Buffers{}) {
		return
	}
	if b.First == 0 {
		b.First = 1 << 10
	}
	if b.Number == 0 {
		b.Number, b.Size = 4, 8<<10
	}
	p.Head = min(max(b.First+b.Number*b.Size, model.MinHead), model.MaxHead)
	p.Line = min(max(b.First, b.Size), model.MaxHead)
}

// Sessions say whether clients resume TLS sessions, and for how long.
type Sessions struct {
	Cache   bool // sessions are kept
	Tickets bool // or given to clients
	Life    time.Duration
}

// Listeners is what the settings say of listeners, without class and origin.
func (s *Settings) Listeners() model.ListenerDefaults {
	d := model.ListenerDefaults{Trust: s.Forwarded.trust(), Clients: s.Clients, Parsing: s.Parsing, HTTP1Only: s.HTTP1Only, Tracing: s.Traces.listener()}
	s.Buffers.limits(&d.Parsing)
	d.TLS.Ciphers, d.TLS.RejectUnknown, d.TLS.Staple = s.Ciphers, s.Reject, s.Staple
	d.TLS.SessionLife, d.TLS.NoSessions = s.Sessions.Life, !s.Sessions.Cache && !s.Sessions.Tickets
	return d
}

func clientKeys() group {
	const buffers = "a line that is too long is answered 431, or 414 where it is the first; a head may have 64 KiB at most"
	const asLarge = "large-client-header-buffers bounds heads of HTTP/2 too, as with nginx since 1.19.7"
	return group{"Connections of clients", []Key{
		acts("use-http2", "true", func(v *value) {
			on := true
			if v.boolean(&on) {
				v.s.HTTP1Only = !on
			}
		}),
		acts("http2-max-concurrent-streams", "128", func(v *value) { v.integer(&v.s.Clients.Streams, 1, model.MaxStreams) }),
		ignored("http2-max-field-size", "", asLarge),
		ignored("http2-max-header-size", "", asLarge),
		ignored("http2-max-requests", "0", "keep-alive-requests bounds connections of HTTP/2 too, as with nginx since 1.19.7"),
		acts("keep-alive", "75", (*value).keepAlive),
		acts("keep-alive-requests", "1000", (*value).keepAliveRequests),
		acts("client-header-timeout", "60", func(v *value) { v.idle(&v.s.Clients.Head) }),
		acts("client-body-timeout", "60", func(v *value) { v.idle(&v.s.Clients.Body) }),
		{Name: "client-header-buffer-size", Default: "1k", Verdict: annotation.Differs, Note: buffers, read: func(v *value) { v.size(v.text, &v.s.Buffers.First) }},
		{Name: "large-client-header-buffers", Default: "4 8k", Verdict: annotation.Differs, Note: buffers, read: (*value).buffers},
		same("client-body-buffer-size", "8k"),
		{Name: "ignore-invalid-headers", Default: "true", Verdict: annotation.Differs, Note: "where it is false, names with an underscore are passed on; those that RFC 9110 does not allow are answered 400 in any case",
			read: func(v *value) { v.underscores(false) }},
		acts("enable-underscores-in-headers", "false", func(v *value) { v.underscores(true) }),
		ours("bind-address", "", "ingress.nodes"),
		ours("disable-ipv6", "false", "ingress.nodes"),
		ignored("disable-ipv6-dns", "false", "names of Services of type ExternalName are asked for both families"),
	}}
}

// keepAlive reads how long connections may be idle; 0 = they carry one request.
func (v *value) keepAlive() {
	if v.text == "0" {
		v.s.Clients.Requests = 1
		return
	}
	v.idle(&v.s.Clients.Idle)
}

// keepAliveRequests reads how many requests a connection carries. It is read after keepAlive, which may have said one.
func (v *value) keepAliveRequests() {
	n := 0
	if v.integer(&n, 0, 1<<30) && v.s.Clients.Requests == 0 {
		v.s.Clients.Requests = max(n, 1)
	}
}

// underscores reads one of the two keys that let names with an underscore pass, each by another word.
func (v *value) underscores(passes bool) {
	var said bool
	switch {
	case !v.boolean(&said):
	case said == passes:
		v.s.Parsing.Underscores = model.UnderscoresAllow
	case v.s.Parsing.Underscores == "":
		v.s.Parsing.Underscores = model.UnderscoresDrop
	}
}

// maxBuffer bounds a buffer.
const maxBuffer = 1 << 20

// size reads bytes as nginx writes them: 512, 8k, 1m.
func (v *value) size(text string, to *int) bool {
	number, unit := strings.TrimRight(text, "kKmM"), 1
	switch strings.ToLower(text[len(number):]) {
	case "k":
		unit = 1 << 10
	case "m":
		unit = 1 << 20
	case "":
	default:
		number = ""
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > maxBuffer/unit {
		v.invalid("%q is no size within 1 byte and 1m: it has no effect", text)
		return false
	}
	*to = n * unit
	return true
}

// buffers reads a number of buffers and their size.
func (v *value) buffers() {
	words := strings.Fields(v.text)
	if len(words) != 2 {
		v.invalid("%q is no number and size, such as 4 8k: it has no effect", v.text)
		return
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || n < 1 || n > 1000 {
		v.invalid("%q is no number of buffers within 1 and 1000: it has no effect", words[0])
		return
	}
	if size := 0; v.size(words[1], &size) {
		v.s.Buffers.Number, v.s.Buffers.Size = n, size
	}
}

// ciphers reads a list of suites as OpenSSL writes it, and keeps those that are spoken here.
func (v *value) ciphers() {
	var kept []string
	for name := range strings.SplitSeq(v.text, ":") {
		if _, known := model.CipherSuite(name); known {
			kept = append(kept, name)
		}
	}
	if kept == nil {
		v.found.Verdict, v.found.Message = annotation.Ignored, "it names no suite of TLS 1.2 that is spoken here: ingress.tls.ciphers"+inOurFile+" can choose among them"
		return
	}
	v.s.Ciphers = kept
}
