package l4

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/model"
	"paifang/internal/upstream"
)

// mostDatagram is the longest datagram that is carried, in bytes: the longest that there is (RFC 768).
const mostDatagram = 64 << 10

// packets is one bound UDP address with the sessions of its clients. It outlives generations as a TCP socket does: a change
// of rules leads new sessions elsewhere, and leaves those alone that there are.
type packets struct {
	plane *Plane
	at    netip.AddrPort // as configured: the port may be 0
	conn  *net.UDPConn
	lane  atomic.Pointer[lane] // of new sessions; nil: there are none any more
	ended sync.WaitGroup       // the reader, the sweeper and all sessions

	mu    sync.Mutex
	flows map[netip.AddrPort]*flow
	done  chan struct{} // closed with the socket
}

// bindPackets binds an address, without reading.
func (p *Plane) bindPackets(ctx context.Context, at netip.AddrPort) (*packets, error) {
	network := "udp"
	if at.Addr().Is4() {
		network = "udp4"
	}
	c, err := (&net.ListenConfig{}).ListenPacket(ctx, network, at.String())
	if err != nil {
		return nil, err
	}
	k := &packets{plane: p, at: at, conn: c.(*net.UDPConn), flows: map[netip.AddrPort]*flow{}, done: make(chan struct{})}
	askDestination(k.conn, at)
	return k, nil
}

// addr is the address as bound.
func (k *packets) addr() netip.AddrPort { return k.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// serve begins to read.
func (k *packets) serve() {
	k.ended.Go(k.read)
	k.ended.Go(k.sweep)
}

// close ends the socket and what is left of its sessions.
func (k *packets) close() {
	_ = k.conn.Close()
	close(k.done)
	k.mu.Lock()
	for _, f := range k.flows {
		f.end()
	}
	k.mu.Unlock()
	k.ended.Wait()
}

// read takes datagrams until the socket is closed: one goroutine for all clients, and nothing that waits.
func (k *packets) read() {
	buf := make([]byte, mostDatagram)
	control := make([]byte, controlRoom)
	for {
		n, c, _, from, err := k.conn.ReadMsgUDPAddrPort(buf, control)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // such as what ICMP says of a client that went: it is nobody else's matter
			select {
			case <-time.After(time.Millisecond):
			case <-k.done:
				return
			}
			continue
		}
		if f := k.flowOf(from, control[:c]); f != nil {
			f.forward(buf[:n])
		}
	}
}

// flowOf returns the session of a client, a new one where it has none; nil where it cannot have one.
func (k *packets) flowOf(from netip.AddrPort, control []byte) *flow {
	k.mu.Lock()
	f := k.flows[from]
	k.mu.Unlock()
	if f != nil {
		return f
	}
	l := k.lane.Load()
	if l == nil {
		return nil
	}
	return l.open(k, from, control)
}

// forget takes a session out.
func (k *packets) forget(f *flow) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.flows[f.client] == f {
		delete(k.flows, f.client)
	}
}

// sweepEvery is how often sessions are looked at, at most: one may be still for so much longer than it may.
const sweepEvery = time.Second

// sweep ends sessions on which nothing moved for as long as may be. While the plane has more than three quarters of the sessions
// that it may have, those that were never answered have a twentieth of the time: whoever sends from forged addresses opens such.
func (k *packets) sweep() {
	tick := time.NewTicker(min(sweepEvery, max(k.plane.cfg.DatagramIdle/4, time.Millisecond)))
	defer tick.Stop()
	for {
		select {
		case <-k.done:
			return
		case now := <-tick.C:
			crowded := k.plane.flows.Load() > int64(k.plane.cfg.Datagrams)*3/4
			k.mu.Lock()
			for _, f := range k.flows {
				idle := f.lane.idle
				if crowded && f.answers.Load() == 0 {
					idle /= 20
				}
				if now.Sub(f.began)-time.Duration(f.moved.Load()) >= idle {
					f.end()
				}
			}
			k.mu.Unlock()
		}
	}
}

// lane leads the sessions of a listener to an upstream, from the first generation that does to the end of the last session.
type lane struct {
	plane     *Plane
	listener  model.Listener
	route     model.RouteID
	upstream  *upstream.Handle
	idle      time.Duration
	responses int
	sockets   []*packets // by index into listener.Bind; nil where it could not be bound; under the plane's lock

	total, failed, cut atomic.Uint64
	sent, received     atomic.Int64

	flows guests[*flow]
}

// open makes the session of a client, and leads it to the endpoint whose turn it is.
func (l *lane) open(k *packets, client netip.AddrPort, control []byte) *flow {
	if l.plane.flows.Add(1) > int64(l.plane.cfg.Datagrams) {
		l.plane.flows.Add(-1)
		l.failed.Add(1)
		return nil
	}
	f, err := newFlow(l, k, client, control)
	if err != nil {
		l.plane.flows.Add(-1)
		l.failed.Add(1)
		return nil
	}
	if !l.flows.enter(f) { // in the moment that it retired: the client's next datagram finds what follows
		f.endpoint.Done(upstream.Abandoned)
		_ = f.up.Close()
		l.plane.flows.Add(-1)
		return nil
	}
	l.total.Add(1)
	k.mu.Lock()
	k.flows[client] = f
	k.mu.Unlock()
	k.ended.Go(f.answer)
	return f
}

// socketAt is the lane's socket at an address, nil where it has none. l may be nil.
func (l *lane) socketAt(at netip.AddrPort) *packets {
	if l == nil {
		return nil
	}
	for _, k := range l.sockets {
		if k != nil && k.at == at {
			return k
		}
	}
	return nil
}

// leave takes an ended session out.
func (l *lane) leave(f *flow) {
	l.plane.flows.Add(-1)
	l.flows.leave(f)
}

// retire waits until the sessions have ended, and ends those that are left when their time is over or ctx ends.
func (l *lane) retire(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.plane.cfg.DrainTimeout)
	defer cancel()
	l.flows.dismiss(ctx, func(f *flow) {
		f.end()
		l.cut.Add(1)
	})
	l.upstream.Release()
}

func (l *lane) status() ListenerStatus {
	out := ListenerStatus{Listener: l.listener.ID, Route: l.route, Upstream: l.upstream.ID(), Total: l.total.Load(), Failed: l.failed.Load(), Cut: l.cut.Load(),
		Sent: l.sent.Load(), Received: l.received.Load()}
	for _, k := range l.sockets {
		if k != nil {
			out.Addrs = append(out.Addrs, k.addr())
		}
	}
	out.Open = l.flows.open()
	return out
}
