package httpproxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"paifang/internal/listener"
	"paifang/internal/model"
)

// parking has connections parked as soon as they are idle.
func parking(s *stand, c *Config) {
	withTLS(s, c)
	c.parkAfter = time.Nanosecond
}

// parks is a stand whose connections are parked soon.
func parks(t *testing.T, f answerFunc, change func(*stand, *Config)) *stand {
	t.Helper()
	s, _ := simple(t, f, func(s *stand, c *Config) {
		parking(s, c)
		if change != nil {
			change(s, c)
		}
	})
	s.certs = []model.Certificate{certificate(t, "shop", "shop.test")}
	s.publish()
	s.plane.hurry(0)
	return s
}

// parked waits until so many connections are.
func (s *stand) parked(n int) {
	s.t.Helper()
	eventually(s.t, func() bool { return s.plane.lot.Parked() == n })
}

// open is how many connections the engine has.
func (s *stand) open() (n int) {
	for _, l := range s.plane.Listeners() {
		n += l.Open
	}
	return n
}

// both runs a test in clear text and over TLS.
func both(t *testing.T, f func(t *testing.T, dial func(s *stand) *client)) {
	t.Run("clear text", func(t *testing.T) { f(t, (*stand).dial) })
	t.Run("TLS", func(t *testing.T) { f(t, func(s *stand) *client { return s.secure("shop.test") }) })
}

// TestIdleConnectionsHaveNoGoroutine: however many wait, in whichever way, none has one; and each is served when it asks again.
func TestIdleConnectionsHaveNoGoroutine(t *testing.T) {
	both(t, func(t *testing.T, dial func(s *stand) *client) {
		const n = 100
		s := parks(t, echo, nil)
		before := runtime.NumGoroutine()
		var all [n]*client
		for i := range all {
			all[i] = dial(s)
			if i%4 > 0 { // the others wait for their first request
				all[i].send(get("/")).receive("GET").echoed(t)
			}
		}
		s.parked(n)
		eventually(t, func() bool { return runtime.NumGoroutine() < before+n/4 }) // the upstream has some
		if got := s.open(); got != n {
			t.Errorf("%d are open, want %d", got, n)
		}
		for range 2 {
			for i, c := range all {
				e := c.send(get(fmt.Sprintf("/%d", i))).receive("GET").echoed(t)
				if want := fmt.Sprintf("GET /%d HTTP/1.1", i); e.Line != want {
					t.Errorf("%q is answered with %q", want, e.Line)
				}
			}
			s.parked(n)
		}
		for _, c := range all {
			c.Close()
		}
		eventually(t, func() bool { return s.open() == 0 && s.plane.lot.Parked() == 0 })
	})
}

func TestParkedClientLeaves(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(c *net.TCPConn){
		"closes":                  func(c *net.TCPConn) { c.Close() },
		"closes its sending side": func(c *net.TCPConn) { _ = c.CloseWrite() },
		"resets":                  func(c *net.TCPConn) { _ = c.SetLinger(0); c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, dial func(s *stand) *client) {
				s := parks(t, echo, nil)
				c := dial(s)
				c.send(get("/")).receive("GET")
				s.parked(1)
				conn := c.Conn
				if t, ok := conn.(*tls.Conn); ok {
					conn = t.NetConn()
				}
				leave(conn.(*net.TCPConn))
				eventually(t, func() bool { return s.open() == 0 && s.plane.lot.Parked() == 0 && s.sockets.Sockets()[0].Open == 0 })
			})
		})
	}
}

// TestParkedConnectionsAreDrained: a listener that goes ends what is idle as it does with a goroutine, and not after its time for a drain.
func TestParkedConnectionsAreDrained(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, dial func(s *stand) *client) {
		s := parks(t, echo, func(_ *stand, c *Config) { c.Timeouts.Drain = time.Minute })
		var all [20]*client
		for i := range all {
			all[i] = dial(s)
			all[i].send(get("/")).receive("GET")
		}
		s.parked(len(all))
		s.listeners = nil
		s.publish()
		for _, c := range all {
			c.closed()
		}
		eventually(t, func() bool { return s.open() == 0 && s.plane.lot.Parked() == 0 })
		for _, l := range s.plane.Listeners() {
			if l.Cut > 0 {
				t.Errorf("%d connections were cut", l.Cut)
			}
		}
	})
}

// TestIdleTimeoutOfParkedConnections: it counts from the last request on, whatever comes that is none.
func TestIdleTimeoutOfParkedConnections(t *testing.T) {
	t.Parallel()
	const idle = 600 * time.Millisecond
	both(t, func(t *testing.T, dial func(s *stand) *client) {
		s := parks(t, echo, func(_ *stand, c *Config) { c.Timeouts.Idle = idle })
		c := dial(s)
		began := time.Now()
		c.send(get("/")).receive("GET")
		s.parked(1)
		if secured, ok := c.Conn.(*tls.Conn); ok { // a record that never ends
			if _, err := secured.NetConn().Write([]byte{23}); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() bool { return s.plane.lot.Parked() == 0 })
			s.parked(1)
		}
		c.closed()
		if took := time.Since(began); took < idle || took > idle+2*time.Second {
			t.Errorf("it is closed after %v, want %v", took, idle)
		}
	})
}

