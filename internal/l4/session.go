package l4

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/telemetry"
	"paifang/internal/upstream"
)

// session is one connection of a client with its connection to an endpoint. Its goroutine owns it; stop alone may be
// called by others.
type session struct {
	service        *service
	client         *listener.Conn
	endpoint       *upstream.Endpoint // the last one tried
	tries          int
	connecting     time.Duration
	sent, received int64 // bytes to and from the endpoint
	began          time.Time
	moved          atomic.Int64    // when bytes were last seen to move, in nanoseconds since began
	ctx            context.Context // of connecting; ends when the session is stopped
	cancel         context.CancelFunc

	mu      sync.Mutex
	up      *upstream.Conn // nil until connected
	code    model.Code     // why it failed or was stopped; empty = both sides closed
	stopped bool
}

func newSession(s *service, c *listener.Conn) *session {
	x := &session{service: s, client: c, began: time.Now()}
	x.ctx, x.cancel = context.WithCancel(s.plane.ctx)
	return x
}

// connect finds an endpoint that takes the connection: each is tried once.
func (x *session) connect() bool {
	s, cfg := x.service, &x.service.plane.cfg
	defer func() { x.connecting = time.Since(x.began) }()
	ctx, cancel := context.WithTimeout(x.ctx, cfg.ConnectTotal)
	defer cancel()
	local, ok := x.client.TCP().LocalAddr().(*net.TCPAddr)
	if !ok {
		return false
	}
	o := upstream.DialOptions{Raw: true, Timeout: cfg.ConnectTimeout, Client: x.client.Client, Server: unmapped(local.AddrPort())}
	var room [4]*upstream.Endpoint
	tried := room[:0]
	var last model.Code // why the last one tried failed
	for {
		e, err := s.upstream.Pick(upstream.Hint{Tried: tried})
		if errors.Is(err, upstream.ErrUnknown) && s.upstream.Wait(ctx) == nil {
			e, err = s.upstream.Pick(upstream.Hint{Tried: tried})
		}
		if err != nil {
			if last == "" {
				last = codeOf(err)
			}
			return x.fail(last)
		}
		x.endpoint = e
		x.tries++
		up, err := e.Dial(ctx, o)
		if err == nil {
			return x.connected(up)
		}
		switch code := codeOf(err); code {
		case upstream.CodeConnectCancelled, upstream.CodeConnectLocal:
			e.Done(upstream.Abandoned)
			return x.fail(code)
		default:
			e.Done(upstream.Failed)
			tried, last = append(tried, e), code
		}
	}
}

func codeOf(err error) model.Code {
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		return e.Code
	}
	return upstream.CodeConnectFailed
}

// fail notes why there is no connection.
func (x *session) fail(code model.Code) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.stopped {
		x.code = code
	}
	return false
}

// connected takes the endpoint's connection over, unless the session was stopped meanwhile.
func (x *session) connected(up *upstream.Conn) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.up = up
	if x.stopped {
		x.endpoint.Done(upstream.Abandoned)
		return false
	}
	return true
}

// carry moves bytes both ways until both sides have closed, or one breaks off.
func (x *session) carry() {
	if told := x.service.plane.cfg.Connected; told != nil {
		a := x.access()
		told(&a)
	}
	client, up := x.client.TCP(), x.up.TCP
	x.moved.Store(int64(time.Since(x.began)))
	var answer sync.WaitGroup
	answer.Go(func() {
		var err error
		x.received, err = x.move(client, up)
		x.half(client, up, err, CodeUpstreamReset, CodeClientReset)
	})
	err := x.first(up)
	if err == nil {
		var n int64
		n, err = x.move(up, client)
		x.sent += n
	}
	x.half(up, client, err, CodeClientReset, CodeUpstreamReset)
	answer.Wait()

	result := upstream.Succeeded
	switch x.reason() {
	case CodeUpstreamReset:
		result = upstream.Failed
	case CodeDrained, CodeClientReset:
		result = upstream.Abandoned
	}
	x.endpoint.Count(x.sent, x.received)
	x.endpoint.Done(result)
}

// first sends what came with the client's PROXY header.
func (x *session) first(up *net.TCPConn) error {
	b := x.client.Buffered()
	if len(b) == 0 {
		return nil
	}
	if err := up.SetWriteDeadline(time.Now().Add(x.service.plane.cfg.IdleTimeout)); err != nil {
		return err
	}
	n, err := up.Write(b)
	x.sent += int64(n)
	return err
}

// errIdle ends a connection on which nothing moves.
var errIdle = errors.New("l4: the connection is idle")

