package httpproxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/upstream"
)

// over adds a route for any host that forwards a prefix to an upstream with settings of its own.
func (s *stand) over(id, prefix string, up model.Upstream, change ...func(*model.Route)) {
	s.t.Helper()
	s.route(id, prefix, string(up.ID), change...)
	up.Endpoints = []model.EndpointsID{{Keeper: "static", Name: string(up.ID)}}
	s.routes[len(s.routes)-1].Upstreams = []*model.Upstream{&up}
}

// script says what each request that reaches an upstream is answered, whichever endpoint it reaches: a status, "reset" for a
// connection that closes without an answer, "garbage" for what is none, "part" for one that closes within the head of its answer, "hang" for none.
type script struct {
	steps []string
	at    atomic.Int32
	mu    sync.Mutex
	seen  []string // requests, head and body, in their order
}

func (x *script) serve(c net.Conn, r *bufio.Reader) {
	for {
		var text strings.Builder
		q, err := readRequest(bufio.NewReader(io.TeeReader(oneByOne{r}, &text)))
		if err != nil {
			return
		}
		_ = q
		x.mu.Lock()
		x.seen = append(x.seen, text.String())
		x.mu.Unlock()
		n := int(x.at.Add(1)) - 1
		step := "200"
		if n < len(x.steps) {
			step = x.steps[n]
		}
		switch step {
		case "reset":
			return
		case "part":
			io.WriteString(c, "HTTP/1.1 2")
			return
		case "garbage":
			io.WriteString(c, "HTTP/1.1 200 X\r\nno field\r\n\r\n")
			return
		case "hang":
			io.Copy(io.Discard, r)
			return
		case "big":
			fmt.Fprintf(c, "HTTP/1.1 503 Busy\r\nContent-Length: 1000000\r\n\r\n%s", strings.Repeat("x", 1000))
			io.Copy(io.Discard, r)
			return
		case "chunked":
			io.WriteString(c, "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnot\r\n0\r\n\r\n")
		default:
			fmt.Fprintf(c, "HTTP/1.1 %s X\r\nContent-Length: 3\r\nX-Try: %d\r\n\r\n%s", step, n, step)
		}
	}
}

// oneByOne gives a reader no more than it asks for, so that nothing of a next request is taken.
type oneByOne struct{ r io.Reader }

func (o oneByOne) Read(p []byte) (int, error) { return o.r.Read(p[:min(len(p), 1)]) }

// scripted is a stand whose upstream has n endpoints that follow a script.
func scripted(t *testing.T, n int, steps []string, retry model.Retry, change ...func(*model.Upstream)) (*stand, *script, []*recorder) {
	t.Helper()
	x := &script{steps: steps}
	s := newStand(t, nil)
	var recs []*recorder
	var addrs []string
	for range n {
		rec := newRecorder(t, x.serve)
		recs = append(recs, rec)
		addrs = append(addrs, rec.Addr().String())
	}
	s.list("u", addrs...)
	up := model.Upstream{ID: "u", Ejection: model.Ejection{Off: true}}
	for _, c := range change {
		c(&up)
	}
	s.over("all", "/", up, func(r *model.Route) {
		f := r.Action.(model.Forward)
		f.Retry = retry
		r.Action = f
	})
	s.publish()
	return s, x, recs
}

// tries checks that exactly so many requests were seen, and that all of them are the same to the byte.
func (x *script) tries(t *testing.T, want int) {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.seen) != want {
		t.Errorf("%d requests were seen, want %d: %q", len(x.seen), want, x.seen)
	}
	for _, other := range x.seen {
		if other != x.seen[0] {
			t.Errorf("a try differs:\n%q\n%q", x.seen[0], other)
		}
	}
}

var quick = model.Backoff{Base: -1}

