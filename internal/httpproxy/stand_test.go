package httpproxy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
	"paifang/internal/telemetry"
	"paifang/internal/upstream"
)

func TestMain(m *testing.M) {
	if other() { // this binary as a client or an upstream of another test process
		return
	}
	goleak.VerifyTestMain(m)
}

// stand is an engine with everything it needs, on loopback.
type stand struct {
	t       testing.TB
	plane   *Plane
	store   *snapshot.Store
	table   *upstream.Table
	sockets *listener.Set
	version uint64

	listeners []model.Listener
	routes    []*snapshot.Route
	certs     []model.Certificate

	mu      sync.Mutex
	records []telemetry.Access
	looped  []string
}

// Record keeps a record with its strings, which are only lent.
func (s *stand) Record(a *telemetry.Access) {
	r := *a
	for _, p := range []*string{&r.Listener, &r.Node, &r.Method, &r.Host, &r.Path, &r.Reason, &r.Route, &r.Upstream, &r.Pod, &r.RequestID} {
		*p = strings.Clone(*p)
	}
	s.mu.Lock()
	s.records = append(s.records, r)
	s.mu.Unlock()
}

// newStand starts an engine with one listener "front" of class "web"; change may set further things first.
func newStand(t testing.TB, change func(*stand, *Config)) *stand {
	t.Helper()
	s := &stand{t: t, table: upstream.NewTable(upstream.Config{WaitTime: 100 * time.Millisecond})}
	s.sockets = listener.NewSet(listener.Config{DrainDelay: 10 * time.Millisecond})
	s.listeners = []model.Listener{{ID: "front", Class: "web", Protocol: model.HTTP, Node: "node-1",
		Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}}
	cfg := Config{Upstreams: s.table, Listeners: s.sockets, Recorder: s}
	cfg.Loop = func(l model.ListenerID, host, path string) {
		s.mu.Lock()
		s.looped = append(s.looped, string(l)+" "+host+path)
		s.mu.Unlock()
	}
	cfg.Timeouts.Drain = 2 * time.Second
	if change != nil {
		change(s, &cfg)
	}
	var err error
	if s.plane, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	s.store = snapshot.NewStore(s.plane)
	t.Cleanup(func() {
		s.store.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.plane.Close(ctx)
		s.sockets.Close()
		s.table.Close()
	})
	return s
}

// list sets the addresses of a list.
func (s *stand) list(name string, addrs ...string) {
	set := model.EndpointSet{List: model.EndpointsID{Keeper: "static", Name: name}}
	for _, a := range addrs {
		set.Endpoints = append(set.Endpoints, model.Endpoint{Addr: netip.MustParseAddrPort(a), Name: "pod-" + a})
	}
	s.table.SetContribution("test", name, []model.EndpointSet{set}, 0)
}

// route adds a route for any host that forwards a prefix to the list of a name.
func (s *stand) route(id, prefix, name string, change ...func(*model.Route)) {
	s.t.Helper()
	r := model.Route{ID: model.RouteID(id), Attach: []model.Class{"web"}, Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: prefix}},
		Action: model.Forward{Targets: []model.Target{{Upstream: model.UpstreamID(name)}}}}
	for _, c := range change {
		c(&r)
	}
	compiled, err := snapshot.NewRoute(r)
	if err != nil {
		s.t.Fatal(err)
	}
	if f, ok := r.Action.(model.Forward); ok {
		for _, to := range f.Targets {
			compiled.Upstreams = append(compiled.Upstreams, &model.Upstream{ID: to.Upstream,
				Endpoints: []model.EndpointsID{{Keeper: "static", Name: string(to.Upstream)}}})
		}
	}
	s.routes = append(s.routes, compiled)
}

// publish makes what was set the current generation.
func (s *stand) publish() {
	s.t.Helper()
	s.version++
	sites := map[model.Class]*snapshot.Site{}
	for _, l := range s.listeners {
		class := l.EffectiveClass()
		if sites[class] != nil {
			continue
		}
		hosts := map[model.Host][]*snapshot.Route{}
		for _, r := range s.routes {
			if !slices.Contains(r.Attach, class) {
				continue
			}
			for _, h := range r.EffectiveHosts() {
				hosts[h] = append(hosts[h], r)
			}
		}
		e := (&snapshot.Site{}).Edit()
		for h, rs := range hosts {
			slices.SortFunc(rs, func(a, b *snapshot.Route) int { return model.CompareRoutes(&a.Route, &b.Route) })
			e.Set(h, snapshot.NewHostTable(h, rs))
		}
		site := e.Hosts()
		sites[class] = &site
	}
	up := (&shard.Map[*model.Upstream]{}).Edit().Map()
	next := snapshot.New(snapshot.Contents{Version: s.version, Listeners: slices.Clone(s.listeners), Sites: sites, Upstreams: up, Certificates: s.certs})
	if refused := s.store.Publish(context.Background(), next); len(refused) > 0 {
		s.t.Fatalf("refused: %v", s.store.Planes())
	}
}

