package meter

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paifang/internal/exposition/expositiontest"
	"paifang/internal/httpproxy"
	"paifang/internal/registry"
	"paifang/internal/registry/storage/storagetest"
)

// The page is read strictly while traffic of every kind runs and rules change: it is always well-formed, no counter ever
// goes back, and at the end every number is what was done.
func TestPageUnderTraffic(t *testing.T) {
	s := newStand(t, nil)
	s.list("ok", server(t))
	s.list("dead", nobody(t), nobody(t))
	s.list("nodes")
	s.publish(objects("ok", "dead"))
	s.list("nodes", s.at["front"])

	const each = 60
	var failed atomic.Int64
	var workers, scraper sync.WaitGroup
	work := func(f func(i int) error) {
		workers.Go(func() {
			for i := range each {
				if err := f(i); err != nil {
					t.Error(err)
					failed.Add(1)
				}
			}
		})
	}
	c := client()
	defer c.CloseIdleConnections()
	work(func(int) error { return get(c, "http://"+s.at["front"]+"/ok") })
	work(func(int) error { return get(c, "https://"+s.at["secure"]+"/ok") })
	work(func(int) error { return get(c, "http://"+s.at["slb"]+"/ok/through/the/slb") })
	work(func(int) error { return get(c, "http://"+s.at["front"]+"/dead") })
	work(func(int) error { return get(c, "http://"+s.at["front"]+"/nothing") })
	work(func(i int) error {
		r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.at["dns"])
		}}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if _, err := r.LookupHost(ctx, fmt.Sprintf("none-%d.test.", i)); err == nil {
			return fmt.Errorf("none-%d.test exists", i)
		}
		return nil
	})
	done := make(chan struct{})
	pages := 0
	scraper.Go(func() {
		last := s.page()
		for {
			select {
			case <-done:
				return
			default:
			}
			now := s.page()
			if why := now.Grown(last); why != "" {
				t.Error(why)
			}
			last = now
			pages++
		}
	})
	workers.Go(func() {
		for range 10 {
			s.publish(objects("ok", "dead")) // nothing of it is new
		}
	})
	workers.Wait()
	close(done)
	scraper.Wait()
	if pages < 3 {
		t.Errorf("%d pages were read", pages)
	}
	var p expositiontest.Page
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if p = s.page(); p.Sum("paifang_requests_total") == 5*each && p.Sum("paifang_l4_connections_open") == 0 || time.Now().After(end) {
			break
		}
	}
	for _, c := range []struct {
		family string
		labels []string
		want   float64
	}{
		{"paifang_requests_total", []string{`listener="front"`, `route="ok"`, `upstream="ok"`, `code="2xx"`}, 2 * each},
		{"paifang_requests_total", []string{`listener="secure"`, `route="ok"`, `code="2xx"`}, each},
		{"paifang_requests_total", []string{`route="dead"`, `upstream="dead"`, `code="5xx"`}, each},
		{"paifang_requests_total", []string{`route=""`, `upstream=""`, `code="4xx"`}, each},
		{"paifang_request_duration_seconds", []string{`route="ok"`}, 3 * each},
		{"paifang_response_bytes_total", []string{`route="ok"`}, 5 * 3 * each},
		{"paifang_own_answers_total", []string{`code="no-route"`}, each},
		{"paifang_own_answers_total", []string{`code="connect-`}, each},
		{"paifang_upstream_first_byte_seconds", []string{`upstream="ok"`}, 3 * each},
		{"paifang_upstream_pool_hits_total", []string{`upstream="ok"`}, 3*each - p.Sum("paifang_upstream_pool_misses_total", `upstream="ok"`)},
		{"paifang_upstream_endpoints", []string{`upstream="dead"`}, 2},
		{"paifang_upstream_endpoints_down", []string{`upstream="dead"`}, 2},
		{"paifang_upstream_endpoint_transitions_total", []string{`upstream="dead"`, `to="down"`, `reason="connect-refused"`}, 2},
		{"paifang_upstream_endpoints_serving", []string{`upstream="nodes"`}, 1},
		{"paifang_requests_in_flight", nil, 0},
		{"paifang_tls_handshakes_total", []string{`listener="secure"`}, each},
		{"paifang_connections_accepted_total", []string{`listener="slb"`}, each},
		{"paifang_connections_refused_total", nil, 0},
		{"paifang_l4_connections_total", []string{`listener="slb"`, `upstream="nodes"`}, each},
		{"paifang_l4_connections_open", nil, 0},
		{"paifang_metrics_folded", nil, 0},
		{"paifang_routes", nil, 2},
		{"paifang_diagnostics", []string{`severity="warning"`}, 1},
		{"paifang_source_up", []string{`source="manifest"`}, 1},
		{"paifang_source_up", []string{`source="registry"`}, 0},
		{"paifang_source_heard_timestamp_seconds", []string{`source="manifest"`}, 1767225600.5},
		{"paifang_compile_seconds_total", nil, 0.003},
		{"paifang_ready", nil, 1},
		{"paifang_registry_up", nil, 0},
		{"paifang_memory_limit_bytes", nil, 1 << 30},
		{"paifang_overload_level", nil, 0},
		{"paifang_access_log_dropped_total", nil, 0},
		{"paifang_build_info", []string{`version="v1"`}, 1},
	} {
		if got := p.Sum(c.family, c.labels...); got != c.want {
			t.Errorf("%s %v is %v, want %v", c.family, c.labels, got, c.want)
		}
	}
	if n := p.Sum("paifang_dns_queries_total", `rcode="NXDOMAIN"`); n < each { // A and AAAA
		t.Errorf("%v names do not exist", n)
	}
	if n := p.Sum("paifang_l4_bytes_total", `direction="to"`); n < each*20 {
		t.Errorf("%v bytes went through the SLB", n)
	}
	if v, ok := p.Value("go_goroutines"); !ok || v < 5 {
		t.Errorf("%v goroutines", v)
	}
}

