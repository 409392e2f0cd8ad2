package nacosapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/config"
	"paifang/internal/registry/storage"
)

// Nobody who is not known yet can have more than so many large forms read at one time. What is small waits for nobody, and a large one gets
// its turn when those before it are gone.
func TestLargeFormsTakeTurns(t *testing.T) {
	configs, err := config.Open(t.Context(), storage.NewMemory(), config.Options{})
	must(t, err)
	defer configs.Close()
	f := serve(t, Config{Configs: configs}, registry.Options{})
	publish := func() int {
		t.Helper()
		resp, err := http.Post(f.base+"/v1/cs/configs", "application/x-www-form-urlencoded",
			strings.NewReader("dataId=a&group=g&content="+strings.Repeat("a", smallForm)))
		must(t, err)
		defer resp.Body.Close()
		return resp.StatusCode
	}
	var slow []net.Conn
	for range 2 * maxForms { // who only announces much takes nobody's place
		f.announce(t, maxConfig, "dataId=")
	}
	for range maxForms {
		slow = append(slow, f.announce(t, maxConfig, "dataId="+strings.Repeat("a", smallForm)))
	}
	for end := time.Now().Add(5 * time.Second); len(f.forms) < maxForms; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d forms are read", len(f.forms))
		}
	}
	began := time.Now()
	resp, err := http.Post(f.base+"/v1/ns/instance", "application/x-www-form-urlencoded", strings.NewReader("serviceName=order&ip=10.0.0.1&port=80"))
	must(t, err)
	resp.Body.Close()
	if took := time.Since(began); resp.StatusCode != http.StatusOK || took > formWait/2 {
		t.Errorf("a small form: %d after %v", resp.StatusCode, took)
	}
	if status := publish(); status != http.StatusTooManyRequests {
		t.Errorf("one form more: %d", status)
	}
	for _, c := range slow {
		must(t, c.Close())
	}
	if status := publish(); status != http.StatusOK {
		t.Errorf("when the others are gone: %d", status)
	}
}

// announce sends the head of a form of so many bytes and the beginning of it.
func (f *fixture) announce(t *testing.T, length int, begin string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(f.base, "http://"), contextPath))
	must(t, err)
	t.Cleanup(func() { c.Close() })
	must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = fmt.Fprintf(c, "POST %s/v1/cs/configs HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", contextPath, length, begin)
	must(t, err)
	return c
}

// finalAnswer reads the answer to what was announced, after which the connection ends.
func finalAnswer(t *testing.T, c net.Conn) (int, string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	if !resp.Close {
		t.Errorf("%d: the connection goes on", resp.StatusCode)
	}
	return resp.StatusCode, string(body)
}

// Who announces more than is allowed is refused before anything of it has come.
func TestAnnouncedTooLarge(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	if status, body := finalAnswer(t, f.announce(t, maxConfig+1, "")); status != http.StatusRequestEntityTooLarge || !strings.Contains(body, "too large") {
		t.Errorf("%d %s", status, body)
	}
}

// A large form that does not go on is told so, and its place is free.
func TestStalledForms(t *testing.T) {
	f := serve(t, Config{Pause: 50 * time.Millisecond}, registry.Options{})
	for _, begin := range []string{"", "dataId=", strings.Repeat("a", smallForm+1)} {
		if status, body := finalAnswer(t, f.announce(t, maxConfig, begin)); status != http.StatusRequestTimeout || !strings.Contains(body, "did not come in time") {
			t.Errorf("after %d bytes: %d %s", len(begin), status, body)
		}
	}
	if n := len(f.forms); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

// What comes a byte at a time has no more time than any request.
func TestPacer(t *testing.T) {
	var until time.Time
	end := time.Now().Add(time.Minute)
	p := &pacer{strings.NewReader("ab"), func(at time.Time) error { until = at; return nil }, time.Second, end}
	_, err := p.Read(make([]byte, 1))
	must(t, err)
	if left := time.Until(until); left > time.Second || left < 0 {
		t.Errorf("a read has %v", left)
	}
	p.pause = time.Hour
	_, err = p.Read(make([]byte, 1))
	must(t, err)
	if !until.Equal(end) {
		t.Errorf("a read has %v, beyond the end", until.Sub(end))
	}
}

// Requests beyond those that one connection may have on their way wait at its client, and each is answered.
func TestManyRequestsOfOneConnection(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	c := dial(t, f.grpc).setup()
	large := &nacoswire.Payload{Type: nacoswire.TypeHealthCheck, Body: []byte(`{"requestId":"` + strings.Repeat("a", 256<<10) + `"}`)}
	var work sync.WaitGroup
	for range 4 * maxStreams {
		work.Go(func() {
			var a nacoswire.Payload
			if err := c.conn.Invoke(c.ctx, nacoswire.FullRequestMethod, large, &a); err != nil || a.Type != nacoswire.TypeHealthCheckAnswer {
				t.Errorf("%v, %s", err, a.Type)
			}
		})
	}
	work.Wait()
}
