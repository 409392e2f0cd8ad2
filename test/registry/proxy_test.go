package registry

import (
	"net"
	"sync"
	"testing"
)

// proxy forwards connections to one address, and can cut them: bytes stop, and new connections find nobody who answers. Neither
// side is told, as when a cable is cut.
type proxy struct {
	to string
	l  net.Listener

	mu    sync.Mutex
	isCut bool
	whole chan struct{} // closed while it is not cut
	open  map[net.Conn]struct{}
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	return newProxyAt(t, "127.0.0.1:0", to)
}

func newProxyAt(t *testing.T, at, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: to, l: l, whole: make(chan struct{}), open: map[net.Conn]struct{}{}}
	close(p.whole)
	t.Cleanup(p.close)
	go p.accept()
	return p
}

func (p *proxy) addr() string { return p.l.Addr().String() }

func (p *proxy) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		go p.serve(c)
	}
}

func (p *proxy) serve(c net.Conn) {
	p.pass() // a connection is accepted by the kernel at once; to whom it leads shows later
	d, err := net.Dial("tcp", p.to)
	if err != nil {
		c.Close()
		return
	}
	p.mu.Lock()
	p.open[c], p.open[d] = struct{}{}, struct{}{}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(c, d) })
	both.Go(func() { p.copy(d, c) })
	both.Wait()
	p.mu.Lock()
	delete(p.open, c)
	delete(p.open, d)
	p.mu.Unlock()
}

// copy moves bytes while the proxy is whole.
func (p *proxy) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 16<<10)
	for {
		n, err := from.Read(b)
		p.pass()
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass waits while the proxy is cut.
func (p *proxy) pass() {
	for {
		p.mu.Lock()
		isCut, whole := p.isCut, p.whole
		p.mu.Unlock()
		if !isCut {
			return
		}
		<-whole
	}
}

// cut stops everything.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isCut {
		p.isCut, p.whole = true, make(chan struct{})
	}
}

// heal lets everything pass again.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isCut {
		p.isCut = false
		close(p.whole)
	}
}

func (p *proxy) close() {
	p.l.Close()
	p.heal()
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.Close()
	}
}
