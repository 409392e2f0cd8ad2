// Package quotatest has as much of Redis as package quota asks for, for tests.
package quotatest

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is as much of Redis as a store asks for. What the script does is done in Go.
type Server struct {
	net.Listener
	wg sync.WaitGroup

	mu     sync.Mutex
	conns  []net.Conn
	full   map[string]float64 // in microseconds
	loaded bool               // the script is known
	mute   bool               // nothing is answered
	needs  Needs
	slow   time.Duration // before a count is answered
}

// Needs is what a connection has to say before anything is counted.
type Needs struct {
	Username, Password string // "" = the default user, and none
	Database           int    // that is counted in, and no other
}

// New starts a server, which ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &Server{Listener: ln, full: map[string]float64{}}
	f.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns = append(f.conns, c)
			f.mu.Unlock()
			f.wg.Go(func() { f.serve(c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		f.mu.Lock()
		for _, c := range f.conns {
			c.Close()
		}
		f.mu.Unlock()
		f.wg.Wait()
	})
	return f
}

func (f *Server) serve(c net.Conn) {
	r := bufio.NewReader(c)
	var said Needs
	for {
		command, err := readCommand(r)
		if err != nil {
			return
		}
		answer := f.answer(command, &said)
		if strings.HasPrefix(answer, "*") {
			f.mu.Lock()
			slow := f.slow
			f.mu.Unlock()
			time.Sleep(slow) // it is what this is about
		}
		if answer != "" {
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
		}
	}
}

func readCommand(r *bufio.Reader) ([]string, error) {
	number := func(kind byte) (int, error) {
		line, err := r.ReadString('\n')
		if err != nil || line[0] != kind {
			return 0, fmt.Errorf("no command: %q %w", line, err)
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number('*')
	if err != nil {
		return nil, err
	}
	out := make([]string, n)
	for i := range out {
		size, err := number('$')
		if err != nil {
			return nil, err
		}
		b := make([]byte, size+2)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		out[i] = string(b[:size])
	}
	return out, nil
}

// answer is that to a command on a connection that has said so much before.
func (f *Server) answer(command []string, said *Needs) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mute {
		return ""
	}
	name := strings.ToUpper(command[0])
	switch name {
	case "AUTH":
		said.Username, said.Password = "", command[len(command)-1]
		if len(command) == 3 {
			said.Username = command[1]
		}
	case "SELECT":
		said.Database, _ = strconv.Atoi(command[1])
	}
	if strings.HasPrefix(name, "EVAL") && *said != f.needs {
		return "-NOPERM this user has no permissions to run the command\r\n"
	}
	switch name {
	case "EVALSHA":
		if !f.loaded {
			return "-NOSCRIPT No matching script.\r\n"
		}
	case "EVAL":
		f.loaded = true
	case "HELLO":
		return "-ERR unknown command\r\n"
	default:
		return "+OK\r\n"
	}
	key := command[3]
	every, _ := strconv.ParseFloat(command[4], 64)
	depth, _ := strconv.ParseFloat(command[5], 64)
	want, _ := strconv.ParseFloat(command[6], 64)
	now := float64(time.Now().UnixMicro())
	full := max(f.full[key], now)
	room := math.Floor((now-full)/every + depth + 0.001)
	if room < 1 {
		return fmt.Sprintf("*3\r\n:0\r\n:%d\r\n:0\r\n", int(full-now-(depth-1)*every)+1)
	}
	lent := min(room, want)
	f.full[key] = full + lent*every
	return fmt.Sprintf("*3\r\n:%d\r\n:0\r\n:%d\r\n", int(lent), int(room-lent))
}

// Need has connections say so much.
func (f *Server) Need(n Needs) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.needs = n
}

// Slow has counts answered so much later.
func (f *Server) Slow(by time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slow = by
}

// Mute has nothing answered, or again.
func (f *Server) Mute(mute bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mute = mute
}

// Restart has the server forget the script.
func (f *Server) Restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loaded = false
}
