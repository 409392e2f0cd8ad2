package podrun

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// The measures of a mapping.
const (
	mapTry   = 20 * time.Millisecond  // between two looks whether the process listens
	mapBind  = 500 * time.Millisecond // between two tries to bind an address that is taken
	mapDial  = time.Second            // of one connect to the process
	mapConns = 1024                   // connections at a time through one mapping; further ones wait in the backlog
)

// mapping carries TCP connections from one address to another. It begins to listen when the process behind it does,
// and ends with it: a port that nobody serves is refused as it is in a cluster, not accepted and then dropped.
type mapping struct {
	from, to netip.AddrPort
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// startMapping begins. bound is told when from cannot be bound, once, and with nil when it can at last.
func startMapping(ctx context.Context, from, to netip.AddrPort, bound func(error)) *mapping {
	ctx, cancel := context.WithCancel(ctx)
	m := &mapping{from: from, to: to, stop: cancel}
	m.done.Go(func() {
		if !listens(ctx, to) {
			return
		}
		l := m.bind(ctx, bound)
		if l == nil {
			return
		}
		stop := context.AfterFunc(ctx, func() { _ = l.Close() })
		defer stop()
		m.accept(ctx, l)
	})
	return m
}

// bind tries until it succeeds, or ctx ends: then it returns nil.
func (m *mapping) bind(ctx context.Context, bound func(error)) net.Listener {
	failed := false
	for {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", m.from.String())
		switch {
		case err == nil:
			if failed {
				bound(nil)
			}
			return l
		case !failed && ctx.Err() == nil:
			failed = true
			bound(fmt.Errorf("podrun: map %s to %s: %w", m.from, m.to, err))
		}
		if !pause(ctx, mapBind) {
			return nil
		}
	}
}

// close ends the mapping and its connections.
func (m *mapping) close() {
	m.stop()
	m.done.Wait()
}

func (m *mapping) accept(ctx context.Context, l net.Listener) {
	defer func() { _ = l.Close() }()
	slots := make(chan struct{}, mapConns)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			<-slots
			if !pause(ctx, mapTry) { // out of descriptors: it passes
				return
			}
			continue
		}
		m.done.Go(func() {
			defer func() { <-slots }()
			m.carry(ctx, c.(*net.TCPConn))
		})
	}
}

// carry copies both ways, and passes on the end of each. A connection that the process refuses is reset.
func (m *mapping) carry(ctx context.Context, client *net.TCPConn) {
	d := net.Dialer{Timeout: mapDial}
	c, err := d.DialContext(ctx, "tcp", m.to.String())
	if err != nil {
		_ = client.SetLinger(0)
		_ = client.Close()
		return
	}
	process := c.(*net.TCPConn)
	stop := context.AfterFunc(ctx, func() {
		_ = client.SetLinger(0)
		_ = client.Close()
		_ = process.Close()
	})
	defer stop()
	var back sync.WaitGroup
	back.Go(func() { pipe(process, client) })
	pipe(client, process)
	back.Wait()
	_ = client.Close()
	_ = process.Close()
}

// pipe copies until from ends, and tells to so. A connection that broke breaks the other one.
func pipe(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.SetLinger(0)
		_ = from.SetLinger(0)
		_ = to.Close()
		_ = from.Close()
		return
	}
	_ = to.CloseWrite()
}

// listens waits until something accepts connections at an address. It is false when ctx ends first.
func listens(ctx context.Context, at netip.AddrPort) bool {
	for {
		if connects(ctx, at, mapDial) == nil {
			return true
		}
		if !pause(ctx, mapTry) {
			return false
		}
	}
}

// connects makes a connection and closes it.
func connects(ctx context.Context, at netip.AddrPort, timeout time.Duration) error {
	d := net.Dialer{Timeout: timeout}
	c, err := d.DialContext(ctx, "tcp", at.String())
	if err != nil {
		return err
	}
	return c.Close()
}

// pause waits and tells whether the time passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
