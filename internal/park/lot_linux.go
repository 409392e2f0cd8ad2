package park

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Lot is where connections wait.
type Lot struct {
	set    *os.File // an epoll set, which the runtime's own poller waits for: no thread is held by it
	raw    syscall.RawConn
	events [128]unix.EpollEvent // of the goroutine that waits
	wg     sync.WaitGroup       // that goroutine, and those of who was woken

	mu     sync.Mutex
	last   Ticket // no ticket is given twice, so that an event which is late finds nobody
	parked map[Ticket]spot
	closed bool
}

// spot is who waits, and on what.
type spot struct {
	conn  syscall.RawConn
	waker Waker
}

// New returns an empty Lot. Close ends it. The error is errors.ErrUnsupported on systems without one, else that of the system.
func New() (*Lot, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("park: make lot: %w", os.NewSyscallError("epoll_create1", err))
	}
	if err := unix.SetNonblock(fd, true); err != nil { // else os takes it for something that cannot be waited for
		_ = unix.Close(fd)
		return nil, fmt.Errorf("park: make lot: %w", os.NewSyscallError("fcntl", err))
	}
	l := &Lot{set: os.NewFile(uintptr(fd), "park"), parked: map[Ticket]spot{}}
	if l.raw, err = l.set.SyscallConn(); err != nil {
		_ = l.set.Close()
		return nil, fmt.Errorf("park: make lot: %w", err)
	}
	l.wg.Go(l.wait)
	return l, nil
}

// Park has a connection wait until something can be read from it, its other side has ended, or Recall. The caller has read all that
// had come, and touches the connection no more: Wake goes on. What comes while this is called wakes at once. The connection must not be closed
// before Wake. After an error, ErrClosed or the system's, nobody is parked.
func (l *Lot) Park(conn syscall.RawConn, w Waker) (Ticket, error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return 0, ErrClosed
	}
	l.last++
	t := l.last
	l.parked[t] = spot{conn, w}
	l.mu.Unlock()
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: int32(t), Pad: int32(t >> 32)}
	err := l.control(conn, unix.EPOLL_CTL_ADD, &event)
	if err == nil {
		return t, nil
	}
	if _, there := l.take(t); !there { // Close has woken it
		return t, nil
	}
	return 0, fmt.Errorf("park: add connection: %w", err)
}

// control changes what the set has of a connection. While it does the descriptor is that of the connection, whoever closes it.
func (l *Lot) control(conn syscall.RawConn, op int, event *unix.EpollEvent) error {
	var failed error
	err := l.raw.Control(func(set uintptr) {
		err := conn.Control(func(fd uintptr) {
			failed = os.NewSyscallError("epoll_ctl", unix.EpollCtl(int(set), op, int(fd), event))
		})
		if err != nil {
			failed = err
		}
	})
	return errors.Join(err, failed)
}

// Recall wakes who has this ticket, and tells whether it was still parked: if not, it is awake by itself.
func (l *Lot) Recall(t Ticket) bool {
	s, there := l.take(t)
	if there {
		l.rouse(s)
	}
	return there
}

// take takes a ticket out. Whoever gets its spot has to wake who is in it.
func (l *Lot) take(t Ticket) (spot, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, there := l.parked[t]
	delete(l.parked, t)
	return s, there
}

// rouse wakes who was taken out. The connection leaves the set first: what wakes may close it.
func (l *Lot) rouse(s spot) {
	_ = l.control(s.conn, unix.EPOLL_CTL_DEL, nil) // one that somebody has closed has left by that
	l.wg.Go(s.waker.Wake)
}

// Parked is how many wait.
func (l *Lot) Parked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.parked)
}

// wait is the goroutine that waits for all.
func (l *Lot) wait() {
	n := 0
	look := func(set uintptr) bool {
		for {
			var err error
			if n, err = unix.EpollWait(int(set), l.events[:], 0); !errors.Is(err, unix.EINTR) {
				return n > 0
			}
		}
	}
	for l.raw.Read(look) == nil { // until Close
		for _, e := range l.events[:n] {
			l.Recall(Ticket(uint32(e.Fd)) | Ticket(uint32(e.Pad))<<32)
		}
	}
}

// Close wakes who is parked and waits until everybody who was woken has returned.
func (l *Lot) Close() {
	l.mu.Lock()
	left := l.parked
	l.parked, l.closed = map[Ticket]spot{}, true
	l.mu.Unlock()
	for _, s := range left {
		l.rouse(s)
	}
	_ = l.set.Close()
	l.wg.Wait()
}
