package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"
)

// idleConnections is how many connections are opened to see what one costs: enough for the rest not to matter, and few
// enough for the descriptors that this process may have.
const idleConnections = 4000

// idle measures the memory that a connection needs between two requests.
func idle(ctx context.Context, b *bench) ([]result, error) {
	var out []result
	for _, k := range []struct {
		name     string
		protos   []string
		bar, aim float64
		others   []contender
	}{
		{"clear text", nil, 8, 4, []contender{nginx(), haproxy()}},
		{"TLS", []string{"http/1.1"}, 32, 20, []contender{nginx(), haproxy()}},
		{"HTTP/2", []string{"h2"}, 64, 64, nil},
	} {
		r := result{what: "KB per idle connection, " + k.name, unit: "KB", bar: k.bar, aim: k.aim}
		for _, c := range append([]contender{paifang()}, k.others...) {
			kb, err := b.idleOf(ctx, c, k.protos)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", c.name, k.name, err)
			}
			if c.name == "paifang" {
				r.value = kb
				continue
			}
			r.absolute = strings.TrimPrefix(r.absolute+fmt.Sprintf("; %s %.1f KB", c.name, kb), "; ")
		}
		out = append(out, r)
	}
	return out, nil
}

// idleOf opens connections, makes a request on each and compares the proxy's memory before and after.
func (b *bench) idleOf(ctx context.Context, c contender, protos []string) (float64, error) {
	p, err := b.launch(ctx, c)
	if err != nil {
		return 0, err
	}
	defer p.stop()
	chain, err := os.ReadFile(b.chain)
	if err != nil {
		return 0, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(chain)
	config := &tls.Config{RootCAs: roots, ServerName: "bench.test", NextProtos: protos}
	var conns []io.Closer
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	open := func(n int) error {
		for range n {
			var one io.Closer
			var err error
			switch {
			case protos == nil:
				one, err = openPlain(c.plain(), nil)
			case protos[0] == "h2":
				one, err = openHTTP2(c.tls(), config)
			default:
				one, err = openPlain(c.tls(), config)
			}
			if err != nil {
				return err
			}
			conns = append(conns, one)
		}
		return nil
	}
	if err := open(100); err != nil { // what is made once is made
		return 0, err
	}
	before := settled(p)
	if err := open(idleConnections); err != nil {
		return 0, err
	}
	after := settled(p)
	return float64(after-before) / idleConnections / 1024, nil
}

// settled is the memory of a process once it does not shrink any more, within some seconds: garbage is given back with a
// delay, and what only the start of the product needs 4.5 s after it is ready. A first look before that would take some KB from
// each connection.
func settled(p *process) int64 {
	runtime.GC()
	lowest := p.resident()
	for since := time.Now(); time.Since(since) < 6*time.Second; time.Sleep(250 * time.Millisecond) {
		if now := p.resident(); now < lowest-lowest/200 {
			lowest, since = now, time.Now()
		}
	}
	return lowest
}

func openPlain(at string, config *tls.Config) (io.Closer, error) {
	conn, err := net.DialTimeout("tcp", at, 5*time.Second)
	if err != nil {
		return nil, err
	}
	if config != nil {
		conn = tls.Client(conn, config)
	}
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, "GET /100 HTTP/1.1\r\nHost: bench.test\r\n\r\n"); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(bufio.NewReaderSize(conn, 512), nil)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != 200 {
		return nil, fmt.Errorf("answered %s, %v", answer.Status, err)
	}
	return conn, nil
}

// closers closes what a client of HTTP/2 keeps.
type closers struct{ t *http.Transport }

// Close ends the connection.
func (c closers) Close() error {
	c.t.CloseIdleConnections()
	return nil
}

func openHTTP2(at string, config *tls.Config) (io.Closer, error) {
	t := &http.Transport{TLSClientConfig: config.Clone(), ForceAttemptHTTP2: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, at)
	}}
	answer, err := (&http.Client{Transport: t, Timeout: 10 * time.Second}).Get("https://bench.test:" + tlsPort + "/100")
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.ProtoMajor != 2 || answer.StatusCode != 200 {
		return nil, fmt.Errorf("answered %s in %s, %v", answer.Status, answer.Proto, err)
	}
	return closers{t}, nil
}
