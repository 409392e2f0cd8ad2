package installation

import (
	"time"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/annotation"
)

// PathRule says what becomes of a path of type Exact or Prefix with other characters than letters, digits and / - _ . in it. ingress-nginx
// refuses an Ingress with one when it is applied, and goes on serving those that were there before.
type PathRule uint8

// The rules. Who has said nothing may have Ingresses from before, so theirs are served and told of.
const (
	PathsTold PathRule = iota
	PathsRefused
	PathsFree
)

// Settings are what the ConfigMap says for all Ingresses that behave as under ingress-nginx.
type Settings struct {
	Annotations annotation.Settings // what holds where an Ingress says nothing

	Paths        PathRule // for types Exact and Prefix
	HSTS         HSTS
	RedirectCode int        // of redirects to https and between www.x and x
	NoRedirect   []string   // beginnings of paths that are not sent to https
	NoAuth       []string   // beginnings of paths of which global-auth-url and auth-url are not asked
	Block        []string   // ranges that are refused before anything else
	AddHeaders   string     // namespace/name of a ConfigMap with fields for answers; "" = none
	SetHeaders   string     // and of one with fields for endpoints
	NoRequestID  bool       // endpoints get no X-Request-ID but that of a client
	Keep         model.Keep // of connections to endpoints
	HideHeaders  []string   // names of fields of endpoints that clients do not see

	Forwarded Forwarded     // whom listeners believe about clients
	Clients   model.Clients // how they wait for them
	Parsing   model.Parsing // and read what they send; without limits, which Buffers are
	Buffers   Buffers       // for heads of requests
	Ciphers   []string      // of TLS 1.2, those that are spoken here; nil = all of these
	Sessions  Sessions      // of TLS
	Reject    bool          // handshakes for names without a certificate
	Staple    bool          // OCSP responses of certificates are sent with them
	HTTP1Only bool          // HTTP/2 is not spoken

	MinTLS, MaxTLS model.TLSVersion // of handshakes; "" = what the listener allows

	Gzip, Brotli Compression // of answers
	Traces       Traces

	StreamIdle      time.Duration // of connections and sessions of TCP and UDP services
	StreamTries     int           // endpoints that a connection is tried with; 0 = each once
	StreamWithin    time.Duration // that the tries take together; 0 = as the plane has it
	StreamResponses int           // to each datagram, with which a session of a UDP service ends
}

// HSTS is what Strict-Transport-Security says (RFC 6797) to who asks over TLS for a host that has a certificate.
type HSTS struct {
	On         bool
	MaxAge     int // seconds
	Subdomains bool
	Preload    bool
}

// acme is where certificate authorities ask, in clear text and without a login (RFC 8555, 8.3).
const acme = "/.well-known/acme-challenge"

// Defaults are what ingress-nginx does where its ConfigMap says nothing.
func Defaults() Settings {
	return Settings{
		Annotations: annotation.Defaults(), HSTS: HSTS{On: true, MaxAge: 31536000, Subdomains: true}, RedirectCode: 308,
		NoRedirect: []string{acme}, NoAuth: []string{acme}, StreamIdle: 10 * time.Minute, StreamResponses: 1,
		Sessions: Sessions{Cache: true}, Gzip: gzipDefault(), Brotli: brotliDefault(), Traces: tracesDefault(),
	}
}
