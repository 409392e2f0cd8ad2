package l4

import (
	"context"
	"errors"
	"net"
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
	name           string             // that the client's TLS is for, where that decided
	endpoint       *upstream.Endpoint // the last one tried
	tries          int
	entered        bool // it counts for the limits of the upstream
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

// connect finds an endpoint that takes the connection: each is tried once, as far as the route allows.
func (x *session) connect() bool {
	s := x.service
	defer func() { x.connecting = time.Since(x.began) }()
	ctx, cancel := context.WithTimeout(x.ctx, s.within)
	defer cancel()
	if err := s.upstream.Enter(ctx); err != nil {
		return x.fail(codeOf(err))
	}
	x.entered = true
	var hint upstream.Hint
	hint.Key, hint.Keyed = s.upstream.Key(x)
	o := upstream.DialOptions{Timeout: s.plane.cfg.ConnectTimeout, Client: x.client.Client, Server: x.client.Server, Raw: true}
	var room [4]*upstream.Endpoint
	tried := room[:0]
	var last model.Code // why the last one tried failed
	for {
		if s.tries > 0 && x.tries >= s.tries {
			return x.fail(last)
		}
		hint.Tried = tried
		e, err := s.upstream.Pick(hint)
		if errors.Is(err, upstream.ErrUnknown) && s.upstream.Wait(ctx) == nil {
			e, err = s.upstream.Pick(hint)
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
		case upstream.CodeConnectionLimit:
			e.Done(upstream.Abandoned)
			tried, last = append(tried, e), code
		default:
			e.Done(upstream.Failed)
			tried, last = append(tried, e), code
		}
	}
}

// KeyPart takes the client's address into a key: nothing else is known of a connection.
func (x *session) KeyPart(k upstream.Key, p *model.HashPart) (upstream.Key, bool) {
	if p.From != model.HashClient {
		return k, false
	}
	b := x.client.Client.Addr().As16()
	return k.Add(string(b[:])), true
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
	back, err := newStream(x, client, up)
	if err == nil {
		var there *stream
		if there, err = newStream(x, up, client); err == nil {
			x.both(there, back)
		}
	}
	if err != nil {
		x.stop(CodeUpstreamReset)
	}

	result := upstream.Succeeded
	switch x.reason() {
	case CodeUpstreamReset:
		result = upstream.Broken // many protocols end so: it is not held against the endpoint
	case CodeDrained, CodeClientReset:
		result = upstream.Abandoned
	}
	x.endpoint.Count(x.sent, x.received)
	x.endpoint.Done(result)
}

// both copies in both directions. One of them has a goroutine of its own.
func (x *session) both(there, back *stream) {
	client, up := there.from, there.to
	var answer sync.WaitGroup
	answer.Go(func() { x.half(client, up, back.move(), CodeUpstreamReset, CodeClientReset) })
	err := x.first(up)
	if err == nil {
		err = there.move()
	}
	x.half(up, client, err, CodeClientReset, CodeUpstreamReset)
	answer.Wait()
	x.sent += there.total
	x.received = back.total
}

// first sends what came with the client's PROXY header.
func (x *session) first(up *net.TCPConn) error {
	b := x.client.Buffered()
	if len(b) == 0 {
		return nil
	}
	if err := up.SetWriteDeadline(time.Now().Add(x.service.idle)); err != nil {
		return err
	}
	n, err := up.Write(b)
	x.sent += int64(n)
	return err
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
		Host: x.name, Route: string(s.route), Upstream: string(s.upstream.ID()), Tries: x.tries, In: x.sent, Out: x.received,
		Connect: x.connecting, Total: time.Since(x.began),
	}
	if x.endpoint != nil {
		a.Endpoint, a.Pod = x.endpoint.Addr, x.endpoint.Name
	}
	return a
}