func TestRegistryIsCounted(t *testing.T) {
	s := newStand(t, nil)
	s.publish(objects())
	h := s.parts.Registry.(*registry.Handle)
	if p := s.page(); len(p["paifang_registry_services"].Series) != 0 || p.Sum("paifang_registry_up") != 0 {
		t.Error("a registry that does not run has services")
	}
	if err := h.Start(registry.Options{}); err != nil {
		t.Fatal(err)
	}
	defer h.Stop()
	if p := s.page(); p.Sum("paifang_registry_up") != 1 || len(p["paifang_registry_services"].Series) != 1 {
		t.Error("a registry that runs is not up")
	}
	if p := s.page(); len(p["paifang_registry_storage_up"].Series) != 0 {
		t.Error("a memory is a storage that may be away")
	}
	h.Stop()
	store := storagetest.NewShared()
	defer store.Close()
	if err := h.Start(registry.Options{Store: store}); err != nil {
		t.Fatal(err)
	}
	defer h.Stop() // before the storage is closed
	up := func() float64 {
		t.Helper()
		p := s.page()
		if n := len(p["paifang_registry_storage_up"].Series); n != 1 {
			t.Fatalf("%d values", n)
		}
		return p.Sum("paifang_registry_storage_up")
	}
	if up() != 1 {
		t.Error("a storage that answers is not up")
	}
	store.Lose(time.Now())
	if up() != 0 {
		t.Error("a storage that does not answer is up")
	}
}

