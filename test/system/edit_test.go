package system

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// changing is an Ingress whose paths say which edit it is: /edit-N exists after the Nth.
func changing(n int) string {
	return ingress("changing", "changing.test", fmt.Sprintf("/edit-%d", n), "app-service")
}

// changingRoutes is the same for road 2.
func changingRoutes(n int) string {
	return fmt.Sprintf(`spring:
  cloud:
    gateway:
      routes:
      - id: changing
        uri: lb://app-registered
        predicates:
        - Path=/edited-%d/**
`, n)
}

// asker asks one question after the other on one connection.
type asker struct {
	t  testing.TB
	to string
	c  net.Conn
	r  *bufio.Reader
}

func (a *asker) status(host, path string) int {
	a.t.Helper()
	if a.c == nil {
		c, err := net.Dial("tcp", a.to)
		if err != nil {
			a.t.Fatal(err)
		}
		a.c, a.r = c, bufio.NewReader(c)
	}
	_ = a.c.SetDeadline(time.Now().Add(5 * time.Second))
	_, err := fmt.Fprintf(a.c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host)
	if err != nil {
		a.t.Fatal(err)
	}
	res, err := http.ReadResponse(a.r, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		a.t.Fatal(err)
	}
	if res.Close {
		_ = a.c.Close()
		a.c = nil
	}
	return res.StatusCode
}

func TestEditsUnderLoad(t *testing.T) {
	dir, counts := countingDir(t, 2, 3*time.Millisecond)
	routes, err := os.ReadFile(filepath.Join(dir, "3-routes.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// The gateway's own application gets a path, so that the routes that are edited are seen beside it.
	write(t, dir, "3-routes.yaml", strings.Replace(string(routes), "Path=/**", "Path=/calm2/**", 1))
	write(t, dir, "4-changing.yaml", changing(0))
	write(t, dir, "5-changing.yaml", changingRoutes(0))
	u := start(t, dir)
	u.waitReady(2, "app-registered")
	slow := func(l *load) { l.pause = 20 * time.Millisecond }
	one := begin(t, u.slb(), "shop.test", "/calm1/", slow)
	two := begin(t, u.gateway(), "gateway.test", "/calm2/", slow)

	ways := []struct {
		name string
		edit func(name, text string) time.Time
	}{
		{"rename", func(name, text string) time.Time {
			write(t, dir, name, text)
			return time.Now()
		}},
		{"write in place", func(name, text string) time.Time {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			return time.Now()
		}},
	}
	ask1, ask2 := &asker{t: t, to: u.slb()}, &asker{t: t, to: u.gateway()}
	const edits = 200
	var every []time.Duration
	for i, way := range ways {
		var took []time.Duration
		for n := range edits / 2 {
			number := 1 + i*edits + n
			name, text, ask, host, path := "4-changing.yaml", changing(number), ask1, "changing.test", fmt.Sprintf("/edit-%d", number)
			if n%2 == 1 {
				name, text, ask, host, path = "5-changing.yaml", changingRoutes(number), ask2, "gateway.test", fmt.Sprintf("/edited-%d/0", number)
			}
			if got := ask.status(host, path); got != 404 {
				t.Fatalf("%s before its edit: %d", path, got)
			}
			done := way.edit(name, text)
			eventually(t, 3*time.Second, path+" answers", func() (bool, string) {
				got := ask.status(host, path)
				return got == 200, fmt.Sprint(got)
			})
			took = append(took, time.Since(done))
		}
		slices.Sort(took)
		t.Logf("%s, %d edits on both roads: median %v, longest %v", way.name, len(took), took[len(took)/2], took[len(took)-1])
		every = append(every, took...)
	}
	slices.Sort(every)
	p99 := every[len(every)*99/100-1]
	t.Logf("p99 of %d edits: %v", len(every), p99)
	if p99 > 100*time.Millisecond {
		t.Errorf("p99 from edit to first changed answer is %v, want 100 ms at most; the longest are %v", p99, every[len(every)-5:])
	}

	// Break and mend.
	last := changing(9000)
	write(t, dir, "4-changing.yaml", last)
	expect := func(what, host, path string, want int, ask *asker) {
		t.Helper()
		eventually(t, 3*time.Second, what, func() (bool, string) {
			got := ask.status(host, path)
			return got == want, fmt.Sprintf("%d, want %d", got, want)
		})
	}
	expect("edit", "changing.test", "/edit-9000", 200, ask1)
	diagnosed := func(words ...string) {
		t.Helper()
		eventually(t, 3*time.Second, fmt.Sprintf("a diagnostic with %q", words), func() (bool, string) {
			text := u.must("get", "diagnostics", "-o", "json")
			for _, w := range words {
				if !strings.Contains(text, w) {
					return false, text
				}
			}
			return true, ""
		})
	}
	clean := func() {
		t.Helper()
		eventually(t, 3*time.Second, "no diagnostics", func() (bool, string) {
			d := get[diagnosticRow](u, "diagnostics")
			return len(d) == 0, fmt.Sprintf("%+v", d)
		})
	}
	clean()
	write(t, dir, "4-changing.yaml", "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: changing\nspec: [unclosed\n")
	diagnosed("4-changing.yaml", `"line":5`)
	expect("a broken file keeps its last good objects", "changing.test", "/edit-9000", 200, ask1)
	write(t, dir, "4-changing.yaml", changing(9001))
	expect("mended", "changing.test", "/edit-9001", 200, ask1)
	clean()
	write(t, dir, "4-changing.yaml", strings.Replace(changing(9002), "name: app-service", "name: nobody", 1))
	expect("an Ingress to a missing service", "changing.test", "/edit-9002", 503, ask1)
	diagnosed("4-changing.yaml", "nobody")
	if err := os.Remove(filepath.Join(dir, "4-changing.yaml")); err != nil {
		t.Fatal(err)
	}
	expect("a removed Ingress", "changing.test", "/edit-9002", 404, ask1)
	clean()
	write(t, dir, "5-changing.yaml", "spring:\n  cloud:\n    gateway:\n      routes:\n      - id: changing\n        uri: lb://app-registered\n        predicates:\n        - Pathh=/x/**\n")
	diagnosed("5-changing.yaml", "Pathh")
	write(t, dir, "5-changing.yaml", "spring: {cloud: {gateway: {routes: [}}}\n")
	diagnosed("5-changing.yaml")
	write(t, dir, "5-changing.yaml", changingRoutes(9003))
	expect("mended routes", "gateway.test", "/edited-9003/0", 200, ask2)
	clean()
	write(t, dir, "6-notes.yaml", "just: some notes\n")
	diagnosed("6-notes.yaml")

	all1, all2 := one.end(), two.end()
	none(t, one, all1)
	none(t, two, all2)
	reconcile(t, u, all1, "/calm1/", sights(t, counts, "/calm1/"))
	reconcile(t, u, all2, "/calm2/", sights(t, counts, "/calm2/"))
	t.Logf("%d and %d requests on routes that nobody edited", len(all1), len(all2))
}
