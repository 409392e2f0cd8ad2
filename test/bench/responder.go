package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"syscall"
)

// responderCommand is the first argument of this program when it is the upstream.
const responderCommand = "responder"

// respond is the upstream: one thread, epoll, answers that were made before. It costs so little that the load generator
// is what bounds the rest of its core. The last segment of the path says how many bytes a request wants.
func respond(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: responder ADDRESS:PORT")
	}
	at, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		return fmt.Errorf("bind %s: %w", at, err)
	}
	if err := syscall.Listen(fd, 4096); err != nil {
		return err
	}
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	r := &responder{epoll: epoll, listener: fd, conns: map[int]*answering{}, answers: map[int][]byte{}, buf: make([]byte, 64<<10)}
	if err := syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}); err != nil {
		return err
	}
	return r.loop()
}

type responder struct {
	epoll, listener int
	conns           map[int]*answering
	answers         map[int][]byte // by body length
	buf             []byte
}

// answering is what a connection still has to take, and what has arrived of a request.
type answering struct {
	rest    []byte
	partial []byte
}

func (r *responder) loop() error {
	events := make([]syscall.EpollEvent, 256)
	for {
		n, err := syscall.EpollWait(r.epoll, events, -1)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range events[:n] {
			fd := int(e.Fd)
			switch {
			case fd == r.listener:
				r.accept()
			case e.Events&syscall.EPOLLOUT != 0 && len(r.conns[fd].rest) > 0:
				r.write(fd, r.conns[fd].rest)
			default:
				r.read(fd)
			}
		}
	}
}

func (r *responder) accept() {
	for {
		fd, _, err := syscall.Accept4(r.listener, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
		r.conns[fd] = &answering{}
		e := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | uint32(syscall.EPOLLET&0xffffffff), Fd: int32(fd)}
		if syscall.EpollCtl(r.epoll, syscall.EPOLL_CTL_ADD, fd, &e) != nil {
			r.drop(fd)
		}
	}
}

func (r *responder) drop(fd int) {
	delete(r.conns, fd)
	_ = syscall.Close(fd)
}

var headEnd = []byte("\r\n\r\n")

func (r *responder) read(fd int) {
	c := r.conns[fd]
	for {
		n, err := syscall.Read(fd, r.buf)
		if errors.Is(err, syscall.EAGAIN) {
			return
		}
		if n <= 0 || err != nil {
			r.drop(fd)
			return
		}
		data := r.buf[:n]
		if len(c.partial) > 0 {
			data = append(c.partial, data...)
			c.partial = nil
		}
		for {
			end := bytes.Index(data, headEnd)
			if end < 0 {
				break
			}
			if !r.answer(fd, data[:end]) {
				return
			}
			data = data[end+len(headEnd):]
		}
		if len(data) > 0 {
			c.partial = bytes.Clone(data)
		}
		if n < len(r.buf) {
			return // the edge comes again
		}
	}
}

// answer writes what a head asks for. It returns false if the connection is gone.
func (r *responder) answer(fd int, head []byte) bool {
	size := 100
	if line, _, ok := bytes.Cut(head, []byte(" HTTP/")); ok {
		if n, err := strconv.Atoi(string(line[bytes.LastIndexByte(line, '/')+1:])); err == nil {
			size = n
		}
	}
	text := r.answers[size]
	if text == nil {
		text = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", size, bytes.Repeat([]byte("x"), size))
		r.answers[size] = text
	}
	closing := bytes.Contains(head, []byte("\r\nConnection: close"))
	if c := r.conns[fd]; len(c.rest) > 0 {
		c.rest = append(bytes.Clone(c.rest), text...)
		return true
	}
	if !r.write(fd, text) {
		return false
	}
	if closing { // a short answer, which has left
		r.drop(fd)
	}
	return !closing
}

func (r *responder) write(fd int, text []byte) bool {
	c := r.conns[fd]
	for len(text) > 0 {
		n, err := syscall.Write(fd, text)
		if errors.Is(err, syscall.EAGAIN) {
			break
		}
		if err != nil {
			r.drop(fd)
			return false
		}
		text = text[n:]
	}
	c.rest = text
	return true
}
