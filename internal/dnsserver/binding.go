package dnsserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"paifang/internal/model"
)

// binding is one address with its UDP and its TCP socket and the goroutines that read them.
type binding struct {
	s   *Server
	at  netip.AddrPort // as bound
	udp net.PacketConn
	tcp net.Listener

	running sync.WaitGroup
	mu      sync.Mutex
	conns   map[net.Conn]struct{}
	clients map[netip.Addr]int
	closing bool
}

// open binds both sockets. Where the system chooses the port, it does so for UDP, and TCP follows.
func open(ctx context.Context, s *Server, at netip.AddrPort) (*binding, error) {
	var err error
	for range 16 {
		var udp net.PacketConn
		if udp, err = s.o.Sockets.Packet(ctx, at); err != nil {
			return nil, err
		}
		actual := at
		if a, ok := udp.LocalAddr().(*net.UDPAddr); ok {
			actual = netip.AddrPortFrom(at.Addr(), uint16(a.Port))
		}
		var tcp net.Listener
		if tcp, err = s.o.Sockets.Stream(ctx, actual); err == nil {
			return &binding{s: s, at: actual, udp: udp, tcp: tcp, conns: map[net.Conn]struct{}{}, clients: map[netip.Addr]int{}}, nil
		}
		_ = udp.Close()
		if at.Port() != 0 {
			break
		}
	}
	return nil, err
}

func (b *binding) start() {
	// Several readers share the socket, so that answers use every processor and there is no goroutine per packet.
	readers := min(runtime.GOMAXPROCS(0), 8)
	replies := newReplies(b.udp, b.at)
	for range readers {
		b.running.Go(func() { b.readPackets(replies) })
	}
	b.running.Go(b.accept)
}

// close ends reading at once; wait returns when the last answer is written.
func (b *binding) close() {
	b.mu.Lock()
	b.closing = true
	for c := range b.conns {
		_ = c.SetReadDeadline(time.Now())
	}
	b.mu.Unlock()
	_ = b.udp.Close()
	_ = b.tcp.Close()
}

func (b *binding) wait() { b.running.Wait() }

// answer never lets a fault in the handling of one packet end the server.
func (b *binding) answer(packet []byte, most int, udp bool) (out []byte) {
	began := time.Now()
	var name model.Host
	defer func() {
		if p := recover(); p != nil {
			b.s.o.Log.Error("dns: question could not be handled", "panic", fmt.Sprint(p), "bytes", len(packet))
			out = nil
			if len(packet) >= headerSize {
				out = refusal(packet, 2) // SERVFAIL
			}
		}
		if out != nil {
			b.s.names.add(name, int(out[3]&0x0f), time.Since(began))
		}
	}()
	out, name = respond(b.s.current.Load(), packet, most, udp)
	return out
}

// counted is answer, and counts.
func (b *binding) counted(packet []byte, most int, udp bool) []byte {
	out := b.answer(packet, most, udp)
	b.s.counts.count(out, udp)
	return out
}

// pause waits after a fault of the system, longer each time, and tells whether to go on.
func (b *binding) pause(err error, failures *int) bool {
	b.mu.Lock()
	closing := b.closing
	b.mu.Unlock()
	if closing || errors.Is(err, net.ErrClosed) {
		return false
	}
	*failures++
	if *failures > 1 { // the first may be an ICMP error of an earlier answer, which the system reports here
		b.s.o.Log.Warn("dns: read failed", "address", b.at, "error", err)
		time.Sleep(min(time.Duration(*failures)*5*time.Millisecond, time.Second))
	}
	return true
}