func TestRetryConditions(t *testing.T) {
	t.Parallel()
	all := []model.RetryOn{model.RetryReset, model.RetryTimeout, model.RetryGateway, model.RetryServer}
	one := func(on ...model.RetryOn) model.Retry { return model.Retry{On: on, Backoff: quick} }
	get, post := get("/a?b=c"), post("/a", "hello", "Content-Length: 5")
	for name, c := range map[string]struct {
		retry  model.Retry
		send   string
		steps  []string
		want   string // status and code of the answer
		tries  int
		logged int // 0 = tries
	}{
		"nothing said, 503":             {model.Retry{}, get, []string{"503"}, "503", 1, 0},
		"nothing said, reset":           {model.Retry{}, get, []string{"reset"}, "502 upstream-reset", 1, 0},
		"gateway error, 503":            {one(model.RetryGateway), get, []string{"503"}, "200", 2, 0},
		"gateway error, 502 504":        {one(model.RetryGateway), get, []string{"502", "504"}, "200", 3, 0},
		"gateway error, 500":            {one(model.RetryGateway), get, []string{"500"}, "500", 1, 0},
		"gateway error, reset":          {one(model.RetryGateway), get, []string{"reset"}, "502 upstream-reset", 1, 0},
		"gateway error, to the end":     {one(model.RetryGateway), get, []string{"503", "502", "504"}, "504", 3, 0},
		"5xx, 501":                      {one(model.RetryServer), get, []string{"501"}, "200", 2, 0},
		"5xx, 499":                      {one(model.RetryServer), get, []string{"499"}, "499", 1, 0},
		"reset":                         {one(model.RetryReset), get, []string{"reset", "reset"}, "200", 3, 0},
		"reset, to the end":             {one(model.RetryReset), get, []string{"reset", "reset", "reset"}, "502 upstream-reset", 3, 0},
		"reset, 503":                    {one(model.RetryReset), get, []string{"503"}, "503", 1, 0},
		"reset within the answer":       {one(all...), get, []string{"part"}, "502 upstream-reset", 1, 0},
		"invalid answer":                {one(model.RetryInvalid), get, []string{"garbage", "garbage"}, "200", 3, 0},
		"invalid answer, to the end":    {one(model.RetryInvalid), get, []string{"garbage", "garbage", "garbage"}, "502 upstream-protocol", 3, 0},
		"invalid answer, not listed":    {one(all...), get, []string{"garbage"}, "502 upstream-protocol", 1, 0},
		"invalid answer, reset":         {one(model.RetryInvalid), get, []string{"reset"}, "502 upstream-reset", 1, 0},
		"status":                        {model.Retry{Statuses: []model.StatusRange{{From: 404, To: 404}, {From: 429, To: 429}}, Backoff: quick}, get, []string{"429", "404"}, "200", 3, 0},
		"status, another":               {model.Retry{Statuses: []model.StatusRange{{From: 404, To: 404}}, Backoff: quick}, get, []string{"503"}, "503", 1, 0},
		"per try, hang":                 {model.Retry{On: all[1:2], PerTry: 60 * time.Millisecond, Backoff: quick}, get, []string{"hang"}, "200", 2, 0},
		"per try, hang to the end":      {model.Retry{On: all[1:2], PerTry: 60 * time.Millisecond, Attempts: 1, Backoff: quick}, get, []string{"hang", "hang"}, "504 try-timeout", 2, 0},
		"per try, no condition":         {model.Retry{PerTry: 60 * time.Millisecond, Backoff: quick}, get, []string{"hang"}, "504 try-timeout", 1, 0},
		"no attempts":                   {model.Retry{On: all, Attempts: -1, Backoff: quick}, get, []string{"503"}, "503", 1, 0},
		"one attempt":                   {model.Retry{On: all, Attempts: 1, Backoff: quick}, get, []string{"503", "reset"}, "502 upstream-reset", 2, 0},
		"seven attempts":                {model.Retry{On: all, Attempts: 7, Backoff: quick}, get, []string{"503", "503", "503", "503", "503", "503", "503"}, "200", 8, 0},
		"POST, 503":                     {one(all...), post, []string{"503"}, "503", 1, 0},
		"POST, reset":                   {one(all...), post, []string{"reset"}, "502 upstream-reset", 1, 0},
		"POST, told":                    {model.Retry{On: all, NonIdempotent: true, Backoff: quick}, post, []string{"503", "reset"}, "200", 3, 0},
		"PUT with a body":               {one(all...), "PUT" + post[4:], []string{"reset", "503"}, "200", 3, 0},
		"PUT with chunks that are here": {one(all...), "PUT /a HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", []string{"503", "503"}, "200", 3, 0},
		"PUT above what is held":        {one(all...), "PUT /a HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat("x", 70000), []string{"503"}, "503", 1, 0},
		"PUT at what is held":           {one(all...), "PUT /a HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 65536\r\n\r\n" + strings.Repeat("x", 65536), []string{"503"}, "200", 2, 0},
		"an answer that is long":        {one(all...), get, []string{"big", "chunked"}, "200", 3, 0},
		"back-off":                      {model.Retry{On: all, Backoff: model.Backoff{Base: time.Millisecond, Most: 3 * time.Millisecond}}, get, []string{"503", "503"}, "200", 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, x, _ := scripted(t, 3, c.steps, c.retry)
			r := s.dial().send(c.send).receive("GET")
			status, code, _ := strings.Cut(c.want, " ")
			if !strings.HasPrefix(r.status, "HTTP/1.1 "+status) || r.head["x-paifang-reason"] != code {
				t.Errorf("answered %+v, want %s", r, c.want)
			}
			x.tries(t, c.tries)
			if a := s.last(1); a.Tries != c.tries || a.Reason != code || len(s.records) != 1 {
				t.Errorf("logged %+v", a)
			}
			if h, _ := s.table.Find("u"); h != nil {
				for _, e := range h.Snapshot().Endpoints {
					eventually(t, func() bool { return h.Snapshot().Endpoints[0].InFlight == 0 })
					if e.InFlight != 0 {
						t.Errorf("%d requests in flight at the end", e.InFlight)
					}
				}
			}
		})
	}
}

