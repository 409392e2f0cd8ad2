package httpproxy

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"paifang/internal/model"
)

func certificate(t testing.TB, id string, hosts ...model.Host) model.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: id}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return model.Certificate{ID: model.CertificateID(id), Hosts: hosts, Attach: []model.Class{"web"},
		Chain: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Key:   model.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))}
}

// secure makes a TLS client connection to the listener "tls".
func (s *stand) secure(name string, shown ...tls.Certificate) *client {
	s.t.Helper()
	return s.secureBy("tls", &tls.Config{ServerName: name, NextProtos: []string{"http/1.1"}, Certificates: shown})
}

// secureBy makes a TLS client connection to a listener.
func (s *stand) secureBy(id model.ListenerID, config *tls.Config) *client {
	s.t.Helper()
	config.InsecureSkipVerify = true
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", s.addr(id), config)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	s.t.Cleanup(func() { c.Close() })
	return &client{c, s.t, bufio.NewReader(c)}
}

func (c *client) subject() string {
	return c.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
}

func withTLS(s *stand, _ *Config) {
	s.listeners = append(s.listeners, model.Listener{ID: "tls", Class: "web", Protocol: model.HTTPS, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}})
}

func TestTLS(t *testing.T) {
	s, _ := simple(t, echo, withTLS)
	s.certs = []model.Certificate{certificate(t, "shop", "shop.test"), {ID: "broken", Hosts: []model.Host{"broken.test"}, Attach: []model.Class{"web"}, Chain: "x"}}
	s.publish()
	if f := s.plane.Failures(); len(f) != 1 || f[0].ID != "broken" {
		t.Errorf("%v", f)
	}
	c := s.secure("shop.test")
	if c.subject() != "shop" || c.Conn.(*tls.Conn).ConnectionState().NegotiatedProtocol != "http/1.1" {
		t.Errorf("%q", c.subject())
	}
	for range 3 {
		h := c.send(get("/")).receive("GET").echoed(t).Head
		if h["x-forwarded-proto"] != "https" {
			t.Errorf("%v", h)
		}
	}
	big := strings.Repeat("x", 300_000)
	if e := c.send(post("/", big, fmt.Sprintf("Content-Length: %d", len(big)))).receive("POST").echoed(t); e.Body != big {
		t.Errorf("%d bytes", len(e.Body))
	}
	if n := s.secure("other.test").subject(); n == "shop" {
		t.Error("a name without a certificate gets another's")
	}
	// A renewed certificate is served on the next handshake; the open connection goes on.
	s.certs = []model.Certificate{certificate(t, "renewed", "shop.test")}
	s.publish()
	if n := s.secure("shop.test").subject(); n != "renewed" {
		t.Errorf("%q", n)
	}
	c.send(get("/")).receive("GET")
}

func TestTLSTunnel(t *testing.T) {
	s, _ := simple(t, socketEcho, withTLS)
	c := s.secure("shop.test").send(get("/", webSocket))
	c.receive("GET")
	c.expect("welcome ")
	c.send("ping")
	c.expect("ping")
	c.Conn.(*tls.Conn).CloseWrite()
	c.expect("bye")
	c.closed()
}

func TestHandshakeIsBounded(t *testing.T) {
	s, _ := simple(t, echo, func(s *stand, c *Config) { withTLS(s, c); short(s, c) })
	dialTo(t, s.addr("tls")).closed()
	dialTo(t, s.addr("tls")).send("\x16\x03\x01").closed()
	eventually(t, func() bool {
		for _, l := range s.plane.Listeners() {
			if l.Open > 0 {
				return false
			}
		}
		return true
	})
}

func TestProxyHeader(t *testing.T) {
	s, _ := simple(t, echo, func(s *stand, _ *Config) {
		s.listeners[0].Trust.ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	h := proxyproto.HeaderProxyFromAddrs(2, &net.TCPAddr{IP: net.ParseIP("127.0.0.99"), Port: 4711}, &net.TCPAddr{IP: net.ParseIP("127.0.0.10"), Port: 80})
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	c := s.dial().send(string(b) + get("/one")) // in one segment
	for i, path := range []string{"/one", "/two"} {
		if i > 0 {
			c.send(get(path))
		}
		e := c.receive("GET").echoed(t)
		if e.Head["x-forwarded-for"] != "127.0.0.99" || e.Head["x-forwarded-port"] != "80" || !strings.HasPrefix(e.Line, "GET "+path) {
			t.Errorf("%+v", e)
		}
		if a := s.last(i + 1); a.Client.String() != "127.0.0.99" {
			t.Errorf("%+v", a)
		}
	}
	// Trust that is taken back counts for the next connection; the socket stays.
	addr := s.addr("front")
	s.listeners[0].Trust.ProxyFrom = nil
	s.publish()
	if s.addr("front") != addr {
		t.Fatal("the socket was bound anew")
	}
	if r := s.dial().send(string(b) + get("/")).receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 400") {
		t.Errorf("%+v", r)
	}
	if e := s.dial().send(get("/")).receive("GET").echoed(t); e.Head["x-forwarded-for"] != "127.0.0.1" {
		t.Errorf("%+v", e)
	}
}

func TestTakenAddressIsAListenersOwnFault(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s, _ := simple(t, echo, func(s *stand, _ *Config) {
		s.listeners = append(s.listeners, model.Listener{ID: "taken", Class: "web", Protocol: model.HTTP, Bind: []netip.AddrPort{netip.MustParseAddrPort(taken.Addr().String())}})
	})
	ls := s.plane.Listeners()
	if len(ls) != 2 || ls[1].ID != "taken" || len(ls[1].Failed) != 1 || ls[1].Failed[0].Err == nil || len(ls[0].Failed) != 0 {
		t.Errorf("%+v", ls)
	}
	s.dial().send(get("/")).receive("GET")
	taken.Close()
	s.publish() // tries again
	dialTo(t, s.addr("taken")).send(get("/")).receive("GET")
}

// TestProxyHeaderGoesOn: an upstream that wants it is told who the client is before the request, on a connection that is
// nobody else's afterwards.
func TestProxyHeaderGoesOn(t *testing.T) {
	for _, mode := range []model.ProxyMode{model.ProxyV1, model.ProxyV2} {
		type seen struct{ from, to, line string }
		got := make(chan seen, 4)
		s, rec := simple(t, func(c net.Conn, r *bufio.Reader) {
			h, err := proxyproto.Read(r)
			if err != nil {
				return
			}
			for {
				q, err := readRequest(r)
				if err != nil {
					return
				}
				got <- seen{h.SourceAddr.String(), h.DestinationAddr.String(), q.line}
				fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		}, func(s *stand, _ *Config) {
			s.listeners[0].Trust.ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		})
		s.routes = nil
		s.route("all", "/", "u")
		s.routes[0].Upstreams[0].Dial.Proxy = mode
		s.publish()
		c := s.dial().send("PROXY TCP4 127.0.0.99 127.0.0.10 4711 80\r\n") // a balancer in front
		for _, path := range []string{"/a", "/b"} {
			if r := c.send(get(path)).receive("GET"); r.body != "ok" {
				t.Fatalf("%s: %+v", mode, r)
			}
			if x := <-got; x != (seen{"127.0.0.99:4711", "127.0.0.10:80", "GET " + path + " HTTP/1.1"}) {
				t.Errorf("%s: %+v", mode, x)
			}
		}
		if n := rec.connections(); n != 2 {
			t.Errorf("%s: %d connections for 2 requests", mode, n)
		}
	}
}