// addr is where a listener is bound.
func (s *stand) addr(id model.ListenerID) string {
	s.t.Helper()
	for _, l := range s.plane.Listeners() {
		if l.ID == id && len(l.Bound) > 0 && !l.Draining {
			return l.Bound[0].String()
		}
	}
	s.t.Fatalf("listener %s is not bound: %+v", id, s.plane.Listeners())
	return ""
}

// client is a raw connection to the engine.
type client struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func (s *stand) dial() *client {
	s.t.Helper()
	return dialTo(s.t, s.addr("front"))
}

func dialTo(t testing.TB, addr string) *client {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { c.Close() })
	return &client{c, t, bufio.NewReader(c)}
}

func (c *client) send(parts ...string) *client {
	c.t.Helper()
	for _, p := range parts {
		if _, err := io.WriteString(c, p); err != nil {
			c.t.Fatal(err)
		}
	}
	return c
}

// reply is a response as a client sees it.
type reply struct {
	status string // the whole line
	head   map[string]string
	body   string
}

// receive reads one response to a request of this method, with a reader that knows nothing of the engine's.
func (c *client) receive(method string) reply {
	c.t.Helper()
	r, err := readReply(c.r, method)
	if err != nil {
		c.t.Fatalf("read response: %v (so far %+v)", err, r)
	}
	return r
}

func readReply(r *bufio.Reader, method string) (out reply, err error) {
	line := func() string {
		if err != nil {
			return ""
		}
		var l string
		l, err = r.ReadString('\n')
		if err == nil && !strings.HasSuffix(l, "\r\n") {
			err = fmt.Errorf("bare LF after %q", l)
		}
		return strings.TrimSuffix(l, "\r\n")
	}
	out.head = map[string]string{}
	out.status = line()
	for l := line(); l != "" && err == nil; l = line() {
		k, v, _ := strings.Cut(l, ": ")
		k = strings.ToLower(k)
		if old, ok := out.head[k]; ok {
			v = old + "|" + v
		}
		out.head[k] = v
	}
	code := strings.Split(out.status+"  ", " ")[1]
	if err != nil || method == "HEAD" || code[:1] == "1" || code == "204" || code == "304" {
		return out, err
	}
	switch {
	case out.head["transfer-encoding"] == "chunked":
		for {
			var n int
			if _, serr := fmt.Sscanf(line(), "%x", &n); err != nil || serr != nil {
				return out, fmt.Errorf("chunk: %v %v", err, serr)
			}
			if n == 0 {
				for l := line(); l != "" && err == nil; l = line() {
					out.head["trailer "+strings.ToLower(l)] = ""
				}
				return out, err
			}
			b := make([]byte, n+2)
			if _, err = io.ReadFull(r, b); err != nil {
				return out, err
			}
			out.body += string(b[:n])
		}
	case out.head["content-length"] != "":
		var n int
		fmt.Sscan(out.head["content-length"], &n)
		b := make([]byte, n)
		m, rerr := io.ReadFull(r, b)
		out.body = string(b[:m])
		return out, rerr
	}
	b, err := io.ReadAll(r)
	out.body = string(b)
	return out, err
}

// closed waits until the engine closes the connection.
func (c *client) closed() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err == nil {
		rest, _ := c.r.Peek(c.r.Buffered())
		c.t.Fatalf("connection is open and says %q", string(b)+string(rest))
	} else if e, ok := err.(net.Error); ok && e.Timeout() {
		c.t.Fatal("connection stays open")
	}
}

// recorder is an upstream that keeps every byte it is sent and answers as it is told.
type recorder struct {
	net.Listener
	mu    sync.Mutex
	bytes []string // per connection
	wg    sync.WaitGroup
	open  map[net.Conn]bool
}

// answerFunc serves one connection: read from r, write to c.
type answerFunc func(c net.Conn, r *bufio.Reader)

