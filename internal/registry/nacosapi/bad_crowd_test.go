package nacosapi

import (
	"fmt"
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
	for range maxForms {
		c, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(f.base, "http://"), contextPath))
		must(t, err)
		defer c.Close()
		_, err = fmt.Fprintf(c, "POST %s/v1/cs/configs HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\ndataId=", contextPath, maxConfig)
		must(t, err)
		slow = append(slow, c)
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
