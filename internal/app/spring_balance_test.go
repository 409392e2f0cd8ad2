package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/springgw"
)

// balanced is a gateway in front of two instances of the service order, which say their name.
type balanced struct {
	t         *testing.T
	c         *chain
	at        string
	path      string           // that is asked for
	instances []model.Endpoint // of "a" and "b"
	probed    [2]chan string   // paths of probes
}

// newBalanced has the instances registered as tags and zones say, and the gateway configured by properties.
func newBalanced(t *testing.T, properties string, zones [2]string, tags [2]model.Tags) *balanced {
	t.Helper()
	s := &balanced{t: t, path: "/written/1"}
	for i, name := range []string{"a", "b"} {
		s.probed[i] = make(chan string, 1)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/up" || strings.HasPrefix(r.URL.Path, "/actuator") {
				select {
				case s.probed[i] <- r.URL.Path:
				default:
				}
				return
			}
			_, _ = io.WriteString(w, name)
		}))
		t.Cleanup(server.Close)
		s.instances = append(s.instances, model.Endpoint{Addr: netip.MustParseAddrPort(server.Listener.Addr().String()), Name: name, Zone: zones[i], Cluster: zones[i], Tags: tags[i]})
	}
	dir := t.TempDir()
	route := "\n---\nspring.cloud.gateway.routes: [{id: order, uri: 'lb://order', predicates: ['Path=/written/**']}]\n"
	if err := os.WriteFile(filepath.Join(dir, "application.yml"), []byte(properties+route), 0o600); err != nil {
		t.Fatal(err)
	}
	groups, err := springgw.Load(springgw.Config{Paths: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		for _, d := range g.Objects.Diagnostics {
			if d.Severity != model.Info {
				t.Errorf("said: %s", d)
			}
		}
	}
	groups = append(groups, s.registered(s.instances...), source.Group{Key: "listener", Objects: &model.Objects{Listeners: []model.Listener{
		{ID: "http", Class: "gateway", Protocol: model.HTTP, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}}}})
	s.c = newChain(t, groups)
	for _, d := range s.c.store.Load().Diagnostics() {
		if d.Severity == model.Error {
			t.Errorf("said: %s", d)
		}
	}
	s.at = s.c.address()
	return s
}

// registered has the instances be those of order, and of pay as well.
func (s *balanced) registered(all ...model.Endpoint) source.Group {
	o := &model.Objects{}
	for _, service := range []string{"order", "pay"} {
		o.Endpoints = append(o.Endpoints, model.EndpointSet{List: model.EndpointsID{Keeper: model.KeeperRegistry, Name: "public/DEFAULT_GROUP/" + service}, Endpoints: all})
	}
	return source.Group{Key: "registered", Objects: o}
}

// becomes has the registry say something else, and waits until answers come as it wants.
func (s *balanced) becomes(want func(who string) bool, all ...model.Endpoint) {
	s.t.Helper()
	s.c.say <- source.Update{Groups: []source.Group{s.registered(all...)}}
	var who string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if who, _ = s.ask(8, ""); want(who) {
			return
		}
	}
	s.t.Errorf("afterwards: %s", who)
}

// ask sends n requests with a header, each "Name: value", and returns who answered, in order, and the last cookies.
func (s *balanced) ask(n int, header string) (who string, cookies []*http.Cookie) {
	s.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	for range n {
		r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.at+s.path, http.NoBody)
		if err != nil {
			s.t.Fatal(err)
		}
		if name, value, ok := strings.Cut(header, ": "); ok {
			r.Header.Set(name, value)
		}
		res, err := transport.RoundTrip(r)
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			s.t.Fatal(res.Status, err)
		}
		who += string(body)
		cookies = res.Cookies()
	}
	return who, cookies
}

