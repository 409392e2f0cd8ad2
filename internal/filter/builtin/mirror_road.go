package builtin

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"paifang/internal/http2"
	"paifang/internal/upstream"

	"paifang/internal/inward"
)

// What is kept and read of the targets of mirrors.
const (
	mirrorIdle    = 32       // connections to a service that are kept
	maxMirrorRead = 64 << 10 // bytes of an answer's body that are read, to keep the connection; nothing is done with them
	maxInterim    = 16       // heads before the one of the answer
)

// request is the copy as net/http has it. Nothing of it is changed by sending.
func (h *mirrorHead) request() *http.Request {
	body := h.copy.body
	req := &http.Request{Method: h.method, URL: h.url, Host: h.host, Header: h.copy.fields, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)), Body: http.NoBody}
	if len(body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	return req
}

// skim reads what there is of an answer's body. whole: there is no more of it.
func skim(body io.Reader) (whole bool, _ error) {
	_, err := io.CopyN(io.Discard, body, maxMirrorRead)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}

// mirrorService is the road to an address that a configuration names.
type mirrorService struct{ *http.Transport }

func newMirrorService(c *Mirror) mirrorService {
	dialer := inward.Dialer(c.Loopback, maxAuthTimeout)
	return mirrorService{&http.Transport{
		DialContext: dialer.DialContext, DisableCompression: true,
		MaxConnsPerHost: c.InFlight, MaxIdleConnsPerHost: min(c.InFlight, mirrorIdle), MaxIdleConns: maxMirrorInFlight, IdleConnTimeout: time.Minute,
		MaxResponseHeaderBytes: maxAuthHead, TLSHandshakeTimeout: maxMirrorTimeout,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.SkipVerify}, //nolint:gosec // somebody asked for it, field by field
	}}
}

func (s mirrorService) exchange(ctx context.Context, h *mirrorHead) error {
	resp, err := s.RoundTrip(h.request().WithContext(ctx))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = skim(resp.Body)
	return err
}

func (s mirrorService) end() { s.CloseIdleConnections() }

// mirrorUpstream is the road to an upstream, by its balancing and with its connections. Its limits on requests are for those that
// somebody waits for.
type mirrorUpstream struct{ handle *upstream.Handle }

func (u mirrorUpstream) end() {}

func (u mirrorUpstream) exchange(ctx context.Context, h *mirrorHead) error {
	e, err := u.handle.Pick(upstream.Hint{})
	if err != nil {
		return err
	}
	status := 0
	if u.handle.Shared() {
		status, err = overHTTP2(ctx, e, h)
	} else {
		status, err = overHTTP1(ctx, e, h)
	}
	switch {
	case err == nil:
		e.Done(upstream.ResultOf(status))
	case ctx.Err() != nil: // it may have been the wait for another
		e.Done(upstream.Abandoned)
	default:
		e.Done(upstream.Failed)
	}
	return err
}

func overHTTP1(ctx context.Context, e *upstream.Endpoint, h *mirrorHead) (status int, err error) {
	conn := e.Get()
	for conn != nil && conn.Stale() {
		conn.Close()
		conn = e.Get()
	}
	if conn == nil {
		if conn, err = e.DialApart(ctx, upstream.DialOptions{Behind: 1, Fresh: true}); err != nil {
			return 0, err
		}
	}
	stop := context.AfterFunc(ctx, conn.Interrupt)
	reusable := false
	defer func() {
		if stop() && reusable {
			conn.Requests++
			e.Put(conn)
			return
		}
		conn.Close()
	}()
	req := h.request()
	if err := req.Write(conn.Stream); err != nil {
		return 0, err
	}
	from := bufio.NewReader(io.LimitReader(conn.Stream, maxAuthHead+maxMirrorRead))
	for range maxInterim {
		resp, err := http.ReadResponse(from, req)
		if err != nil {
			return 0, err
		}
		if resp.StatusCode == http.StatusSwitchingProtocols {
			return 0, fmt.Errorf("mirror: read answer: an upgrade that nobody asked for")
		}
		if resp.StatusCode < 200 {
			continue
		}
		whole, err := skim(resp.Body)
		_ = resp.Body.Close() // there is little left to read, and only where the connection is closed as well
		reusable = whole && err == nil && !resp.Close && from.Buffered() == 0
		return resp.StatusCode, err
	}
	return 0, fmt.Errorf("mirror: read answer: it has no end of interim ones")
}

func overHTTP2(ctx context.Context, e *upstream.Endpoint, h *mirrorHead) (status int, err error) {
	conn, err := e.Open(ctx, upstream.DialOptions{})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, conn.Interrupt)()
	body := h.copy.body
	if err := conn.H2.Open(h.fields(conn.Secure()), h.method == "HEAD", len(body) == 0); err != nil {
		return 0, err
	}
	if len(body) > 0 {
		if err := conn.H2.Write(body, true); err != nil {
			return 0, err
		}
	}
	conn.H2.Flush()
	for range maxInterim {
		head, err := conn.H2.Answer()
		if err != nil {
			return 0, err
		}
		if status, err = strconv.Atoi(head.Get(":status")); err != nil {
			return 0, fmt.Errorf("mirror: read answer: it has no status")
		}
		if status < 200 {
			continue
		}
		for read := 0; !head.End && read < maxMirrorRead; {
			part, err := conn.H2.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return 0, err
			}
			read += len(part)
		}
		return status, nil
	}
	return 0, fmt.Errorf("mirror: read answer: it has no end of interim ones")
}

// fields are the head as HTTP/2 has it.
func (h *mirrorHead) fields(secure bool) []http2.Field {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	out := []http2.Field{{Name: ":method", Value: h.method}, {Name: ":scheme", Value: scheme}, {Name: ":authority", Value: h.host}, {Name: ":path", Value: h.url.RequestURI()}}
	for name, values := range h.copy.fields {
		for _, v := range values {
			out = append(out, http2.Field{Name: strings.ToLower(name), Value: v})
		}
	}
	if n := len(h.copy.body); n > 0 {
		out = append(out, http2.Field{Name: "content-length", Value: strconv.Itoa(n)})
	}
	if strings.HasPrefix(h.copy.fields.Get("Content-Type"), "application/grpc") { // which asks for it, and it concerns one connection only
		out = append(out, http2.Field{Name: "te", Value: "trailers"})
	}
	return out
}
