package springgw

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/model"
	"paifang/internal/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// names is a resolver whose answers a test sets.
type names struct {
	mu    sync.Mutex
	known map[string]string
}

func (n *names) set(host, addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known[host] = addr
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if a := n.known[host]; a != "" {
		return []netip.Addr{netip.MustParseAddr("fd00::1"), netip.MustParseAddr(a)}, nil
	}
	return nil, errors.New("no such host")
}

// hub keeps the groups as the Hub does.
type hub struct {
	mu     sync.Mutex
	groups map[string]model.Objects
	fulls  int
	seen   [][]string // keys of each update
}

func (h *hub) apply(u source.Update) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var keys []string
	for _, g := range u.Groups {
		keys = append(keys, g.Key)
		if g.Objects.Empty() {
			delete(h.groups, g.Key)
		} else {
			h.groups[g.Key] = *g.Objects
		}
	}
	h.seen = append(h.seen, keys)
	if u.Full {
		h.fulls++
	}
}

// text is "id" of each route with its path, then codes of diagnostics.
func (h *hub) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, o := range h.groups {
		for _, r := range o.Routes {
			out = append(out, r.Origin.Name+r.Match.Path.Value)
		}
		for _, d := range o.Diagnostics {
			out = append(out, fmt.Sprintf("!%s:%d", d.Code, d.Origin.Line))
		}
		for _, e := range o.Endpoints {
			for _, p := range e.Endpoints {
				out = append(out, "@"+p.Addr.String())
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (h *hub) wait(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if h.text() == want {
			return
		}
	}
	t.Fatalf("has  %s\nwant %s", h.text(), want)
}

func follow(t *testing.T, c Config) *hub {
	t.Helper()
	h := &hub{groups: map[string]model.Objects{}}
	ctx, cancel := context.WithCancel(context.Background())
	out, done := make(chan source.Update), make(chan error, 1)
	go func() { done <- New(c).Run(ctx, out) }()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case u := <-out:
				h.apply(u)
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-stopped
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Run returned %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("Run did not return")
		}
		if h.fulls != 1 {
			t.Errorf("%d full updates", h.fulls)
		}
	})
	return h
}

func save(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newRoutes wraps list items as a document with the new prefix: a second list of the old one would replace the first.
func newRoutes(items string) string {
	return "spring:\n  cloud:\n    gateway.server.webflux:\n      routes:\n" + items
}

func item(id, path string) string {
	return fmt.Sprintf("      - {id: %s, uri: 'lb://s', predicates: ['Path=%s']}\n", id, path)
}

func TestRunFollowsFiles(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "1.yaml"), filepath.Join(dir, "2.yaml")
	save(t, one, routes(item("a", "/a")+item("b", "/b")))
	save(t, filepath.Join(dir, "service.yaml"), "apiVersion: v1\nkind: Service\n")
	h := follow(t, Config{Paths: []string{dir}})
	h.wait(t, "a/a b/b")

	save(t, one, routes(item("a", "/a")+item("b", "/changed")))
	h.wait(t, "a/a b/changed")
	h.mu.Lock()
	if last := h.seen[len(h.seen)-1]; len(last) != 1 || !strings.HasSuffix(last[0], "#b") {
		t.Errorf("more than what changed was sent: %v", last)
	}
	h.mu.Unlock()

	save(t, two, routes(item("c", "/c")))
	h.wait(t, "a/a b/changed c/c")

	// A broken file keeps its routes, its siblings are followed, and it is mended.
	save(t, one, routes(item("a", "/a")+"      - {id: b, uri: 'lb://s\n"))
	h.wait(t, "!unreadable:6 a/a b/changed c/c")
	save(t, two, routes(item("c", "/c2")))
	h.wait(t, "!unreadable:6 a/a b/changed c/c2")
	save(t, one, routes(item("a", "/a2")))
	h.wait(t, "a/a2 c/c2")

	// A document that breaks takes nothing with it; its sibling in the file is followed.
	save(t, one, routes(item("a", "/a3"))+"---\n"+newRoutes(item("d", "/d")))
	h.wait(t, "a/a3 c/c2 d/d")
	save(t, one, routes(item("a", "/a4"))+"---\n"+newRoutes("      - {id: d,\n"))
	h.wait(t, "!unreadable:12 a/a4 c/c2 d/d")
	save(t, one, routes(item("a", "/a5")))
	h.wait(t, "a/a5 c/c2")

	if err := os.Remove(two); err != nil {
		t.Fatal(err)
	}
	h.wait(t, "a/a5")
	// A directory that goes is a failure, not the removal of what was in it.
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	h.wait(t, "!source-failed:0 a/a5")
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	h.wait(t, "a/a5")
}

