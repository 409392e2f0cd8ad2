package app

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/springgw"
)

// The cases in testdata/spring are what users of Spring Cloud Gateway expect of each predicate and filter. routes.yaml is
// the configuration, with UPSTREAM for the address of a server that records what it is sent; there may be several files. exchanges are
// requests, divided by empty lines. What stands before the files are ranges of addresses whose X-Forwarded-For is believed, active
// profiles as "profile:prod", and properties as "key=value". The file services lists instances of a registry, one a line: the service, its
// address, and its metadata as key=value, of which zone is its zone too, and since=now says that it has just come; a service alone has no instance. UPPORT is the port of UPSTREAM, OTHER is a server that
// answers with "X-Who: other", SECURE one that speaks TLS and that nobody vouches for, FULL one whose queue of connections is full, and
// REDIS the port of one that counts, TARDY that of one that takes 300 ms for it, KEPT that of one that does so for the user limits with the password secret, in database 3. The word "secret" before the files says that they have one, "warns" that something is warned of.
//
//	> line   of the request
//	} line   of the answer that the upstream gives; without any it is 200 and "ok", and so it is after "DELAY n" milliseconds; "BREAK" ends the connection
//	^ line   that the upstream must see, "!^ prefix" one that it must not, "^ nothing": it must not be asked
//	*3 line  that the upstream must see so many times, "*3+ line" sooner or later
//	< line   that the answer must have, "!< prefix" one that it must not, "<+ prefix" what one of its lines must begin with
//	in 2s    in which the answer must be there, "after 2s" before which it must not
//	later 1s after a pause of which the request is sent
//	connections 2   that the upstream has had by then
//	on 2     a second gateway with the same configuration is asked
//	# remark

// TestSpringCases runs the cases. One that is taken away, or whose part has no effect, fails.
func TestSpringCases(t *testing.T) {
	t.Parallel() // what is in it waits
	files, err := filepath.Glob("testdata/spring/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		have[name] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			springCase(t, caseOf(t, file), springLoaded)
		})
	}
	for kind, names := range map[string][]string{"predicate": springgw.SupportedPredicates(), "filter": springgw.SupportedFilters()} {
		for _, n := range names {
			if !have[kind+"-"+n] {
				t.Errorf("%s %s is said to be supported, and no case testdata/spring/%s-%s.txtar shows it", kind, n, kind, n)
			}
		}
	}
}

// springLoaded is what files come to that are served as they are.
func springLoaded(t testing.TB, c springgw.Config) []source.Group {
	groups, err := springgw.Load(c)
	if err != nil {
		t.Fatal(err)
	}
	return groups
}