// Whatever is configured, the page stays small: a route and an upstream have at most so many lines as Config.Series says,
// and what there is no room for is one row.
func TestPageIsBounded(t *testing.T) {
	const routes, room = 40, 250
	s := newStand(t, func(c *httpproxy.Config) { c.Series = room })
	ok := server(t)
	var names []string
	for i := range routes {
		name := fmt.Sprint("r", i)
		names = append(names, name)
		s.list(name, ok)
	}
	s.publish(objects(names...))
	c := client()
	defer c.CloseIdleConnections()
	ask := func(names ...string) {
		for _, n := range names {
			for _, path := range []string{"http://" + s.at["front"] + "/" + n, "https://" + s.at["secure"] + "/" + n} {
				if err := get(c, path); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	ask(names...)
	p := s.page() // a request is counted just after its answer
	for end := time.Now().Add(5 * time.Second); p.Sum("paifang_requests_total") < 2*routes && time.Now().Before(end); p = s.page() {
		time.Sleep(time.Millisecond)
	}
	lines := func(label string) (named, folded int) {
		for _, f := range p {
			for series := range f.Series {
				switch {
				case strings.Contains(series, label+`="other"`):
					folded++
				case strings.Contains(series, label+`="r`):
					named++
				}
			}
		}
		return named, folded
	}
	for _, label := range []string{"route", "upstream"} {
		if named, folded := lines(label); named == 0 || named > room+routes || folded == 0 || folded > 60 {
			t.Errorf("%s: %d series have a name, %d have none", label, named, folded)
		}
	}
	if n := p.Sum("paifang_requests_total"); n != 2*routes {
		t.Errorf("%v requests are counted, want %d", n, 2*routes)
	}
	if n := p.Sum("paifang_metrics_folded", `kind="route"`); n != routes-room/31 {
		t.Errorf("%v routes are folded", n)
	}
	// Half of the routes go: what was folded must not go back.
	s.publish(objects(names[:routes/2]...))
	for end := time.Now().Add(5 * time.Second); s.parts.HTTP.Bound() > routes/2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the routes do not go")
		}
	}
	after := s.page()
	for name, f := range p {
		for series, before := range f.Series {
			if f.Type != "gauge" && strings.Contains(series, `="other"`) && after[name].Series[series] < before {
				t.Errorf("%s was %v and is %v", series, before, after[name].Series[series])
			}
		}
	}
	ask(names[:routes/2]...)
	if why := s.page().Grown(after); why != "" {
		t.Error(why)
	}
}

// What upstreams without a name had counted stays when they go, and when they begin anew.
func TestPastTransitionsStay(t *testing.T) {
	var p pastTransitions
	a, b := transition{"a", "down", "x"}, transition{"b", "down", "x"}
	sum := func(now map[transition]uint64) uint64 {
		p.follow(now)
		n := p.gone[transition{to: "down", reason: "x"}]
		for _, c := range now {
			n += c
		}
		return n
	}
	for i, c := range []struct {
		now  map[transition]uint64
		want uint64
	}{
		{nil, 0}, {map[transition]uint64{a: 2}, 2}, {map[transition]uint64{a: 3, b: 1}, 4}, {map[transition]uint64{b: 1}, 4},
		{map[transition]uint64{b: 1, a: 1}, 5}, {map[transition]uint64{}, 5},
	} {
		if n := sum(c.now); n != c.want {
			t.Errorf("step %d: %d, want %d", i, n, c.want)
		}
	}
}

var update = flag.Bool("update", false, "rewrite the tables of docs/metrics.md")

const doc = "../../docs/metrics.md"

// TestDocumentationIsCurrent compares the tables of the page with what /metrics prints: name, type, labels and meaning.
func TestDocumentationIsCurrent(t *testing.T) {
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, g := range append(Groups(), NginxGroup()) {
		var table strings.Builder
		table.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
		for _, f := range g.Families {
			labels := "`" + strings.Join(f.Labels, "`, `") + "`"
			if len(f.Labels) == 0 {
				labels = "–"
			}
			fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", f.Name, f.Type, labels, strings.ReplaceAll(f.Help, "|", `\|`))
		}
		_, section, ok := strings.Cut(page, "\n### "+g.Title+"\n")
		begin := strings.Index(section, "| metric |")
		if !ok || begin < 0 {
			t.Errorf("%s has no section ### %s with a table | metric | type | labels | meaning |", doc, g.Title)
			continue
		}
		end := strings.Index(section[begin:], "\n\n")
		if end < 0 {
			end = len(section[begin:]) - 1
		}
		old := section[begin : begin+end+1]
		if old != table.String() && !*update {
			t.Errorf("%s, %s: the table is not what /metrics prints; run go test ./internal/meter -update", doc, g.Title)
		}
		page = strings.Replace(page, old, table.String(), 1)
	}
	if *update && page != string(text) {
		if err := os.WriteFile(doc, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// The families are what is printed: all of them, and no other.
	s := newStand(t, nil)
	s.parts.Nginx = &Nginx{}
	s.meter = New(s.parts)
	s.publish(objects())
	printed := s.page()
	var declared []string
	for _, g := range append(Groups(), NginxGroup()) {
		for _, f := range g.Families {
			declared = append(declared, f.Name)
			if p := printed[f.Name]; p == nil || p.Type != string(f.Type) {
				t.Errorf("%s is documented and not printed, or as another type", f.Name)
			}
		}
	}
	slices.Sort(declared)
	if names := slices.Sorted(maps.Keys(printed)); !slices.Equal(names, declared) {
		t.Errorf("printed are %v, declared are %v", names, declared)
	}
}
