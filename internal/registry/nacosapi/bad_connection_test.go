package nacosapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/config"
	"paifang/internal/registry/storage"
)

// A client that reads and answers, but acknowledges no push, is told again, one message at a time, and the log says so once.
func TestNeverAcknowledges(t *testing.T) {
	t.Parallel()
	var log logbook
	f := serve(t, Config{Log: log.logger(), Confirm: time.Hour, Ack: 20 * time.Millisecond, Retry: 10 * time.Millisecond}, registry.Options{})
	c, good := dial(t, f.grpc).setup(), dial(t, f.grpc).setup()
	c.subscribe("")
	good.subscribe("")
	var told []string
	for i := range 10 {
		must(t, f.registry().Register(order, instance(fmt.Sprintf("10.0.0.%d:80", i+1))))
		if got := hosts(good.push()); !strings.HasSuffix(got, fmt.Sprintf("10.0.0.%d", i+1)) {
			t.Fatalf("who acknowledges is told %s", got)
		}
		told = append(told, c.pushed().RequestID)
	}
	for len(told) < 30 {
		told = append(told, c.pushed().RequestID)
	}
	f.sessions.each(func(x *session, _ peer) {
		x.mu.Lock()
		defer x.mu.Unlock()
		if len(x.pushes.acks) > 1 || len(x.pushes.all) != 1 {
			t.Errorf("%d messages are on their way about %d services", len(x.pushes.acks), len(x.pushes.all))
		}
	})
	if n := len(log.lines("acknowledge")); n != 1 {
		t.Errorf("%d lines in the log: %v", n, log.lines(""))
	}
	if f.registry().Stats().Connections != 2 {
		t.Error("its connection was ended")
	}
}

// strait is a connection between a client and a server that can be blocked: nothing passes any more, and neither side is told.
func strait(t *testing.T, to string) (at string, block func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var all sync.WaitGroup
	ctx, blocked := context.WithCancel(context.Background())
	var mu sync.Mutex
	var open []net.Conn
	keep := func(c net.Conn) net.Conn {
		mu.Lock()
		defer mu.Unlock()
		open = append(open, c)
		return c
	}
	pass := func(from, to net.Conn) {
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			if ctx.Err() != nil { // read, and lost
				if err != nil {
					return
				}
				continue
			}
			if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
				from.Close()
				to.Close()
				return
			}
		}
	}
	all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			all.Go(func() { pass(keep(near), keep(far)) })
			all.Go(func() { pass(far, near) })
		}
	})
	t.Cleanup(func() {
		blocked()
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return l.Addr().String(), blocked
}

// A client whose network is gone without a word is missed by its silence, and takes what it published with it; so is one that goes
// in the midst of its handshake.
func TestHalfOpenConnections(t *testing.T) {
	t.Parallel()
	var log logbook
	f := serve(t, Config{Log: log.logger(), Idle: 300 * time.Millisecond, Detect: 200 * time.Millisecond}, registry.Options{})
	at, block := strait(t, f.grpc)
	c := dial(t, at).setup()
	c.register("order", "10.0.0.1")
	c.subscribe("")
	early, err := net.Dial("tcp", at)
	must(t, err)
	defer early.Close()
	_, err = io.WriteString(early, "PRI * HTTP/2.0")
	must(t, err)
	eventually(t, "both are connected", func() bool { f.conns.mu.Lock(); defer f.conns.mu.Unlock(); return len(f.conns.open) == 2 })
	block()
	began := time.Now()
	eventually(t, "what it published is gone", func() bool { return instances(f.registry().View(order)) == "" })
	eventually(t, "the sockets are", func() bool { f.conns.mu.Lock(); defer f.conns.mu.Unlock(); return len(f.conns.open) == 0 })
	if took := time.Since(began); took > 8*time.Second { // gRPC's own bound of a handshake is 5 s
		t.Errorf("that took %v", took)
	}
	if n := len(log.lines("silent")); n != 1 {
		t.Errorf("the log has %v", log.lines(""))
	}
	if s := f.registry().Stats(); s.Connections != 0 || s.Watches != 0 {
		t.Errorf("%+v", s)
	}
}

// Connections on which nothing is asked are closed by a clock of their own, on both ports, whatever they began to say.
func TestMuteConnections(t *testing.T) {
	t.Parallel()
	f := serve(t, Config{}, registry.Options{})
	http := strings.TrimSuffix(strings.TrimPrefix(f.base, "http://"), contextPath)
	var all sync.WaitGroup
	for _, c := range []struct{ at, says string }{
		{http, ""}, {http, "GET /nacos/v1/ns/instance/li"}, {http, "POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: a\r\nX: "},
		{f.grpc, ""}, {f.grpc, "PRI * HTTP/2.0\r\n\r\nSM"},
	} {
		all.Go(func() {
			n, err := net.Dial("tcp", c.at)
			if err != nil {
				t.Error(err)
				return
			}
			defer n.Close()
			began := time.Now()
			_, _ = io.WriteString(n, c.says)
			_ = n.SetReadDeadline(began.Add(12 * time.Second))
			_, err = io.Copy(io.Discard, n)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("%s after %q is open for %v: %v", c.at, c.says, took, err)
			}
		})
	}
	all.Wait()
}