// caseOf reads a case.
func caseOf(t testing.TB, file string) *txtar.Archive {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

// springCase sends the requests of a case to a gateway whose configuration load has read.
func springCase(t testing.TB, archive *txtar.Archive, load func(testing.TB, springgw.Config) []source.Group) {
	up := newScripted(t)
	dir := t.TempDir()
	fill := newStandIns(t, archive, dir, up)
	var exchanges string
	var registered []source.Group
	for _, f := range archive.Files {
		switch f.Name {
		case "exchanges":
			exchanges = fill.Replace(string(f.Data))
			continue
		case "services":
			for line := range strings.Lines(fill.Replace(string(f.Data))) {
				registered = append(registered, instanceGroup(line))
			}
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name), []byte(fill.Replace(string(f.Data))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var trusted []netip.Prefix
	warns := false
	boot := bootconfig.Settings{Properties: map[string]string{}}
	for _, text := range strings.Fields(string(archive.Comment)) {
		if key, value, ok := strings.Cut(text, "="); ok {
			boot.Properties[key] = value
		} else if name, ok := strings.CutPrefix(text, "profile:"); ok {
			boot.Profiles = append(boot.Profiles, name)
		} else if text == "warns" {
			warns = true
		} else if text == "secret" { // for TestImportedCases
			continue
		} else {
			trusted = append(trusted, netip.MustParsePrefix(text))
		}
	}
	beans := map[string]string{"apiKey": "{header.X-Api-Key}", "user": "{query.user}"}
	groups := load(t, springgw.Config{Paths: []string{dir}, Boot: boot, KeyResolvers: beans})
	for _, g := range groups {
		for _, d := range g.Objects.Diagnostics {
			if d.Severity > model.Warning || d.Severity > model.Info && !warns {
				t.Error(d)
			}
		}
	}
	groups = append(groups, source.Group{Key: "listener", Objects: &model.Objects{Listeners: []model.Listener{
		{ID: "http", Class: "gateway", Protocol: model.HTTP, HostRule: model.HostFalls, Trust: model.Trust{ForwardedFrom: trusted},
			Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}}}})
	groups = append(groups, registered...)
	gateways := []string{newChain(t, groups).address()}
	n := 0
	for _, text := range strings.Split(strings.TrimSpace(exchanges), "\n\n") {
		n++
		lines := strings.Split(text, "\n")
		at := gateways[0]
		if i := slices.Index(lines, "on 2"); i >= 0 {
			if len(gateways) == 1 {
				gateways = append(gateways, newChain(t, groups).address())
			}
			at, lines = gateways[1], slices.Delete(lines, i, i+1)
		}
		exchange(t, n, at, up, lines)
	}
	if n == 0 {
		t.Error("no exchange")
	}
}

// instanceGroup is what a registry says of one instance, or of a service that has none.
func instanceGroup(line string) source.Group {
	words := strings.Fields(line)
	list := model.EndpointsID{Keeper: model.KeeperRegistry, Name: "public/DEFAULT_GROUP/" + words[0]}
	if len(words) == 1 {
		return source.Group{Key: "service/" + line, Objects: &model.Objects{Endpoints: []model.EndpointSet{{List: list}}}}
	}
	tags := map[string]string{}
	var since time.Time
	for _, w := range words[2:] {
		key, value, _ := strings.Cut(w, "=")
		tags[key] = value
		if key == "since" {
			since = time.Now()
		}
	}
	return source.Group{Key: "instance/" + line, Objects: &model.Objects{Endpoints: []model.EndpointSet{{
		List: list, Origin: model.Origin{Source: "registry", Name: line},
		Endpoints: []model.Endpoint{{Addr: netip.MustParseAddrPort(words[1]), Tags: model.NewTags(tags), Secure: tags["secure"] == "true", Zone: tags["zone"], Cluster: tags["cluster"], Since: since}},
	}}}}
}

// TestSpringLocator has a service that is registered later routed to at once.
func TestSpringLocator(t *testing.T) {
	up := newScripted(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "application.yml"), []byte("spring.cloud.gateway.discovery.locator: {enabled: true, include-expression: \"serviceId != 'hidden'\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	groups, err := springgw.Load(springgw.Config{Paths: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	groups = append(groups, source.Group{Key: "listener", Objects: &model.Objects{Listeners: []model.Listener{
		{ID: "http", Class: "gateway", Protocol: model.HTTP, HostRule: model.HostFalls, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}}}})
	c := newChain(t, groups)
	at := c.address()
	exchange(t, 1, at, up, []string{"> GET /late/x HTTP/1.1", "> Host: a.test", "^ nothing", "< HTTP/1.1 404 Not Found"})
	c.say <- source.Update{Groups: []source.Group{instanceGroup("late " + up.l.Addr().String()), instanceGroup("hidden " + up.l.Addr().String())}}
	c.published()
	exchange(t, 2, at, up, []string{"> GET /late/x HTTP/1.1", "> Host: a.test", "^ GET /x HTTP/1.1", "< HTTP/1.1 200 OK"})
	exchange(t, 3, at, up, []string{"> GET /hidden/x HTTP/1.1", "> Host: a.test", "^ nothing", "< HTTP/1.1 404 Not Found"})
}