// TestManyTries: there may be more than a request remembers endpoints.
func TestManyTries(t *testing.T) {
	steps := slices.Repeat([]string{"503"}, model.MostAttempts)
	for _, endpoints := range []int{1, 8, 12} {
		s, x, _ := scripted(t, endpoints, steps, model.Retry{On: []model.RetryOn{model.RetryGateway}, Attempts: model.MostAttempts, Backoff: quick})
		if r := s.dial().send(get("/")).receive("GET"); r.body != "200" {
			t.Fatalf("%d endpoints: %+v", endpoints, r)
		}
		x.tries(t, model.MostAttempts+1)
	}
	dead := make([]string, 12)
	for i := range dead {
		dead[i] = fmt.Sprintf("127.0.0.1:%d", i+1)
	}
	s := newStand(t, nil)
	s.list("u", dead...)
	s.over("all", "/", model.Upstream{ID: "u"}, func(r *model.Route) {
		r.Action = model.Forward{Targets: []model.Target{{Upstream: "u"}}, Retry: model.Retry{On: []model.RetryOn{model.RetryConnect}, Attempts: model.MostAttempts}}
	})
	s.publish()
	if r := s.dial().send(get("/")).receive("GET"); !strings.Contains(r.status, "502") {
		t.Errorf("endpoints that nobody listens at: %+v", r)
	}
}

// TestPauses: each pause is as long as the route says, as far as it leaves nothing to chance.
func TestPauses(t *testing.T) {
	for _, c := range []struct {
		backoff   model.Backoff
		low, high []time.Duration // in milliseconds
	}{
		{model.Backoff{Base: -1}, []time.Duration{0, 0}, []time.Duration{0, 0}},
		{model.Backoff{}, []time.Duration{0, 0, 0, 0, 0, 0}, []time.Duration{25, 50, 100, 200, 250, 250}},
		{model.Backoff{Base: 10 * time.Millisecond, Most: 500 * time.Millisecond, Factor: 5, Spread: -1}, []time.Duration{10, 50, 250, 500, 500}, []time.Duration{10, 50, 250, 500, 500}},
		{model.Backoff{Base: 100 * time.Millisecond, Most: 250 * time.Millisecond, Spread: 50}, []time.Duration{100, 100, 125}, []time.Duration{150, 250, 250}},
		{model.Backoff{Base: 100 * time.Millisecond, Most: 10 * time.Second, Factor: 3, Spread: 50, FromLast: true}, []time.Duration{100, 150, 225}, []time.Duration{150, 675, 3038}},
	} {
		for range 200 {
			w := &work{}
			w.route = &boundRoute{forward: &model.Forward{Retry: model.Retry{Backoff: c.backoff}}}
			for i := range c.low {
				w.tries = i + 1
				before := w.paused
				w.paused = w.nextPause()
				if w.paused < c.low[i]*time.Millisecond || w.paused > c.high[i]*time.Millisecond {
					t.Fatalf("%+v: pause %d is %v", c.backoff, i+1, w.paused)
				}
				if follows := before * time.Duration(c.backoff.Factor); c.backoff.FromLast && i > 0 && (w.paused < follows/2 || w.paused > follows*3/2) {
					t.Fatalf("%+v: pause %d is %v after %v", c.backoff, i+1, w.paused, before)
				}
			}
		}
	}
}

