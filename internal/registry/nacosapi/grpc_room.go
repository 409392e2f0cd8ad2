package nacosapi

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/nacoswire"
)

// A request carries its token, so it is read before it is known who sent it: with all its streams one connection could have this process
// hold maxStreams messages. So a connection on which nobody has been let in yet may have a little on its way, which is what clients begin
// with, and for more it needs one of a few places, for a short time. What is on its way is counted where bytes come in: gRPC tells of a
// message when it is whole.
const (
	freeRoom  = smallForm          // bytes of each connection, without a place
	mostRoom  = maxMessage + 1<<20 // bytes of one that has a place
	maxPlaces = 8                  // of all connections
	placeFor  = 5 * time.Second    // until a place has to be free again
	frameHead = 9                  // bytes of a frame of HTTP/2 before what is in it (RFC 9113, 4.1)
	frameMost = 16 << 10           // bytes in a frame, as long as nobody has said otherwise (RFC 9113, 6.5.2)
	prefix    = 5                  // bytes before a message of gRPC
)

var errRoom = errors.New("too much is on its way before it is known who sends it")

// room is what a connection has on its way, as long as nobody has been let in on it. Of no connection, nil, nothing is counted.
type room struct {
	known  atomic.Bool // somebody was: nothing is counted any more
	places chan struct{}
	gone   chan struct{} // closed with the connection

	mu     sync.Mutex
	closed bool
	held   int         // bytes that were read and not dealt with
	calls  int         // on their way
	place  *time.Timer // ends the connection that keeps its place; nil: it has none
}

// Read implements net.Conn. Who has too much on its way waits for a place, and with it all that comes on this connection.
func (c *trackedConn) Read(b []byte) (int, error) {
	if c.room.known.Load() {
		return c.Conn.Read(b)
	}
	if err := c.enter(); err != nil {
		c.all.log.warn("gRPC", c.RemoteAddr().String(), err)
		return 0, err
	}
	n, err := c.Conn.Read(b)
	c.room.mu.Lock()
	c.room.held += n
	c.room.mu.Unlock()
	return n, err
}

// enter waits until the connection may read on.
func (c *trackedConn) enter() error {
	r := &c.room
	r.mu.Lock()
	held, placed := r.held, r.place != nil
	r.mu.Unlock()
	switch {
	case held > mostRoom:
		return fmt.Errorf("nacosapi: read: %w: %d bytes", errRoom, held)
	case held <= freeRoom || placed:
		return nil
	}
	late := time.NewTimer(formWait)
	defer late.Stop()
	select {
	case r.places <- struct{}{}:
	case <-r.gone:
		return net.ErrClosed
	case <-late.C:
		return fmt.Errorf("nacosapi: read: %w: %d bytes, and there is no place", errRoom, held)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.known.Load() || r.held <= freeRoom { // meanwhile
		<-r.places
		return nil
	}
	var place *time.Timer
	place = time.AfterFunc(placeFor, func() {
		r.mu.Lock()
		late := r.place == place
		r.mu.Unlock()
		if late {
			c.all.log.warn("gRPC", c.RemoteAddr().String(), fmt.Errorf("nacosapi: read: %w: not there within %s", errRoom, placeFor))
			_ = c.Close()
		}
	})
	r.place = place
	return nil
}

// leave gives the place back, if there is one. The mutex is held.
func (r *room) leave() {
	if r.place != nil {
		r.place.Stop()
		r.place = nil
		<-r.places
	}
}

// end is called when the connection ends.
func (r *room) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		close(r.gone)
		r.leave()
	}
}

// settle takes bytes off that were dealt with.
func (r *room) settle(n int) {
	if r == nil || r.known.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held = max(r.held-n, 0); r.held <= freeRoom {
		r.leave()
	}
}

// know ends counting: somebody was let in.
func (r *room) know() {
	if r == nil || r.known.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known.Store(true)
	r.leave()
}

// call counts calls that begin, by 1, and end, by -1. While there are none nothing is held but what is of no call: this is where it is
// forgotten.
func (r *room) call(by int) {
	if r == nil || r.known.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls += by; r.calls == 0 {
		r.held = 0
		r.leave()
	}
}

// sizeOf is how many bytes a message was on the wire.
func sizeOf(p *nacoswire.Payload) int {
	n := prefix + p.Size
	return n + frameHead*(1+n/frameMost)
}
