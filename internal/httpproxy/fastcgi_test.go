package httpproxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
)

// A body that is too long to be sent without its length is the client's doing: the endpoint is not taken from others for it, and nobody waits
// for an answer to what was never sent.
func TestLongBodyOverFastCGI(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = fcgi.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	}()
	t.Cleanup(func() { ln.Close(); <-ended })
	s := newStand(t, func(_ *stand, c *Config) { c.Timeouts.Response = 5 * time.Second })
	s.list("php", ln.Addr().String())
	s.route("r", "/", "php")
	s.speaks(model.FCGI)
	s.publish()
	for _, pause := range []time.Duration{0, 200 * time.Millisecond} { // all at once, and part by part
		c, err := net.Dial("tcp", s.addr("front"))
		if err != nil {
			t.Fatal(err)
		}
		part := "80000\r\n" + strings.Repeat("x", 0x80000) + "\r\n"
		go func() {
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
			for range 3 {
				time.Sleep(pause)
				_, _ = io.WriteString(c, part)
			}
		}()
		began := time.Now()
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != 413 || r.Header.Get("X-Paifang-Reason") != "body-too-large" || time.Since(began) > 4*time.Second {
			t.Errorf("pause %s: %s %v after %s", pause, r.Status, r.Header, time.Since(began))
		}
		c.Close()
	}
}
