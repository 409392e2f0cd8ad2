package builtin

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/filter"
)

// What is kept and read of the targets of mirrors.
const (
	mirrorIdle   = 32       // connections to a target that are kept
	maxMirrorRun = 64 << 10 // bytes of an answer that are read, to keep the connection; nothing is done with them
)

// mirrorCounts is what became of the copies for one target, from all filters and generations.
type mirrorCounts struct {
	target  string
	results [filter.CopyResults]atomic.Uint64
	held    atomic.Int64
}

var _ filter.CopyCounter = (*mirrorCounts)(nil)

func (c *mirrorCounts) add(r filter.CopyResult) { c.results[r].Add(1) }

// CopyCount returns the counts.
func (c *mirrorCounts) CopyCount() filter.CopyCount {
	out := filter.CopyCount{Target: c.target, Held: c.held.Load()}
	for i := range c.results {
		out.Results[i] = c.results[i].Load()
	}
	return out
}

// Close is for filter.Use.
func (c *mirrorCounts) Close() error { return nil }

// mirrorSender sends copies to one target, for all filters that do so with the same bounds.
type mirrorSender struct {
	*http.Transport
	counts  *mirrorCounts
	timeout time.Duration
	most    int // goroutines, a copy each
	ctx     context.Context
	cancel  context.CancelFunc
	queue   chan *mirrorHead
	workers sync.WaitGroup

	mu      sync.Mutex
	running int
	ended   bool
}

func newMirrorSender(c *Mirror, counts *mirrorCounts) *mirrorSender {
	dialer := dialerOf(c.Loopback)
	s := &mirrorSender{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, DisableCompression: true,
			MaxConnsPerHost: c.InFlight, MaxIdleConnsPerHost: min(c.InFlight, mirrorIdle), MaxIdleConns: maxMirrorInFlight, IdleConnTimeout: time.Minute,
			MaxResponseHeaderBytes: maxAuthHead, TLSHandshakeTimeout: maxMirrorTimeout,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.SkipVerify}, //nolint:gosec // somebody asked for it, field by field
		},
		counts: counts, timeout: time.Duration(c.Timeout), most: c.InFlight, queue: make(chan *mirrorHead, c.Queue),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// full tells whether a copy that were complete now would have to be dropped.
func (s *mirrorSender) full() bool { return len(s.queue) == cap(s.queue) }

// add has a copy sent. It does not wait.
func (s *mirrorSender) add(h *mirrorHead) {
	s.counts.held.Add(1)
	s.mu.Lock()
	result := filter.CopyResults // none yet
	switch {
	case s.ended:
		result = filter.CopyEnded
	case s.running < s.most:
		s.running++
		s.workers.Go(func() { s.work(h) })
	default:
		select {
		case s.queue <- h:
		default:
			result = filter.CopyQueueFull
		}
	}
	s.mu.Unlock()
	if result != filter.CopyResults {
		s.end(h, result)
	}
}

// end gives a copy back.
func (s *mirrorSender) end(h *mirrorHead, r filter.CopyResult) {
	s.counts.held.Add(-1)
	h.ended(r)
}

// work sends a copy, and then those that wait.
func (s *mirrorSender) work(h *mirrorHead) {
	for h != nil {
		s.end(h, s.send(h))
		h = s.next()
	}
}

// next is the copy that has waited for the longest time; nil ends the worker, which nobody can miss, as the lock is held.
func (s *mirrorSender) next() *mirrorHead {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case h := <-s.queue:
		return h
	default:
		s.running--
		return nil
	}
}

// send sends a copy and reads the answer.
func (s *mirrorSender) send(h *mirrorHead) filter.CopyResult {
	if s.ctx.Err() != nil {
		return filter.CopyEnded
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.timeout)
	defer cancel()
	err := s.exchange(ctx, h)
	switch {
	case err == nil:
		return filter.CopyAnswered
	case s.ctx.Err() != nil:
		return filter.CopyEnded
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
		return filter.CopyLate
	}
	return filter.CopyFailed
}

func (s *mirrorSender) exchange(ctx context.Context, h *mirrorHead) error {
	body := h.copy.body
	req := &http.Request{Method: h.method, URL: h.url, Host: h.host, Header: h.copy.fields, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)), Body: http.NoBody}
	if len(body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	resp, err := s.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.CopyN(io.Discard, resp.Body, maxMirrorRun); !errors.Is(err, io.EOF) {
		return err // nil: there is more of it, which is not worth the connection
	}
	return nil
}

// Close ends what is under way and what waits, and waits for that.
func (s *mirrorSender) Close() error {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.cancel()
	s.workers.Wait()
	s.CloseIdleConnections()
	return nil
}