// TestSpringBalancing: each setting of Spring Cloud LoadBalancer sends requests where it says, and without it they take turns.
func TestSpringBalancing(t *testing.T) {
	const lb = "spring.cloud.loadbalancer."
	none := [2]model.Tags{}
	t.Run("turns", func(t *testing.T) {
		s := newBalanced(t, "", [2]string{}, none)
		if who, cookies := s.ask(8, ""); strings.Count(who, "a") != 4 || len(cookies) != 0 {
			t.Errorf("%s, %v", who, cookies)
		}
	})
	t.Run("weights", func(t *testing.T) {
		s := newBalanced(t, "", [2]string{}, none)
		s.instances[0].Weight = 3000
		s.becomes(func(who string) bool { return strings.Count(who, "a") == 6 }, s.instances...)
	})
	t.Run("request-based-sticky-session", func(t *testing.T) {
		s := newBalanced(t, lb+"configurations: request-based-sticky-session", [2]string{}, none)
		who, cookies := s.ask(1, "")
		if len(cookies) != 1 || !strings.HasPrefix(cookies[0].Name, "sc-lb-instance-id-") || strings.Contains(cookies[0].Value, "127.0.0.1") {
			t.Fatalf("%v", cookies)
		}
		if again, _ := s.ask(6, "Cookie: "+cookies[0].Name+"="+cookies[0].Value); again != strings.Repeat(who, 6) {
			t.Errorf("first %s, then %s", who, again)
		}
	})
	t.Run("of the locator", func(t *testing.T) {
		s := newBalanced(t, "spring.cloud.gateway.discovery.locator.enabled: true\n"+lb+"clients.order.configurations: request-based-sticky-session", [2]string{}, none)
		s.path = "/order/1"
		if _, cookies := s.ask(1, ""); len(cookies) != 1 || !strings.HasPrefix(cookies[0].Name, "sc-lb-instance-id-") {
			t.Errorf("%v", cookies)
		}
	})
	t.Run("two services", func(t *testing.T) {
		s := newBalanced(t, "spring.cloud.gateway.discovery.locator.enabled: true\n"+lb+"configurations: request-based-sticky-session", [2]string{}, none)
		bound := map[string]string{} // by service
		jar := map[string]string{}   // of one client
		for range 6 {
			for _, of := range [][2]string{{"/order/1", "order"}, {"/written/1", "order"}, {"/pay/1", "pay"}} {
				var header []string
				for name, value := range jar {
					header = append(header, name+"="+value)
				}
				s.path = of[0]
				who, cookies := s.ask(1, "Cookie: "+strings.Join(header, "; "))
				for _, c := range cookies {
					jar[c.Name] = c.Value
				}
				if was := bound[of[1]]; was != "" && was != who {
					t.Fatalf("%s: the client was at %s, and is at %s now: %v", of[0], was, who, jar)
				}
				bound[of[1]] = who
			}
			s.path = "/pay/1"
			s.ask(1, "") // other clients come in between
		}
		if len(jar) != 2 {
			t.Errorf("%v", jar)
		}
	})
	t.Run("same-instance-preference", func(t *testing.T) {
		s := newBalanced(t, lb+"configurations: same-instance-preference", [2]string{}, none)
		who, _ := s.ask(6, "")
		if who != strings.Repeat(who[:1], 6) {
			t.Fatalf("%s", who)
		}
		other := slices.DeleteFunc(slices.Clone(s.instances), func(e model.Endpoint) bool { return e.Name == who[:1] })
		s.becomes(func(now string) bool { return now == strings.Repeat(other[0].Name, 8) }, other...)
	})
	t.Run("zone-preference", func(t *testing.T) {
		s := newBalanced(t, lb+"configurations: zone-preference\n"+lb+"zone: east", [2]string{"west", "east"}, none)
		if who, _ := s.ask(6, ""); who != "bbbbbb" {
			t.Errorf("%s", who)
		}
		s.becomes(func(who string) bool { return who == "aaaaaaaa" }, s.instances[0])
	})
	t.Run("nacos.enabled", func(t *testing.T) {
		s := newBalanced(t, "spring.cloud.nacos.discovery.cluster-name: SH\n"+lb+"nacos.enabled: true", [2]string{"SH", "BJ"}, none)
		if who, _ := s.ask(6, ""); who != "aaaaaa" {
			t.Errorf("%s", who)
		}
	})
	t.Run("hint", func(t *testing.T) {
		blue := [2]model.Tags{1: {{Name: "hint", Value: "blue"}}}
		s := newBalanced(t, lb+"hint.default: plain", [2]string{}, blue)
		if who, _ := s.ask(6, "X-SC-LB-Hint: blue"); who != "bbbbbb" {
			t.Errorf("blue: %s", who)
		}
		for _, header := range []string{"", "X-SC-LB-Hint: green"} {
			if who, _ := s.ask(8, header); strings.Count(who, "a") != 4 {
				t.Errorf("%q: %s", header, who)
			}
		}
		s = newBalanced(t, lb+"hint.order: blue", [2]string{}, blue)
		if who, _ := s.ask(6, ""); who != "bbbbbb" {
			t.Errorf("by the service's own hint: %s", who)
		}
	})
	t.Run("slow-start", func(t *testing.T) {
		for _, key := range []string{lb + "slow-start: 1h", lb + "clients.order.slow-start: 1h"} {
			s := newBalanced(t, key, [2]string{}, none)
			if who, _ := s.ask(8, ""); strings.Count(who, "a") != 4 {
				t.Errorf("%s: instances that have been there: %s", key, who)
			}
			s.instances[1].Since = time.Now()
			s.becomes(func(who string) bool { return strings.Count(who, "b") <= 1 }, s.instances...)
		}
	})
	t.Run("health-check", func(t *testing.T) {
		s := newBalanced(t, lb+"configurations: health-check\n"+lb+"health-check.path.order: /up", [2]string{}, none)
		for i := range s.probed {
			if path := <-s.probed[i]; path != "/up" {
				t.Errorf("probed at %s", path)
			}
		}
	})
}
