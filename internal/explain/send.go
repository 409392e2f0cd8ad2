package explain

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"paifang/internal/model"
)

const (
	// sendTimeout bounds a request that Send makes.
	sendTimeout = 30 * time.Second
	// traceTimeout bounds the wait for the planes' records after the answer has ended.
	traceTimeout = time.Second
	// maxAnswer is how much of an answer's body is read, in bytes.
	maxAnswer = 16 << 20
)

// Send makes the request as a client would, asking our DNS server and connecting to its answer, and says what happened.
// It connects to listeners of the snapshot alone: a request to anywhere else ends where Explain ends it. now gives the
// world after the request, whose lists may have changed by it.
func Send(ctx context.Context, now func() World, traces Traces, q Request) (Result, error) {
	a, err := q.read()
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	w := now()
	done := &happened{}
	if at, ok := where(ctx, &w, a, done); ok && a.fault == nil {
		done.send(ctx, a, at, traces)
	}
	w = now()
	return walk(&w, a, done), nil
}

// where is the address that a client connects to, found by asking our DNS server.
func where(ctx context.Context, w *World, a *asked, done *happened) (netip.AddrPort, bool) {
	addr, ok := a.address()
	var class model.Class
	if !ok {
		server, has := dnsAt(w)
		if !has {
			done.dns = &dnsAnswer{err: "no listener of ours speaks DNS"}
			return netip.AddrPort{}, false
		}
		if done.dns = ask(ctx, server, a.target); len(done.dns.addrs) == 0 {
			return netip.AddrPort{}, false
		}
		addr = done.dns.addrs[0]
		if n, _ := w.Snapshot.Names().Lookup(a.target); n != nil {
			class = n.Class
		}
	}
	l, port, ok := w.entry(addr, a.port, a.scheme, class)
	if !ok || speaksHTTP(l) && (l.Protocol == model.HTTPS) != (a.scheme == "https") {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr, port), true
}

// dnsAt is where our DNS server is to be asked.
func dnsAt(w *World) (netip.AddrPort, bool) {
	for l := range w.Snapshot.Listeners() {
		if l.Protocol == model.DNS && len(l.Bind) > 0 {
			return reachable(l.Bind[0]), true
		}
	}
	return netip.AddrPort{}, false
}

// reachable is an address to connect to, for one that may mean all addresses.
func reachable(at netip.AddrPort) netip.AddrPort {
	switch {
	case !at.Addr().IsUnspecified():
		return at
	case at.Addr().Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	default:
		return netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
	}
}

func (h *happened) send(ctx context.Context, a *asked, at netip.AddrPort, traces Traces) {
	began := time.Now()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", at.String())
	if err != nil {
		h.err, h.unreached = "no connection: "+cause(err), at
		return
	}
	defer conn.Close()
	h.connect = time.Since(began)
	client := conn.LocalAddr().(*net.TCPAddr).AddrPort()
	client = netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
	h.client = client.Addr()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		h.err = "no connection: " + cause(err)
		return
	}
	if err := h.exchangeOver(ctx, conn, a); err != nil {
		h.err = "no answer: " + cause(err)
	}
	h.total = time.Since(began)
	h.fetch(ctx, client, traces)
}

// exchangeOver writes the request and reads the answer to its end.
func (h *happened) exchangeOver(ctx context.Context, conn net.Conn, a *asked) error {
	if a.scheme == "https" {
		name := a.target
		if _, isAddress := a.address(); isAddress {
			name = ""
		}
		// The certificate is what the line of the listener tells of; here it need not be one that this machine trusts.
		secure := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		if err := secure.HandshakeContext(ctx); err != nil {
			return err
		}
		conn = secure
	}
	if _, err := conn.Write(a.head); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: a.http.Method})
		if err != nil {
			return err
		}
		if resp.StatusCode < 200 {
			continue
		}
		h.status, h.code = resp.StatusCode, resp.Header.Get("X-Paifang-Reason")
		h.bytes, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
		return errors.Join(err, resp.Body.Close())
	}
}

// fetch waits until the planes have recorded what the client saw.
func (h *happened) fetch(ctx context.Context, client netip.AddrPort, traces Traces) {
	if traces == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, traceTimeout)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if p, ok := traces.Passage(client); ok {
			h.passage = &p
		}
		if e, ok := traces.Exchange(client); ok {
			h.exchange = &e
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// cause is an error without what is known anyway.
func cause(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the connection was closed"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("nothing within %s", sendTimeout)
	}
	return err.Error()
}
