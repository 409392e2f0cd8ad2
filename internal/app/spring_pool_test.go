package app

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/springgw"
)

// TestSpringPool: connections to services wait for requests, and live, no longer than httpclient.pool says.
func TestSpringPool(t *testing.T) {
	t.Parallel() // it waits for connections to grow old
	for _, c := range []struct {
		settings string
		want     int64
	}{
		{"{}", 1},
		{"{max-idle-time: 200ms}", 2},
		{"{max-life-time: 200ms}", 2},
		{"{max-idle-time: soon}", 1},
	} {
		var made atomic.Int64
		up := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		up.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				made.Add(1)
			}
		}
		up.Start()
		t.Cleanup(up.Close)
		dir := t.TempDir()
		text := fmt.Sprintf("spring.cloud.gateway:\n  httpclient.pool: %s\n  routes:\n  - {id: a, uri: %q, predicates: [\"Path=/**\"]}\n", c.settings, up.URL)
		if err := os.WriteFile(filepath.Join(dir, "application.yml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		groups, err := springgw.Load(springgw.Config{Paths: []string{dir}})
		if err != nil {
			t.Fatal(err)
		}
		groups = append(groups, source.Group{Key: "listener", Objects: &model.Objects{Listeners: []model.Listener{
			{ID: "http", Class: "gateway", Protocol: model.HTTP, HostRule: model.HostFalls, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}}}})
		at := netip.MustParseAddrPort(newChain(t, groups).address())
		for range 2 {
			if got := statusOf(at, "/"); got != 200 {
				t.Fatalf("%s: %d", c.settings, got)
			}
			time.Sleep(300 * time.Millisecond) // that is what the settings are about
		}
		if got := made.Load(); got != c.want {
			t.Errorf("%s: %d connections for two requests, want %d", c.settings, got, c.want)
		}
	}
}
