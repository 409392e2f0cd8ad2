package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Of the row "change": hosts that exist, and changes that are made.
const (
	hosts   = 5000
	changes = 200
)

// change measures how long it takes from the rename of a manifest to the first request that is answered by it, and what
// memory so many routes need.
func change(ctx context.Context, b *bench) ([]result, error) {
	c := paifang()
	dir := filepath.Join(b.dir, "many")
	manifests := filepath.Join(dir, "rules", "manifests")
	if err := os.MkdirAll(manifests, 0o755); err != nil {
		return nil, err
	}
	for i := range hosts {
		name := fmt.Sprintf("h%d", i)
		if err := write(filepath.Join(manifests, name+".yaml"), manifest(name, name+".bench.test", false)); err != nil {
			return nil, err
		}
	}
	p, err := b.servePaifang(c, dir, manifests)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	if err := p.awaitAddress(ctx, c.plain()); err != nil {
		return nil, err
	}
	ask, err := newAsker(c.plain())
	if err != nil {
		return nil, err
	}
	defer ask.close()
	if _, err := ask.until(fmt.Sprintf("h%d.bench.test", hosts-1), "/100", 200, time.Minute); err != nil {
		return nil, err
	}
	memory := float64(settled(p)) / (1 << 20)

	var routes, endpoints []float64
	for i := range changes {
		name := fmt.Sprintf("h%d", (i*37)%hosts)
		host := name + ".bench.test"
		text := manifest(name, host, false)
		// A rule that answers 404 before: a path under a host of its own.
		added := fmt.Sprintf("new-%d.bench.test", i)
		took, err := b.applied(manifests, name, strings.Replace(text, "host: "+host, "host: "+added, 1), ask, added, 200)
		if err != nil {
			return nil, err
		}
		routes = append(routes, took)
		// And an address that is taken out of its list, and comes back.
		none := regexp.MustCompile(`(?m)^endpoints: .*$`).ReplaceAllString(strings.Replace(text, "host: "+host, "host: "+added, 1), "endpoints: []")
		if _, err := b.applied(manifests, name, none, ask, added, 503); err != nil {
			return nil, err
		}
		took, err = b.applied(manifests, name, strings.Replace(text, "host: "+host, "host: "+added, 1), ask, added, 200)
		if err != nil {
			return nil, err
		}
		endpoints = append(endpoints, took)
	}
	slices.Sort(routes)
	slices.Sort(endpoints)
	of := func(v []float64) string {
		return fmt.Sprintf("median %.1f ms, %d changes, from the rename of the file", v[len(v)/2], len(v))
	}
	return []result{
		{what: "route applied to answered, p99, 5,000 routes", value: routes[len(routes)*99/100], unit: "ms", bar: 50, aim: 5, absolute: of(routes)},
		{what: "endpoint applied to picked, p99, 5,000 routes", value: endpoints[len(endpoints)*99/100], unit: "ms",
			absolute: of(endpoints) + "; from the source's word to the picker see scale.md"},
		{what: "memory with 5,000 routes from manifests", value: memory, unit: "MB",
			absolute: "an Ingress, a Service and an EndpointSlice each; the bar, without slices, is measured in scale.md"},
	}, nil
}

// applied puts a file into place and returns how many milliseconds passed until a host was answered with a status.
func (b *bench) applied(dir, name, text string, ask *asker, host string, status int) (float64, error) {
	next := filepath.Join(dir, "."+name)
	if err := write(next, text); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := os.Rename(next, filepath.Join(dir, name+".yaml")); err != nil {
		return 0, err
	}
	at, err := ask.until(host, "/100", status, 10*time.Second)
	return at.Sub(began).Seconds() * 1000, err
}

// asker makes one request after the other on a connection that is kept.
type asker struct {
	conn net.Conn
	r    *bufio.Reader
}

func newAsker(at string) (*asker, error) {
	conn, err := net.DialTimeout("tcp", at, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &asker{conn, bufio.NewReader(conn)}, nil
}

func (a *asker) close() { _ = a.conn.Close() }

// until asks until a status comes, and returns when that was.
func (a *asker) until(host, path string, status int, within time.Duration) (time.Time, error) {
	last := ""
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(200 * time.Microsecond) {
		if err := a.conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return time.Time{}, err
		}
		if _, err := fmt.Fprintf(a.conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host); err != nil {
			return time.Time{}, err
		}
		answer, err := http.ReadResponse(a.r, nil)
		if err != nil {
			return time.Time{}, err
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			return time.Time{}, err
		}
		if answer.StatusCode == status {
			return time.Now(), nil
		}
		last = answer.Status
	}
	return time.Time{}, fmt.Errorf("%s%s: after %v still %s, want %d", host, path, within, last, status)
}

// mallocs counts what the product allocates while it answers plain requests, by its own metrics.
func mallocs(ctx context.Context, b *bench) ([]result, error) {
	c := paifang()
	p, err := b.launch(ctx, c)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	l := wrk(func(c contender) string { return "http://" + c.plain() + "/100" }, 64)
	run := func(length time.Duration) (allocated, requests float64, err error) {
		longer := *b
		longer.length = length
		before, err := metric("go_memstats_mallocs_total")
		if err != nil {
			return 0, 0, err
		}
		if requests, _, err = l(ctx, &longer, c); err != nil {
			return 0, 0, err
		}
		after, err := metric("go_memstats_mallocs_total")
		return after - before, requests, err
	}
	if _, _, err := run(b.length); err != nil { // pools are filled
		return nil, err
	}
	less, few, err := run(b.length)
	if err != nil {
		return nil, err
	}
	more, many, err := run(3 * b.length)
	if err != nil {
		return nil, err
	}
	// What connections cost, and the reading of the figure, is in both. What the process does besides is what it does alone:
	// the SLB's probes, above all.
	before, err := metric("go_memstats_mallocs_total")
	if err != nil {
		return nil, err
	}
	time.Sleep(2 * b.length)
	after, err := metric("go_memstats_mallocs_total")
	if err != nil {
		return nil, err
	}
	alone := after - before
	return []result{{what: "allocations per request", value: max(0, (more-less-alone)/(many-few)), unit: "allocations",
		absolute: fmt.Sprintf("%.0f more in %.0f more requests; %.0f in the same time without requests", more-less, many-few, alone)}}, nil
}

// metric reads one metric of the product.
func metric(name string) (float64, error) {
	answer, err := http.Get("http://127.0.0.1:9088/metrics")
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(v), 64)
		}
	}
	return 0, fmt.Errorf("/metrics has no %s", name)
}