func TestRemovedRouteWaitsUntilTheFileIsQuiet(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "1.yaml")
	save(t, path, routes(item("a", "/a")+item("b", "/b")))
	h := follow(t, Config{Paths: []string{path}})
	h.wait(t, "a/a b/b")
	save(t, path, routes(item("a", "/a2"))) // the first half of a file that is being written
	h.wait(t, "a/a2 b/b")
	save(t, path, routes(item("a", "/a2")+item("b", "/b2")))
	h.wait(t, "a/a2 b/b2")
	save(t, path, routes(item("b", "/b2")))
	h.wait(t, "b/b2")
}

func TestHostNames(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "1.yaml")
	host := func(id, name string) string {
		return fmt.Sprintf("      - {id: %s, uri: 'http://%s:81', predicates: ['Path=/%s']}\n", id, name, id)
	}
	resolver := &names{known: map[string]string{"a.test": "127.1.0.1"}}
	save(t, path, routes(host("a", "a.test")))
	h := follow(t, Config{Paths: []string{dir}, Resolver: resolver, Refresh: 20 * time.Millisecond})
	h.wait(t, "@127.1.0.1:81 a/a") // IPv4 where there is any
	resolver.set("a.test", "127.1.0.2")
	h.wait(t, "@127.1.0.2:81 a/a")
	resolver.set("a.test", "")
	h.wait(t, "!host-unresolved:5 @127.1.0.2:81 a/a") // the last good address stays
	resolver.set("a.test", "127.1.0.3")
	h.wait(t, "@127.1.0.3:81 a/a")
	save(t, path, routes(host("a", "a.test")+host("b", "b.test")))
	h.wait(t, "!host-unresolved:6 @127.1.0.3:81 a/a b/b")
	resolver.set("b.test", "127.1.0.4")
	h.wait(t, "@127.1.0.3:81 @127.1.0.4:81 a/a b/b")
}

func TestPathThatIsNotThere(t *testing.T) {
	err := New(Config{Paths: []string{filepath.Join(t.TempDir(), "none")}}).Run(t.Context(), make(chan source.Update))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Run returned %v", err)
	}
	if _, err := Load(Config{Paths: []string{filepath.Join(t.TempDir(), "none")}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load returned %v", err)
	}
}

