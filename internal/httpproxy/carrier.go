package httpproxy

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"time"

	"paifang/internal/http2"
)

// carrier is an HTTP/2 connection of a client. Each of its streams is a conn with one request.
type carrier struct {
	conn  *conn
	http2 *http2.Conn

	mu      sync.Mutex
	streams []*conn   // whose requests are served
	carried int       // streams there were
	warned  time.Time // when the client was asked to go; zero = it was not
}

// mayBeHTTP2 tells whether what a client in clear text has begun with can be the preface of HTTP/2 (RFC 9113, 3.3).
func (c *conn) mayBeHTTP2() bool {
	if c.n == 0 || c.buf[0] != http2.Preface[0] || c.secure || c.once.Load() || c.port.site.Load().listener.HTTP1Only {
		return false
	}
	n := min(c.n, len(http2.Preface))
	return string(c.buf[:n]) == http2.Preface[:n]
}

// beginsHTTP2 tells whether it is. As much as is needed to tell is read.
func (c *conn) beginsHTTP2() (bool, error) {
	for deadline := c.plane.in(c.clients().Head); ; {
		n := min(c.n, len(http2.Preface))
		switch {
		case string(c.buf[:n]) != http2.Preface[:n]:
			return false, nil
		case n == len(http2.Preface):
			return true, nil
		}
		got, err := c.read(c.buf[c.n:], readingHead, deadline)
		if c.n += got; got == 0 && err != nil {
			return false, err
		}
	}
}

// refused is the request of a client whose first bytes came to nothing.
func (c *conn) refused(err error) *work {
	w := c.plane.takeWork(c)
	w.begin()
	w.headed(0, err)
	return w
}

// serveHTTP2 serves the connection until it ends.
func (c *conn) serveHTTP2() {
	t := c.clients()
	h := &c.plane.cfg.HTTP2
	early := bytes.Clone(c.buf[:c.n])
	if c.buf != nil {
		c.plane.blocks.give(c.buf)
	}
	c.buf, c.n = nil, 0
	s := &carrier{conn: c}
	s.http2 = http2.Server(c.nc, early, http2.Config{
		Streams: t.Streams, StreamWindow: h.StreamWindow, ConnWindow: h.ConnWindow, HeaderList: h.HeaderList, Glitches: h.Glitches,
		Sections: &c.plane.sections,
		Timeouts: http2.Timeouts{Preface: t.Head, Head: t.Head, Idle: t.Idle, Write: c.plane.cfg.Timeouts.Write},
	}, s.serve)
	c.carrier.Store(s)
	if c.cut.Load() { // before there was anything to end
		s.http2.Kill()
	}
	err := s.http2.Run()
	if f, ok := errors.AsType[http2.Fault](err); ok && f.Code == http2.EnhanceYourCalm {
		c.port.counts.calmed.Add(1)
	}
}

// serve is the handler of a stream.
func (s *carrier) serve(stream *http2.Stream) {
	c := &conn{plane: s.conn.plane, port: s.conn.port, caller: s.conn.caller, h2: stream, nc: &streamConn{Conn: s.conn.nc, stream: stream}}
	if s.add(c) {
		s.conn.goAway()
	}
	stream.OnGone(c.abandon)
	w := c.plane.takeWork(c)
	c.port.counts.stream(w.shard)
	w.serveStream()
	if _, all := stream.Arrived(); c.left.Load() || w.broken || !all {
		c.port.counts.reset(w.shard)
	}
	c.plane.giveWork(w)
	s.remove(c)
	if c.buf != nil {
		c.plane.blocks.give(c.buf)
	}
	c.giveHeavy()
}

// add takes a stream in, and tells whether the connection has carried as many as it may.
func (s *carrier) add(c *conn) (last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.index, c.behind = len(s.streams), len(s.streams)
	if s.carried == len(s.streams) { // none has ended
		c.behind++
	}
	s.streams = append(s.streams, c)
	s.carried++
	return s.full()
}

// full tells whether the connection has carried as many requests as it may. s.mu is held.
func (s *carrier) full() bool {
	most := s.conn.clients().Requests
	return most > 0 && s.carried >= most
}

func (s *carrier) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.streams) - 1
	s.streams[c.index] = s.streams[last]
	s.streams[c.index].index = c.index
	s.streams[last] = nil
	s.streams = s.streams[:last]
}

// check interrupts whatever of the connection and its streams waits too long.
func (s *carrier) check(now int64) {
	cfg := &s.conn.plane.cfg
	s.http2.Check(time.Now())
	normal := s.conn.clients().Idle
	if idle := cfg.Pressure.Idle(normal); idle < normal {
		s.http2.EndIdle(time.Now(), idle)
	}
	s.mu.Lock()
	full := s.full()
	s.mu.Unlock()
	if full || !cfg.Pressure.KeepsAlive() {
		s.conn.goAway()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.streams {
		c.check(now)
	}
}

// goAway asks the client of an HTTP/2 connection to go: first so that streams which cross that on their way are served, and
// after a while by telling the last one that is. It is called again and again while the port drains.
func (c *conn) goAway() {
	s := c.carrier.Load()
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch now := time.Now(); {
	case s.warned.IsZero():
		s.warned = now
		s.http2.GoAway()
	case now.Sub(s.warned) >= nextRequest:
		s.http2.Finish()
	}
}

// abort ends the connection whatever its streams do.
func (s *carrier) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.streams {
		c.abort()
	}
	s.http2.Kill()
}

// abandon ends the request of a client that has reset its stream or closed the connection.
func (c *conn) abandon() {
	c.left.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	if up := c.up.Load(); up != nil {
		up.Interrupt()
	}
	c.kick(waiting)
}

// streamConn has a stream read and interrupted in the way that connections are. Only the addresses are those of its connection.
type streamConn struct {
	net.Conn
	stream *http2.Stream
	rest   []byte // of what came of the body last
}

// Read reads the request body.
func (s *streamConn) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		var err error
		if s.rest, err = s.stream.Next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Write fails: an answer has a head, and leaves through the functions in client.go.
func (s *streamConn) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Close does nothing: the stream ends with its handler.
func (s *streamConn) Close() error { return nil }

// SetDeadline interrupts with a deadline in the past, and takes that back with none.
func (s *streamConn) SetDeadline(t time.Time) error { return s.set(t, true, true) }

// SetReadDeadline is SetDeadline for reading.
func (s *streamConn) SetReadDeadline(t time.Time) error { return s.set(t, true, false) }

// SetWriteDeadline is SetDeadline for writing.
func (s *streamConn) SetWriteDeadline(t time.Time) error { return s.set(t, false, true) }

func (s *streamConn) set(t time.Time, read, write bool) error {
	if t.IsZero() {
		s.stream.Resume(read, write)
	} else {
		s.stream.Interrupt(read, write)
	}
	return nil
}