// TestSpringLocatorByMetadata has a service none of whose instances is included leave its requests to a broader route, and
// come and go with the first and the last instance that is.
func TestSpringLocatorByMetadata(t *testing.T) {
	up := newScripted(t)
	c := springChain(t, strings.ReplaceAll(`spring.cloud.gateway:
  discovery.locator: {enabled: true, include-expression: "metadata['edge'] == 'yes' or serviceId == 'always'"}
  routes:
  - {id: rest, uri: "http://UPSTREAM", predicates: ["Path=/**"], filters: ["PrefixPath=/rest"], order: 2147483647}
`, "UPSTREAM", up.l.Addr().String()))
	at := c.address()
	n := 0
	is := func(service, path string) {
		t.Helper()
		n++
		exchange(t, n, at, up, []string{"> GET /" + service + "/x HTTP/1.1", "> Host: a.test", "^ GET " + path + " HTTP/1.1", "< HTTP/1.1 200 OK"})
	}
	plain, edge := "order 127.0.0.1:1", "order "+up.l.Addr().String()+" edge=yes"
	c.say <- source.Update{Groups: []source.Group{instanceGroup(plain), instanceGroup("always " + up.l.Addr().String())}}
	c.published()
	is("order", "/rest/order/x")
	is("always", "/x")
	c.say <- source.Update{Groups: []source.Group{instanceGroup(edge)}}
	c.published()
	is("order", "/x")
	c.say <- source.Update{Groups: []source.Group{{Key: "instance/" + edge}}}
	c.published()
	is("order", "/rest/order/x")
}

// TestSpringLocatorHasMetadata: a service's route of the locator has timeouts and texts from the metadata of its instances, as they are now.
func TestSpringLocatorHasMetadata(t *testing.T) {
	up := newScripted(t)
	c := springChain(t, `spring.cloud.gateway:
  discovery.locator:
    enabled: true
    predicates: ["Path='/'+metadata['root']+'/'+serviceId+'/**'"]
    filters: ["StripPrefix=2", "AddRequestHeader='X-Release', 'r-'+metadata['release']"]
`)
	at := c.address()
	instance := "order " + up.l.Addr().String()
	say := func(metadata string) {
		t.Helper()
		c.say <- source.Update{Groups: []source.Group{{Key: "instance/order", Objects: instanceGroup(instance + metadata).Objects}}}
		c.published()
	}
	say(" root=shop release=7 response-timeout=60000")
	exchange(t, 1, at, up, []string{"> GET /shop/order/x HTTP/1.1", "> Host: a.test", "^ GET /x HTTP/1.1", "^ X-Release: r-7", "< HTTP/1.1 200 OK"})
	say(" root=shop release=8 response-timeout=60000")
	exchange(t, 2, at, up, []string{"> GET /shop/order/x HTTP/1.1", "> Host: a.test", "^ GET /x HTTP/1.1", "^ X-Release: r-8", "< HTTP/1.1 200 OK"})
	say(" root=shop release=8 response-timeout=1")
	located := 0
	for _, o := range c.store.Load().Contents().Kept.Located.All() {
		if located++; o.Routes[0].Timeouts.Response != time.Millisecond {
			t.Errorf("%+v", o)
		}
	}
	if located != 1 {
		t.Errorf("%d services have routes", located)
	}
	say(" root=shop")
	exchange(t, 3, at, up, []string{"> GET /shop/order/x HTTP/1.1", "> Host: a.test", "^ nothing", "< HTTP/1.1 503 Service Unavailable"})
	say("")
	exchange(t, 4, at, up, []string{"> GET /shop/order/x HTTP/1.1", "> Host: a.test", "^ nothing", "< HTTP/1.1 404 Not Found"})
}

// TestSpringWeights counts which of two routes chance chooses.
func TestSpringWeights(t *testing.T) {
	up := newScripted(t)
	dir := t.TempDir()
	text := strings.ReplaceAll(`spring.cloud.gateway.routes:
- {id: high, uri: "http://UPSTREAM", predicates: ["Weight=g, 8"], filters: ["AddRequestHeader=X-Route, high"]}
- {id: low, uri: "http://UPSTREAM", predicates: ["Weight=g, 2"], filters: ["AddRequestHeader=X-Route, low"]}
`, "UPSTREAM", up.l.Addr().String())
	if err := os.WriteFile(filepath.Join(dir, "routes.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	groups, err := springgw.Load(springgw.Config{Paths: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	groups = append(groups, source.Group{Key: "listener", Objects: &model.Objects{Listeners: []model.Listener{
		{ID: "http", Class: "gateway", Protocol: model.HTTP, HostRule: model.HostFalls, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}}}})
	at := newChain(t, groups).address()
	low := 0
	for range 1000 {
		up.next(nil)
		send(t, at, []string{"GET / HTTP/1.1", "Host: a.test"})
		if slices.Contains(up.seen(), "X-Route: low") {
			low++
		}
	}
	if low < 140 || low > 260 { // 4.7 times the standard deviation
		t.Errorf("%d of 1000 took the route of weight 2 of 10", low)
	}
}

