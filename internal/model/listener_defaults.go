package model

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// ListenerDefaults is what the HTTP and HTTPS listeners of a class do where they say nothing themselves. A source has it from
// somebody who told another server so. What a listener says goes before it, and a zero field says nothing.
type ListenerDefaults struct {
	Class  Class
	Origin Origin
	// Assumed means that nobody wrote it: it is what that other server does of itself, and what was written goes before it.
	Assumed bool

	Trust     Trust // ProxyFrom by itself, the other fields together where ForwardedFrom is given
	Parsing   Parsing
	HTTP1Only bool
	Clients   Clients
	TLS       ListenerTLS // without versions
	Tracing   Tracing     // all of it or nothing
}

// CompareListenerDefaults is the order in which those of one class are asked: the first that says something about a setting
// decides it.
func CompareListenerDefaults(a, b ListenerDefaults) int {
	assumed := func(d ListenerDefaults) int {
		if d.Assumed {
			return 1
		}
		return 0
	}
	return cmp.Or(assumed(a)-assumed(b), a.Origin.Before(b.Origin), strings.Compare(a.Origin.Source, b.Origin.Source))
}

// Fill gives a listener what it says nothing about, and returns the names of the settings that it says otherwise itself.
func (d ListenerDefaults) Fill(l *Listener) (own []string) {
	f := filling{&own}
	t := &d.Trust
	if t.ProxyFrom != nil {
		if l.Trust.ProxyFrom == nil {
			l.Trust.ProxyFrom = t.ProxyFrom
		} else {
			f.note("proxyFrom", !slices.Equal(l.Trust.ProxyFrom, t.ProxyFrom))
		}
	}
	if t.ForwardedFrom != nil {
		if l.Trust.ForwardedFrom == nil {
			from := l.Trust.ProxyFrom
			l.Trust = d.Trust
			l.Trust.ProxyFrom = from
		} else {
			f.note("trusted", !l.Trust.forwardsAs(t))
		}
	}
	fill(f, "parsing.underscores", &l.Parsing.Underscores, d.Parsing.Underscores)
	fill(f, "parsing.slashes", &l.Parsing.Slashes, d.Parsing.Slashes)
	fill(f, "parsing.encodedSlashes", &l.Parsing.EncodedSlashes, d.Parsing.EncodedSlashes)
	fill(f, "parsing.head", &l.Parsing.Head, d.Parsing.Head)
	fill(f, "parsing.line", &l.Parsing.Line, d.Parsing.Line)
	fill(f, "parsing.fields", &l.Parsing.Fields, d.Parsing.Fields)
	fill(f, "http1Only", &l.HTTP1Only, d.HTTP1Only)
	fill(f, "http2.streams", &l.Clients.Streams, d.Clients.Streams)
	fill(f, "requests", &l.Clients.Requests, d.Clients.Requests)
	fill(f, "limits.connectionsPerAddress", &l.Clients.Connections, d.Clients.Connections)
	fill(f, "drain", &l.Clients.Drain, d.Clients.Drain)
	fill(f, "timeouts.idle", &l.Clients.Idle, d.Clients.Idle)
	fill(f, "timeouts.requestHead", &l.Clients.Head, d.Clients.Head)
	fill(f, "timeouts.requestBody", &l.Clients.Body, d.Clients.Body)
	fill(f, "proxyHeader", &l.Clients.ProxyHeader, d.Clients.ProxyHeader)
	fill(f, "tracing", &l.Tracing, d.Tracing)
	if l.Protocol == HTTPS {
		if l.TLS.Ciphers == nil {
			l.TLS.Ciphers = d.TLS.Ciphers
		} else {
			f.note("tls.ciphers", d.TLS.Ciphers != nil && !slices.Equal(l.TLS.Ciphers, d.TLS.Ciphers))
		}
		fill(f, "tls.sessionLife", &l.TLS.SessionLife, d.TLS.SessionLife)
		fill(f, "tls.noSessions", &l.TLS.NoSessions, d.TLS.NoSessions)
		fill(f, "tls.rejectUnknown", &l.TLS.RejectUnknown, d.TLS.RejectUnknown)
		fill(f, "tls.staple", &l.TLS.Staple, d.TLS.Staple)
	}
	return own
}

// forwardsAs tells whether two believe the same of the same.
func (t *Trust) forwardsAs(o *Trust) bool {
	return slices.Equal(t.ForwardedFrom, o.ForwardedFrom) && t.Hops == o.Hops && t.Believe == o.Believe && t.Field == o.Field && t.ClientOnly == o.ClientOnly
}

// filling notes what is said already.
type filling struct{ own *[]string }

func (f filling) note(name string, otherwise bool) {
	if otherwise {
		*f.own = append(*f.own, name)
	}
}

// fill sets a field that says nothing.
func fill[T comparable](f filling, name string, field *T, value T) {
	var nothing T
	switch {
	case value == nothing:
	case *field == nothing:
		*field = value
	default:
		f.note(name, *field != value)
	}
}

// Everybody is every address there is.
func Everybody() []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
}
