package l4

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"paifang/internal/model"
	"paifang/internal/telemetry"
	"paifang/internal/upstream"
)

// flow is the session of one UDP client: what it sends goes to one endpoint, from one port, for as long as the session lasts, and
// what comes back there goes to it. While nothing comes it holds a socket and a goroutine, and no buffer.
type flow struct {
	lane     *lane
	packets  *packets
	client   netip.AddrPort
	control  []byte // has answers leave from the address that the client sent to
	endpoint *upstream.Endpoint
	up       *net.UDPConn
	began    time.Time
	moved    atomic.Int64 // when a datagram was last carried, in nanoseconds since began
	requests atomic.Int64
	answers  atomic.Int64
	sent     atomic.Int64
	received int64 // the goroutine's own, until it has ended
	broken   atomic.Bool
}

var errNoEndpoint = errors.New("l4: no endpoint for a datagram")

// newFlow picks an endpoint. UDP connects without asking anybody, so that this does not wait.
func newFlow(l *lane, k *packets, client netip.AddrPort, control []byte) (*flow, error) {
	f := &flow{lane: l, packets: k, client: client, control: bytes.Clone(control), began: time.Now()}
	var hint upstream.Hint
	hint.Key, hint.Keyed = l.upstream.Key(f)
	e, err := l.upstream.Pick(hint)
	if err != nil {
		return nil, errNoEndpoint // also where nobody knows any yet: the client asks again
	}
	f.endpoint = e
	c, err := (&net.Dialer{Timeout: l.plane.cfg.ConnectTimeout}).DialContext(context.Background(), "udp", e.Addr.String())
	if err != nil {
		e.Done(upstream.Abandoned) // such as that this process has no descriptors left
		return nil, err
	}
	f.up = c.(*net.UDPConn)
	return f, nil
}

// KeyPart takes the client's address into a key, as for connections.
func (f *flow) KeyPart(k upstream.Key, p *model.HashPart) (upstream.Key, bool) {
	if p.From != model.HashClient {
		return k, false
	}
	b := f.client.Addr().As16()
	return k.Add(string(b[:])), true
}

// forward sends a datagram of the client on. One that cannot be sent is lost, as on any network.
func (f *flow) forward(b []byte) {
	f.moved.Store(int64(time.Since(f.began)))
	f.requests.Add(1)
	n, err := f.up.Write(b)
	if err != nil {
		f.failed(err)
		return
	}
	f.sent.Add(int64(n))
}

// failed ends the session where its endpoint says that nobody is there, so that the client's next datagram goes to another one.
func (f *flow) failed(err error) {
	if errors.Is(err, syscall.ECONNREFUSED) {
		f.broken.Store(true)
		f.end()
	}
}

// end ends the session, from whatever goroutine.
func (f *flow) end() { _ = f.up.Close() }

// answer carries what comes back, until the session is over.
func (f *flow) answer() {
	r := f.reader()
	for {
		err := r.next()
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			if f.failed(err); !errors.Is(err, syscall.ECONNREFUSED) {
				f.end()
			}
			continue
		}
		if n := f.answers.Add(1); f.lane.responses > 0 && n >= int64(f.lane.responses)*f.requests.Load() {
			f.end()
		}
	}
	f.packets.forget(f)
	result := upstream.Succeeded
	switch {
	case f.broken.Load():
		result = upstream.Failed
	case f.answers.Load() == 0:
		result = upstream.Abandoned // nobody knows whether it should have answered
	}
	f.endpoint.Count(f.sent.Load(), f.received)
	f.endpoint.Done(result)
	f.lane.sent.Add(f.sent.Load())
	f.lane.received.Add(f.received)
	f.record()
	f.lane.leave(f)
}

// back sends a datagram of the endpoint to the client.
func (f *flow) back(b []byte) {
	f.moved.Store(int64(time.Since(f.began)))
	n, _, err := f.packets.conn.WriteMsgUDPAddrPort(b, f.control, f.client)
	if err == nil {
		f.received += int64(n)
	}
}

// record writes the line of the session.
func (f *flow) record() {
	l := f.lane
	a := telemetry.Access{
		Time: f.began, Listener: string(l.listener.ID), Node: l.listener.Node, Peer: f.client, Client: f.client.Addr().Unmap(), Route: string(l.route),
		Upstream: string(l.upstream.ID()), Endpoint: f.endpoint.Addr, Pod: f.endpoint.Name, Tries: 1, In: f.sent.Load(), Out: f.received, Total: time.Since(f.began),
	}
	if f.broken.Load() {
		a.Reason = string(upstream.CodeConnectRefused)
	}
	l.plane.cfg.Recorder.Record(&a)
}