// exchange sends one request and compares what the upstream and the client saw.
func exchange(t testing.TB, n int, at string, up *scriptedUpstream, lines []string) {
	t.Helper()
	var request, answer []string
	for _, l := range lines {
		if text, ok := strings.CutPrefix(l, "> "); ok {
			request = append(request, text)
		} else if l == ">" {
			request = append(request, "")
		}
		if text, ok := strings.CutPrefix(l, "} "); ok {
			answer = append(answer, text)
		} else if l == "}" {
			answer = append(answer, "")
		}
	}
	up.next(answer)
	for _, l := range lines {
		if text, ok := strings.CutPrefix(l, "later "); ok {
			d, err := time.ParseDuration(text)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(d)
		}
	}
	begun := time.Now()
	got := send(t, at, request)
	took := time.Since(begun)
	saw := up.seen()
	for _, l := range lines {
		mark, text, _ := strings.Cut(l, " ")
		switch mark {
		case ">", "}", "#", "", "later":
		case "^":
			if text == "nothing" && saw != nil || text != "nothing" && !slices.Contains(saw, text) {
				t.Errorf("%d: the upstream saw %q, want %s", n, saw, text)
			}
		case "!^":
			if slices.ContainsFunc(saw, func(s string) bool { return strings.HasPrefix(s, text) }) {
				t.Errorf("%d: the upstream saw %q, and should not see %s", n, saw, text)
			}
		case "<":
			if !slices.Contains(got, text) {
				t.Errorf("%d: the answer is %q, want %s", n, got, text)
			}
		case "!<":
			if slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, text) }) {
				t.Errorf("%d: the answer is %q, and should not have %s", n, got, text)
			}
		case "<+":
			if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, text) }) {
				t.Errorf("%d: the answer is %q, want one that begins with %s", n, got, text)
			}
		case "connections":
			if made := up.connections(); strconv.Itoa(made) != text {
				t.Errorf("%d: the upstream has had %d connections, want %s", n, made, text)
			}
		case "in", "after":
			if d, err := time.ParseDuration(text); err != nil || mark == "in" && took > d || mark == "after" && took < d {
				t.Errorf("%d: the answer took %v, want it %s %s: %v", n, took, mark, text, err)
			}
		default:
			want, later := strings.CutSuffix(strings.TrimPrefix(mark, "*"), "+")
			times, err := strconv.Atoi(want)
			if err != nil {
				t.Fatalf("%d: %q is no line of an exchange", n, l)
			}
			is := func(s string) bool { return s == text }
			for end := time.Now().Add(3 * time.Second); later && count(saw, is) < times && time.Now().Before(end); saw = up.seen() {
				time.Sleep(10 * time.Millisecond)
			}
			if got := count(saw, is); got != times && !(later && got > times) {
				t.Errorf("%d: the upstream saw %s %d times, want %d", n, text, got, times)
			}
		}
	}
}

func count(lines []string, is func(string) bool) (n int) {
	for _, l := range lines {
		if is(l) {
			n++
		}
	}
	return n
}

// send makes a request as it is written and returns the lines of the answer.
func send(t testing.TB, at string, request []string) []string {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	head, body := request, []string(nil)
	if i := slices.Index(request, ""); i >= 0 {
		head, body = request[:i], request[i+1:]
	}
	text := strings.Join(head, "\r\n") + "\r\nConnection: close\r\n"
	if len(body) > 0 {
		text += fmt.Sprintf("Content-Length: %d\r\n", len(strings.Join(body, "\n")))
	}
	if _, err := io.WriteString(c, text+"\r\n"+strings.Join(body, "\n")); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.ReplaceAll(string(all), "\r\n", "\n"), "\n")
}