// A feed is followed; what is away, gone or broken leaves what was read before.
func TestFeeds(t *testing.T) {
	texts, failures := make(chan string), make(chan error)
	feed := Feed{Name: "nacos/public/DEFAULT_GROUP/gateway.yml", Follow: func(ctx context.Context, take func(string)) error {
		for {
			select {
			case text := <-texts:
				take(text)
			case err := <-failures:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}}
	h := follow(t, Config{Feeds: []Feed{feed}})
	texts <- routes(item("a", "/a") + item("b", "/b"))
	h.wait(t, "a/a b/b")
	if h.fulls != 1 {
		t.Error("something was sent before the feed was heard")
	}
	texts <- routes(item("a", "/a2"))
	h.wait(t, "a/a2")
	texts <- ""
	h.wait(t, "!source-failed:0 a/a2")
	texts <- `[{"id": "j", "uri": "lb://s", "predicates": [{"name": "Path", "args": {"pattern": "/j"}}], "filters": [{"name": "StripPrefix", "args": {"_genkey_0": "1"}}]}]`
	h.wait(t, "j/j")
	texts <- "spring: ["
	h.wait(t, "!unreadable:2 j/j")
	failures <- errors.New("away")
	h.wait(t, "!source-failed:0 !unreadable:2 j/j")
	texts <- routes(item("c", "/c"))
	h.wait(t, "c/c")
	texts <- "spring.cloud.gateway.routes: []"
	h.wait(t, "")
}

// A text of a feed that can be read and holds no list of routes takes none away: it is a slip, which is told. Who takes all away says so.
func TestFeedWithoutRoutes(t *testing.T) {
	texts := make(chan string)
	h := follow(t, Config{Feeds: []Feed{{Name: "nacos/public/DEFAULT_GROUP/routes.json", Follow: func(ctx context.Context, take func(string)) error {
		for {
			select {
			case text := <-texts:
				take(text)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}}}})
	const one = `{"id": "j", "uri": "lb://s", "predicates": ["Path=/j"]}`
	texts <- one // nothing was read before
	h.wait(t, "!unreadable:1")
	for _, slip := range []struct {
		text string
		line int
	}{
		{one, 1}, {`{"routes": [` + one + `]}`, 1}, {"text", 1}, {`"text"`, 1}, {"42", 1}, {`["text"]`, 1}, {`[{"routes": [` + one + `]}]`, 1}, {"[\n" + one + ",\n{}]", 3}, {"[" + one + ", 1]", 1}, {"- " + one, 1}, {"server.port: 80", 1},
		{"spring.cloud.gateway.routes: " + one, 1}, {"spring.cloud.gateway.routes: some", 1}, {"spring.cloud.gateway:\n  route: [" + one + "]", 2}, {"spring.cloud.gatway.routes: [" + one + "]", 1},
		{"spring.cloud.gateway.server.webflux.rotes: [" + one + "]", 1}, {"apiVersion: v1\nkind: ConfigMap\n", 1},
	} {
		texts <- "[" + one + "]"
		h.wait(t, "j/j")
		texts <- slip.text
		h.wait(t, fmt.Sprintf("!unreadable:%d j/j", slip.line))
	}
	for _, none := range []string{"[]", " [ ] ", "{}", "# none\n", "spring.cloud.gateway.routes: []", "spring.cloud.gateway.routes:", "spring.cloud.gateway.server.webflux.routes: []",
		"spring.cloud.gateway.default-filters: [StripPrefix=1]"} {
		texts <- "[" + one + "]"
		h.wait(t, "j/j")
		texts <- none
		h.wait(t, "")
	}
}

// One route of 10,000 that changes is one group that is sent.
func TestOneChangedRouteOfMany(t *testing.T) {
	path := filepath.Join(t.TempDir(), "1.yaml")
	many := func(changed string) string {
		var b strings.Builder
		for i := range 10_000 {
			at := fmt.Sprintf("/r%d", i)
			if i == 4711 {
				at = changed
			}
			b.WriteString(item(fmt.Sprintf("r%d", i), at))
		}
		return routes(b.String())
	}
	save(t, path, many("/before"))
	h := follow(t, Config{Paths: []string{path}})
	holds := func(want string) func() bool {
		return func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			o, ok := h.groups["route/"+path+"#r4711"]
			return ok && o.Routes[0].Match.Path.Value == want
		}
	}
	wait := func(want string) {
		t.Helper()
		for end := time.Now().Add(15 * time.Second); !holds(want)(); time.Sleep(2 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the route is never at %s", want)
			}
		}
	}
	wait("/before")
	h.mu.Lock()
	h.seen = nil
	h.mu.Unlock()
	save(t, path, many("/after"))
	wait("/after")
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.seen) != 1 || len(h.seen[0]) != 1 {
		t.Errorf("%d updates, the first of %d groups", len(h.seen), len(h.seen[0]))
	}
}