// TestNoTryTooLate: one that could begin only when none may any more is not waited for.
func TestNoTryTooLate(t *testing.T) {
	retry := model.Retry{On: []model.RetryOn{model.RetryGateway}, Within: 5 * time.Second, Backoff: model.Backoff{Base: 8 * time.Second, Most: 8 * time.Second, Spread: -1}}
	s, x, _ := scripted(t, 1, []string{"503"}, retry)
	began := time.Now()
	if r := s.dial().send(get("/")).receive("GET"); r.body != "503" || time.Since(began) > 4*time.Second {
		t.Errorf("after %v: %+v", time.Since(began), r)
	}
	x.tries(t, 1)
}

// TestRetriesGoElsewhere: each to another endpoint while there is one, then to those that were tried, the last one last.
func TestRetriesGoElsewhere(t *testing.T) {
	retry := model.Retry{On: []model.RetryOn{model.RetryGateway}, Attempts: 5, Backoff: quick}
	steps := []string{"503", "503", "503", "503", "503"}
	s, x, recs := scripted(t, 3, steps, retry)
	if r := s.dial().send(get("/")).receive("GET"); r.body != "200" {
		t.Fatalf("%+v", r)
	}
	x.tries(t, 6)
	for i, rec := range recs {
		if n := len(rec.requests()); n != 2 {
			t.Errorf("endpoint %d saw %d tries of 6", i, n)
		}
	}
	s, x, recs = scripted(t, 1, steps[:2], retry)
	if r := s.dial().send(get("/")).receive("GET"); r.body != "200" {
		t.Fatalf("%+v", r)
	}
	x.tries(t, 3)
	if n := recs[0].connections(); n != 1 {
		t.Errorf("answers that were thrown away whole cost %d connections", n)
	}
}

// TestDiscardedAnswersDoNotPoison: what is left of a long answer never is the next one's.
func TestDiscardedAnswersDoNotPoison(t *testing.T) {
	s, x, recs := scripted(t, 1, []string{"big", "200", "chunked", "200"}, model.Retry{On: []model.RetryOn{model.RetryServer}, Backoff: quick})
	c := s.dial()
	for range 3 {
		if r := c.send(get("/")).receive("GET"); r.body != "200" {
			t.Errorf("%+v", r)
		}
	}
	if n := x.at.Load(); n != 5 {
		t.Errorf("%d requests were seen, want 5", n)
	}
	if n := recs[0].connections(); n != 2 {
		t.Errorf("%d connections, want one for the answer that did not arrive whole and one for all others", n)
	}
}

func TestRetryBudget(t *testing.T) {
	const n = 40
	retry := model.Retry{On: []model.RetryOn{model.RetryGateway}, Attempts: 1, Backoff: model.Backoff{Base: 10 * time.Second, Most: 10 * time.Second},
		Budget: model.RetryBudget{Percent: 10, Least: 2}}
	// All requests arrive before the first is answered, and those that are tried again pause.
	var arrived sync.WaitGroup
	arrived.Add(n)
	rec := newRecorder(t, func(c net.Conn, r *bufio.Reader) {
		for {
			if _, err := readRequest(r); err != nil {
				return
			}
			arrived.Done()
			arrived.Wait()
			io.WriteString(c, "HTTP/1.1 503 Busy\r\nContent-Length: 3\r\n\r\n503")
		}
	})
	s := newStand(t, nil)
	s.list("u", rec.Addr().String())
	s.over("all", "/", model.Upstream{ID: "u"}, func(r *model.Route) {
		r.Action = model.Forward{Targets: []model.Target{{Upstream: "u"}}, Retry: retry}
	})
	s.publish()
	var wg sync.WaitGroup
	var refused atomic.Int32
	clients := make([]*client, n)
	for i := range clients {
		clients[i] = s.dial()
		wg.Go(func() {
			if _, err := io.WriteString(clients[i], get("/")); err != nil {
				return
			}
			if r, err := readReply(clients[i].r, "GET"); err == nil && r.body == "503" {
				refused.Add(1)
			}
		})
	}
	// While they are answered fewer and fewer are in flight: a tenth of 40 at most, and two in any case.
	eventually(t, func() bool { return refused.Load() >= n-4 })
	h, _ := s.table.Find("u")
	if tried := n - int(refused.Load()); tried < 2 || tried > 4 {
		t.Errorf("%d requests are tried again", tried)
	}
	for _, c := range clients {
		c.Close()
	}
	wg.Wait()
	eventually(t, func() bool { return h.Snapshot().Endpoints[0].InFlight == 0 })
	if n := len(rec.requests()); n != 40 {
		t.Errorf("%d requests were seen: clients that left during a pause cost another try", n)
	}
}