// move copies from one side to the other until the end of what that side sends. Twice in IdleTimeout a read deadline ends
// the copying, and when bytes last moved is looked at. Nothing is lost by that: whatever was read has been written when the
// next read waits.
func (x *session) move(to, from *net.TCPConn) (total int64, err error) {
	raw, err := from.SyscallConn()
	if err != nil {
		return 0, err
	}
	idle := x.service.plane.cfg.IdleTimeout
	window := idle / 2
	for {
		start := time.Now()
		if err := from.SetReadDeadline(start.Add(window)); err != nil {
			return total, err
		}
		// A side that takes nothing for so long that this passes is idle too.
		stuck := start.Add(idle + window)
		if err := to.SetWriteDeadline(stuck); err != nil {
			return total, err
		}
		n, err := x.pass(to, from, raw)
		total += n
		now := time.Now()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return total, err
		}
		if !now.Before(stuck) || now.Sub(x.began)-time.Duration(x.moved.Load()) >= idle {
			return total, errIdle
		}
	}
}

// pass copies until the end or a deadline. While nobody sends it holds nothing: neither a buffer nor the pipe by which the
// kernel moves bytes from socket to socket, which costs two descriptors. Whoever opens connections and is silent could
// otherwise use up those of the process three times as fast.
func (x *session) pass(to, from *net.TCPConn, raw syscall.RawConn) (total int64, err error) {
	for {
		n, err := waiting(raw)
		if err != nil {
			return total, err
		}
		var moved int64
		end := false
		if n >= spliceFrom {
			moved, err = to.ReadFrom(&io.LimitedReader{R: from, N: int64(n)})
		} else {
			moved, end, err = x.copy(to, from)
		}
		total += moved
		if moved > 0 {
			x.moved.Store(int64(time.Since(x.began)))
		}
		if end || err != nil {
			return total, err
		}
	}
}

// spliceFrom is from how many bytes on the kernel moves them: below, a copy is cheaper.
const spliceFrom = 64 << 10

// copy moves what one read gives. end = there is nothing more to come.
func (x *session) copy(to, from *net.TCPConn) (moved int64, end bool, err error) {
	pool := &x.service.plane.buffers
	b := pool.Get().(*[spliceFrom]byte)
	defer pool.Put(b)
	n, err := from.Read(b[:])
	if n > 0 {
		w, err := to.Write(b[:n])
		if err != nil {
			return int64(w), false, err
		}
	}
	if err == io.EOF {
		return int64(n), true, nil
	}
	return int64(n), false, err
}

// half ends one direction: by closing the other side's half where it came to its end, else by ending the session.
// fromGone and toGone are what to call it if that side broke off.
func (x *session) half(to, from *net.TCPConn, err error, fromGone, toGone model.Code) {
	if err == nil {
		err = to.CloseWrite()
		if err == nil || errors.Is(err, syscall.ENOTCONN) {
			return // a side that has gone already has nothing left to hear
		}
	}
	switch {
	case errors.Is(err, errIdle):
		x.stop(CodeIdle)
	case errors.Is(err, syscall.EPIPE), isReset(to) && !isReset(from):
		x.stop(toGone)
	default:
		x.stop(fromGone)
	}
}

// stop ends the session, from whatever goroutine. The first reason counts. Both sides see a
// reset, so that nobody takes half a message for a whole one.
func (x *session) stop(code model.Code) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stopped {
		return
	}
	x.stopped, x.code = true, code
	x.cancel()
	x.reset()
	x.client.TCP().Close()
	if x.up != nil {
		x.up.TCP.SetLinger(0)
		x.up.TCP.Close()
	}
}

func (x *session) reason() model.Code {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.code
}

// reset has the client see a reset when its connection is closed.
func (x *session) reset() { x.client.TCP().SetLinger(0) }

// close ends what is still open.
func (x *session) close() {
	x.cancel()
	x.client.Close()
	if x.up != nil {
		x.up.Close()
	}
}

// record writes the line of the connection.
func (x *session) record() {
	a := x.access()
	x.service.plane.cfg.Recorder.Record(&a)
}

// access is what is to be said of the connection so far.
func (x *session) access() telemetry.Access {
	s := x.service
	a := telemetry.Access{
		Time: x.began, Listener: string(s.listener.ID), Node: s.listener.Node, Peer: x.client.Client, Client: x.client.Client.Addr(), Reason: string(x.reason()),
		Route: string(s.route), Upstream: string(s.upstream.ID()), Tries: x.tries, In: x.sent, Out: x.received,
		Connect: x.connecting, Total: time.Since(x.began),
	}
	if x.endpoint != nil {
		a.Endpoint, a.Pod = x.endpoint.Addr, x.endpoint.Name
	}
	return a
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