// A clock that goes back by a day changes nothing that clients see: what they are told is newer each time, heartbeats and silence are
// measured by another clock, and configurations are published and followed as before.
func TestClockGoesBack(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	store, err := config.Open(t.Context(), storage.NewMemory(), config.Options{Now: clock})
	must(t, err)
	t.Cleanup(store.Close)
	f := serve(t, Config{Configs: store, Confirm: time.Hour, Idle: 100 * time.Millisecond}, registry.Options{Now: clock, Interval: time.Second, Unhealthy: 400 * time.Millisecond, Delete: 800 * time.Millisecond})
	c := dial(t, f.grpc).setup()
	last := c.subscribe("").LastRefTime
	id := nacoswire.ConfigRef{DataID: "a", Group: "g"}
	c.request(nacoswire.TypeConfigListen, nacoswire.ConfigListenRequest{Listen: true, Contexts: []nacoswire.ConfigSeen{{ConfigRef: id}}})
	next := func(typ string) *nacoswire.Payload {
		t.Helper()
		for {
			p := c.next()
			if p == nil {
				t.Fatal("the connection was ended")
			}
			var q nacoswire.Request
			must(t, json.Unmarshal(p.Body, &q))
			c.send(strings.TrimSuffix(p.Type, "Request")+"Response", nacoswire.OK(q.RequestID))
			if p.Type == typ {
				return p
			}
		}
	}
	for i := range 3 {
		mu.Lock()
		now = now.Add(-24 * time.Hour)
		mu.Unlock()
		f.curl(t, "POST", "/v1/ns/instance", params("serviceName", "order", "ip", fmt.Sprint("10.0.0.", i+1), "port", "80"))
		q, err := nacoswire.Decode[nacoswire.NotifySubscriberRequest](next(nacoswire.TypeNotifySubscriber))
		must(t, err)
		if q.ServiceInfo.LastRefTime <= last || !strings.Contains(hosts(q.ServiceInfo), fmt.Sprint("10.0.0.", i+1)) {
			t.Fatalf("push %d: lastRefTime %d after %d, %s", i, q.ServiceInfo.LastRefTime, last, hosts(q.ServiceInfo))
		}
		last = q.ServiceInfo.LastRefTime
		p := c.request(nacoswire.TypeConfigPublish, nacoswire.ConfigPublishRequest{ConfigRef: id, Content: fmt.Sprint(i)})
		answerOf[nacoswire.Response](c, nacoswire.TypeConfigPublishAnswer, p)
		next(nacoswire.TypeConfigChange)
	}
	if list, err := store.History(t.Context(), config.ID{Namespace: "public", Group: "g", Name: "a"}); err != nil || len(list) != 3 || list[0].Content != "1" {
		t.Errorf("%+v, %v", list, err)
	}
	eventually(t, "who sends no heartbeats is gone", func() bool { return instances(f.registry().View(order)) == "" })
}