func TestRetryLimit(t *testing.T) {
	dead, alive := refusing(t), newRecorder(t, echo)
	s := newStand(t, nil)
	s.list("u", dead, refusing(t), refusing(t))
	s.over("all", "/", model.Upstream{ID: "u", Limits: model.Limits{Retries: 1}})
	s.publish()
	h, ok := s.table.Find("u")
	if !ok {
		t.Fatal("no upstream")
	}
	if err := h.Again(upstream.Retries{Unseen: true}); err != nil {
		t.Fatal(err)
	}
	r := s.dial().send(get("/")).receive("GET")
	if !strings.HasPrefix(r.status, "HTTP/1.1 503") || r.head["x-paifang-reason"] != "retry-limit" {
		t.Errorf("%+v", r)
	}
	h.Once()
	s.list("u", dead, alive.Addr().String())
	if r := s.dial().send(get("/")).receive("GET"); r.status != "HTTP/1.1 200 OK" {
		t.Errorf("%+v", r)
	}
	if err := h.Again(upstream.Retries{Unseen: true}); err != nil {
		t.Errorf("the request that was tried again still counts: %v", err)
	}
	h.Once()
}

// TestConnectIsNotTriedTwiceUnlessListed: where there is no other endpoint.
func TestConnectIsNotTriedTwiceUnlessListed(t *testing.T) {
	for on, want := range map[model.RetryOn]int{"": 1, model.RetryConnect: 3} {
		s := newStand(t, nil)
		s.list("u", refusing(t))
		s.over("all", "/", model.Upstream{ID: "u"}, func(r *model.Route) {
			f := model.Forward{Targets: []model.Target{{Upstream: "u"}}}
			if on != "" {
				f.Retry.On = []model.RetryOn{on}
			}
			r.Action = f
		})
		s.publish()
		s.dial().send(post("/", "x", "Content-Length: 1")).receive("POST")
		if a := s.last(1); a.Tries != want || a.Status != 502 || a.Reason != "connect-refused" {
			t.Errorf("on %q: %+v", on, a)
		}
	}
}

func TestPerTryBoundsConnecting(t *testing.T) {
	t.Parallel()
	// A listener whose queue is full does not answer a connection.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	full := fill(t, ln)
	alive := newRecorder(t, echo)
	s := newStand(t, func(_ *stand, c *Config) { c.Timeouts.Connect = 10 * time.Second })
	s.list("u", full, alive.Addr().String())
	s.over("all", "/", model.Upstream{ID: "u", Ejection: model.Ejection{Off: true}}, func(r *model.Route) {
		r.Action = model.Forward{Targets: []model.Target{{Upstream: "u"}}, Retry: model.Retry{PerTry: 500 * time.Millisecond}}
	})
	s.publish()
	c := s.dial()
	for i, tried := 1, false; !tried; i++ {
		if r := c.send(post("/", "x", "Content-Length: 1")).receive("POST"); r.status != "HTTP/1.1 200 OK" || i > 40 {
			t.Fatalf("%d: %+v, which is not what a second try brings", i, r)
		}
		tried = s.last(i).Tries == 2 // the full one was chosen first
	}
	h, _ := s.table.Find("u")
	for _, e := range h.Snapshot().Endpoints {
		if !e.Up {
			t.Errorf("a try that was given up is held against %v: %s", e.Addr, e.Down)
		}
	}
}

