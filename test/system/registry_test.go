package system

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRegistryIsStoppedUnderLoad uses the built-in example, whose pods register themselves, and counting pods, which do as a
// Nacos 1.x client does.
func TestRegistryIsStoppedUnderLoad(t *testing.T) {
	dir, counts := countingDir(t, 2, 3*time.Millisecond)
	for _, c := range []struct {
		name, service, prefix string
		args                  []string
	}{
		{"example", "nacos-order-service", "/order/", nil},
		{"beating pods", "app-registered", "/away/", []string{dir}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			u := start(t, c.args...)
			u.waitReady(2, c.service)
			window := long(12*time.Second, 60*time.Second)
			l := begin(t, u.gateway(), "gateway.test", c.prefix)
			l.wait(time.Second)
			u.must("stop", "registry")
			stopped := time.Now()
			if _, _, err := call("GET", "http://"+u.registry()+"/nacos/v1/ns/service/list?pageNo=1&pageSize=10"); err == nil {
				t.Error("the registry still answers")
			}
			red := func() (bool, string) {
				rows, err := tryGet[sourceRow](u, "sources")
				if err != nil {
					return false, err.Error()
				}
				for _, s := range rows {
					if s.Name == "registry" {
						return s.Failed, fmt.Sprintf("%+v", s)
					}
				}
				return false, "no source registry"
			}
			eventually(t, 3*time.Second, "the source is red", red)
			t.Logf("red %v after stop", time.Since(stopped))
			l.wait(window - time.Since(stopped))
			explained := u.must("explain", "http://gateway.test/order/42")
			var age int
			if _, after, ok := strings.Cut(explained, "copy, "); !ok {
				t.Errorf("explain says nothing of the age of what it knows:\n%s", explained)
			} else if _, err := fmt.Sscanf(after, "%d s old", &age); err != nil || age < int(window.Seconds())-2 {
				t.Errorf("explain says that the copy is %d s old after %v without registry:\n%s", age, window, explained)
			}
			t.Logf("while it is away: %s%s", u.must("get", "sources"), line(explained, " 5 "))
			if diagnosed := u.must("get", "diagnostics"); !strings.Contains(diagnosed, "registry") && !strings.Contains(u.must("get", "sources"), "failed") {
				t.Errorf("neither diagnostics nor sources say that the registry is away:\n%s", diagnosed)
			}
			ready, _, err := call("GET", "http://"+u.admin()+"/readyz")
			if err != nil || ready != 200 {
				t.Errorf("readyz is %d %v: ready stays true when a source is lost", ready, err)
			}

			u.must("start", "registry")
			started := time.Now()
			eventually(t, 15*time.Second, "the source is well again", func() (bool, string) { bad, s := red(); return !bad, s })
			well := time.Since(started)
			eventually(t, 40*time.Second, "the pods are registered again", func() (bool, string) {
				_, body, err := call("GET", "http://"+u.registry()+"/nacos/v1/ns/instance/list?serviceName="+c.service)
				return err == nil && strings.Count(body, `"healthy":true`) == 2, body
			})
			t.Logf("well again %v after start, pods registered after %v", well, time.Since(started))
			eventually(t, 10*time.Second, "the gateway is registered again", func() (bool, string) {
				_, body, err := call("GET", "http://"+u.registry()+"/nacos/v1/ns/instance/list?serviceName=paifang-gateway")
				return err == nil && strings.Count(body, `"healthy":true`) == 1, body
			})
			l.wait(2 * time.Second)
			all := l.end()
			none(t, l, all)
			var seen map[int64][]sight
			if c.args != nil {
				seen = sights(t, counts, c.prefix)
			}
			reconcile(t, u, all, c.prefix, seen)
			t.Logf("%d requests", len(all))
		})
	}
}

// line returns the line that begins so.
func line(text, prefix string) string {
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, prefix) {
			return l
		}
	}
	return ""
}