func TestPressureEndsParkedConnections(t *testing.T) {
	var p pressed
	s := parks(t, echo, func(_ *stand, c *Config) { c.Pressure = &p })
	c := s.dial()
	c.send(get("/")).receive("GET")
	s.parked(1)
	p.idle.Store(int64(time.Minute)) // it is younger
	c.send(get("/")).receive("GET")
	s.parked(1)
	p.idle.Store(int64(10 * time.Millisecond))
	c.closed()
}

// TestWhatHasBegunIsNotParked: neither a request that waits behind another, nor one of which a part has come.
func TestWhatHasBegunIsNotParked(t *testing.T) {
	both(t, func(t *testing.T, dial func(s *stand) *client) {
		s := parks(t, echo, nil)
		c := dial(s)
		for range 3 {
			c.send(strings.Repeat(get("/"), 20) + get("/half")[:10])
			for range 20 {
				c.receive("GET").echoed(t)
			}
			ticks := s.plane.clock.Load()
			eventually(t, func() bool { return s.plane.clock.Load() > ticks+100 }) // the sweeper has looked
			if n := s.plane.lot.Parked(); n != 0 {
				t.Errorf("%d are parked in the middle of a request", n)
			}
			if e := c.send(get("/half")[10:]).receive("GET").echoed(t); e.Line != "GET /half HTTP/1.1" {
				t.Errorf("%+v", e)
			}
			s.parked(1)
		}
	})
}

func TestParkedClientBeginsHTTP2(t *testing.T) {
	s := parks(t, echo, nil)
	c := s.dial()
	s.parked(1)
	c.send(http2.ClientPreface[:5])
	ticks := s.plane.clock.Load()
	eventually(t, func() bool { return s.plane.clock.Load() > ticks+100 })
	c.send(http2.ClientPreface[5:] + "\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	var head [9]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil || http2.FrameType(head[3]) != http2.FrameSettings {
		t.Errorf("answered with %v, %v", head, err)
	}
}

func TestParkedClientKeepsItsAddress(t *testing.T) {
	t.Parallel()
	s := parks(t, echo, func(s *stand, _ *Config) {
		s.listeners[0].Trust.ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	c := s.dial().send("PROXY TCP4 127.0.0.99 127.0.0.10 4711 80\r\n")
	for i := range 3 {
		s.parked(1)
		if h := c.send(get("/")).receive("GET").echoed(t).Head; h["x-forwarded-for"] != "127.0.0.99" {
			t.Errorf("%v", h)
		}
		if r := s.last(i + 1); r.Peer.String() != "127.0.0.99:4711" || r.Client.String() != "127.0.0.99" {
			t.Errorf("the log has %+v", r)
		}
	}
}

// TestParkedAreWokenAtOnce: all that wait ask at the same moment. They are another process's, which has descriptors of its own.
func TestParkedAreWokenAtOnce(t *testing.T) {
	n := 10_000
	if raceEnabled || testing.Short() {
		n = 1000
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < uint64(n)+1000 {
		t.Skipf("%d connections need %d descriptors (ulimit -n)", n, n+1000)
	}
	s := newStand(t, func(s *stand, c *Config) {
		c.parkAfter = time.Nanosecond
		s.sockets = listener.NewSet(listener.Config{MaxTotal: 2 * n, MaxPerSocket: 2 * n})
		c.Listeners = s.sockets
	})
	s.route("all", "/", "", func(r *model.Route) { r.Action = model.Respond{Status: 200, Body: "ok"} })
	s.publish()
	gate, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Close()
	line, stop := process(t, fmt.Sprintf("crowd %s %s %d", gate.Addr(), s.addr("front"), n))
	defer stop()
	opens, err := gate.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer opens.Close()
	s.parked(n)
	if now := runtime.NumGoroutine(); now > n/10 {
		t.Errorf("%d goroutines with %d parked", now, n)
	}
	opens.Close()
	if got := line(); got != strconv.Itoa(n) {
		t.Errorf("%s of %d were answered", got, n)
	}
	s.parked(n)
}

// TestParkingRacesWithTheDrain: clients that ask now and then are answered, or their connection ends between two requests, while
// connections are parked, woken and drained all the time.
func TestParkingRacesWithTheDrain(t *testing.T) {
	t.Parallel()
	s := parks(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), nil)
	s.plane.tick.Store(int64(time.Millisecond))
	s.plane.hurried <- struct{}{}
	var wg sync.WaitGroup
	for range 5 {
		for i := range 20 {
			c := s.dial()
			wg.Go(func() {
				for pause := time.Duration(i) * time.Millisecond / 4; ; time.Sleep(pause) {
					if _, err := io.WriteString(c, get("/")); err != nil {
						return
					}
					r, err := readReply(c.r, "GET")
					if err == nil && r.status == "HTTP/1.1 200 OK" {
						continue
					}
					if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
						t.Errorf("nobody answers and nobody closes: %v", err)
					}
					return
				}
			})
		}
		ticks := s.plane.clock.Load()
		eventually(t, func() bool { return s.plane.clock.Load() > ticks+200 })
		kept := s.listeners
		s.listeners = nil
		s.publish()
		wg.Wait()
		eventually(t, func() bool { return s.open() == 0 && s.plane.lot.Parked() == 0 })
		s.listeners = kept
		s.publish()
	}
}