func newRecorder(t testing.TB, f answerFunc) *recorder {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{Listener: ln, open: map[net.Conn]bool{}}
	rec.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			rec.mu.Lock()
			i := len(rec.bytes)
			rec.bytes = append(rec.bytes, "")
			rec.open[c] = true
			rec.mu.Unlock()
			rec.wg.Go(func() {
				defer func() {
					c.Close()
					rec.mu.Lock()
					delete(rec.open, c)
					rec.mu.Unlock()
				}()
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				f(c, bufio.NewReader(io.TeeReader(c, recorderWriter{rec, i})))
			})
		}
	})
	t.Cleanup(rec.stop)
	return rec
}

func (r *recorder) stop() {
	r.Close()
	r.mu.Lock()
	for c := range r.open {
		c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

type recorderWriter struct {
	r *recorder
	i int
}

func (w recorderWriter) Write(p []byte) (int, error) {
	w.r.mu.Lock()
	w.r.bytes[w.i] += string(p)
	w.r.mu.Unlock()
	return len(p), nil
}

// seen is everything that was received, connections in their order.
func (r *recorder) seen() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.bytes, "")
}

func (r *recorder) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bytes)
}

// requests parses what was received and returns the request lines: what a server behind would have served.
func (r *recorder) requests() []string {
	var out []string
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.bytes {
		br := bufio.NewReader(strings.NewReader(b))
		for {
			q, err := readRequest(br)
			if err != nil {
				break
			}
			out = append(out, q.line)
		}
	}
	return out
}

// request is one that an upstream received.
type request struct {
	line, body string
	head       map[string]string
}

// readRequest reads a request the plain way.
func readRequest(r *bufio.Reader) (q request, err error) {
	q.head = map[string]string{}
	read := func() string {
		if err != nil {
			return ""
		}
		var l string
		l, err = r.ReadString('\n')
		return strings.TrimRight(l, "\r\n")
	}
	q.line = read()
	for l := read(); l != "" && err == nil; l = read() {
		k, v, _ := strings.Cut(l, ": ")
		k = strings.ToLower(k)
		if old, ok := q.head[k]; ok {
			v = old + "|" + v
		}
		q.head[k] = v
	}
	if err != nil {
		return q, err
	}
	if q.head["transfer-encoding"] != "" {
		for {
			var n int
			if _, serr := fmt.Sscanf(read(), "%x", &n); serr != nil || err != nil {
				return q, fmt.Errorf("chunk: %v %v", serr, err)
			}
			if n == 0 {
				for l := read(); l != "" && err == nil; l = read() {
					q.head["trailer "+l] = ""
				}
				return q, err
			}
			b := make([]byte, n+2)
			if _, err := io.ReadFull(r, b); err != nil {
				return q, err
			}
			q.body += string(b[:n])
		}
	}
	var n int
	fmt.Sscan(q.head["content-length"], &n)
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	q.body = string(b)
	return q, err
}

// echo answers every request with its line, head and body as JSON.
func echo(c net.Conn, r *bufio.Reader) {
	for {
		q, err := readRequest(r)
		if err != nil {
			return
		}
		b, _ := json.Marshal(map[string]any{"line": q.line, "head": q.head, "body": q.body})
		if strings.HasPrefix(q.line, "HEAD") {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(b))
			continue
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
	}
}

// saying answers every request with the same bytes.
func saying(text string) answerFunc {
	return func(c net.Conn, r *bufio.Reader) {
		for {
			if _, err := readRequest(r); err != nil {
				return
			}
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
}

// echoed is what echo has seen.
type echoed struct {
	Line string
	Head map[string]string
	Body string
}

func (r reply) echoed(t testing.TB) echoed {
	t.Helper()
	var e echoed
	if err := json.Unmarshal([]byte(r.body), &e); err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	return e
}

func get(path string, fields ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: shop.test\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

func post(path string, body string, fields ...string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: shop.test\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n" + body
}

// last waits for record number n and returns it.
func (s *stand) last(n int) telemetry.Access {
	s.t.Helper()
	var out telemetry.Access
	eventually(s.t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.records) < n {
			return false
		}
		out = s.records[n-1]
		return true
	})
	return out
}

func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen within 10 s")
		}
	}
}

// simple is a stand with one route to one upstream.
func simple(t testing.TB, f answerFunc, change func(*stand, *Config)) (*stand, *recorder) {
	t.Helper()
	rec := newRecorder(t, f)
	s := newStand(t, change)
	s.list("u", rec.Addr().String())
	s.route("all", "/", "u")
	s.publish()
	return s, rec
}