func TestWholeRequestIsBounded(t *testing.T) {
	t.Parallel()
	route := func(d time.Duration, retry model.Retry) func(*model.Route) {
		return func(r *model.Route) {
			r.Timeouts.Request = d
			r.Action = model.Forward{Targets: []model.Target{{Upstream: "u"}}, Retry: retry}
		}
	}
	t.Run("answer", func(t *testing.T) {
		rec := newRecorder(t, slow("HTTP/1.1 2"))
		s := newStand(t, nil)
		s.list("u", rec.Addr().String())
		s.over("all", "/", model.Upstream{ID: "u"}, route(80*time.Millisecond, model.Retry{}))
		s.publish()
		began := time.Now()
		r := s.dial().send(get("/")).receive("GET")
		if !strings.HasPrefix(r.status, "HTTP/1.1 504") || r.head["x-paifang-reason"] != "exchange-timeout" || time.Since(began) > 5*time.Second {
			t.Errorf("%+v", r)
		}
	})
	t.Run("tries together", func(t *testing.T) {
		x := &script{steps: []string{"hang", "hang", "hang", "hang", "hang"}}
		rec := newRecorder(t, x.serve)
		s := newStand(t, nil)
		s.list("u", rec.Addr().String())
		s.over("all", "/", model.Upstream{ID: "u"}, route(time.Second, model.Retry{On: []model.RetryOn{model.RetryTimeout}, Attempts: 7,
			PerTry: 300 * time.Millisecond, Backoff: quick}))
		s.publish()
		r := s.dial().send(get("/")).receive("GET")
		if !strings.HasPrefix(r.status, "HTTP/1.1 504") || r.head["x-paifang-reason"] != "exchange-timeout" {
			t.Errorf("%+v", r)
		}
		if n := len(rec.requests()); n < 2 || n > 4 {
			t.Errorf("%d tries of 300 ms in 1 s", n)
		}
	})
	t.Run("a body that drips", func(t *testing.T) {
		for i, framing := range []string{"Content-Length: 60000", "Content-Length: 100000", "Transfer-Encoding: chunked"} {
			rec := newRecorder(t, echo)
			s := newStand(t, nil)
			s.list("u", rec.Addr().String())
			s.over("all", "/", model.Upstream{ID: "u"}, route(100*time.Millisecond, model.Retry{}))
			s.publish()
			c := s.dial().send(post("/", "", framing))
			stop := time.Now().Add(5 * time.Second)
			for time.Now().Before(stop) {
				text := "x"
				if i == 2 {
					text = "1\r\nx\r\n"
				}
				if _, err := io.WriteString(c, text); err != nil {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if !time.Now().Before(stop) {
				t.Errorf("%s: it was served for 5 s", framing)
			}
			if a := s.last(1); a.Status != 408 || a.Reason != "request-timeout" {
				t.Errorf("%s: %+v", framing, a)
			}
		}
	})
	t.Run("a body that keeps coming, and an answer that does", func(t *testing.T) {
		rec := newRecorder(t, func(c net.Conn, r *bufio.Reader) {
			if _, err := readRequest(r); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
			for range 8 {
				io.WriteString(c, "x")
				time.Sleep(50 * time.Millisecond)
			}
		})
		s := newStand(t, nil)
		s.list("u", rec.Addr().String())
		s.over("all", "/", model.Upstream{ID: "u"}, route(100*time.Millisecond, model.Retry{}))
		s.publish()
		c := s.dial().send(post("/", "", "Content-Length: 200000"))
		for range 10 {
			c.send(strings.Repeat("x", 20000))
			time.Sleep(30 * time.Millisecond)
		}
		if r := c.receive("POST"); r.body != "xxxxxxxx" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("without bound", func(t *testing.T) {
		s, _ := simple(t, slow(""), func(s *stand, c *Config) {
			short(s, c)
			c.Timeouts.Request, c.Timeouts.Response = -1, 300*time.Millisecond
		})
		if r := s.dial().send(get("/")).receive("GET"); r.head["x-paifang-reason"] != "upstream-timeout" {
			t.Errorf("%+v", r)
		}
	})
}

func TestStreakOfTimeoutsEjects(t *testing.T) {
	x := &script{steps: slices.Repeat([]string{"hang"}, 5)}
	bad, good := newRecorder(t, x.serve), newRecorder(t, echo)
	s := newStand(t, nil)
	s.list("u", bad.Addr().String(), good.Addr().String())
	s.over("all", "/", model.Upstream{ID: "u"}, func(r *model.Route) {
		r.Action = model.Forward{Targets: []model.Target{{Upstream: "u"}}, Retry: model.Retry{On: []model.RetryOn{model.RetryTimeout}, PerTry: 50 * time.Millisecond, Backoff: quick}}
	})
	s.publish()
	c := s.dial()
	for i := range 20 {
		if r := c.send(get("/")).receive("GET"); r.status != "HTTP/1.1 200 OK" {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	if n := len(bad.requests()); n != 5 {
		t.Errorf("it was asked %d times", n)
	}
	h, _ := s.table.Find("u")
	for _, e := range h.Snapshot().Endpoints {
		if e.Addr.String() == bad.Addr().String() && e.Down != upstream.CodeEjectedFailures {
			t.Errorf("%+v", e)
		}
	}
}
