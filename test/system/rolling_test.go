package system

import (
	"crypto/tls"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"
)

// rollingRequests is what a rolling replacement takes.
const (
	rollingRequests = 100_000
	rollingNodes    = 3
)

// TestRollingReplacement: processes of nodes behind an SLB end in order and are started again, one after the other, under load
// on both protocols, in clear text and over TLS, which ends at the nodes. No request is lost, and no client is made to try again.
func TestRollingReplacement(t *testing.T) {
	const balancer, host = "127.0.0.10", "rolling.test"
	behind := newOrigin(t, "origin")
	rules := t.TempDir()
	write(t, rules, "rules.yaml", endpoints("pool", behind.addr)+upstreamOf("pool", "pool", "")+
		"---\napiVersion: paifang.dev/v1\nkind: Route\nmetadata: {name: all}\nspec:\n  attach: [ingress]\n  match: {path: {kind: Prefix, value: /}}\n  forward: {targets: [{upstream: pool}]}\n")
	write(t, rules, "certificate.yaml", certificateOf(t, "ingress", host, 1))
	var addrs []string // of clear text and of TLS by turns
	nodes, configs, dirs := make([]*serving, rollingNodes), make([]string, rollingNodes), make([]string, rollingNodes)
	listed, listedSecure := "", ""
	for i := range nodes {
		own := fmt.Sprintf("127.0.0.%d", 11+i)
		at, secure := freeAddressOf(t, own), freeAddressOf(t, own)
		addrs = append(addrs, at, secure)
		dirs[i] = t.TempDir()
		configs[i] = fmt.Sprintf("sources: {manifests: [%q]}\ningress:\n  proxyFrom: [%s/32]\n  nodes: [{name: node-%d, http: %q, https: %q}]\n", rules, balancer, i+1, at, secure)
		listed += fmt.Sprintf("    - {name: node-%d, address: %q}\n", i+1, at)
		listedSecure += fmt.Sprintf("    - {name: node-%d, address: %q}\n", i+1, secure)
		nodes[i] = serve(t, dirs[i], configs[i])
	}
	front, frontSecure := freeAddressOf(t, balancer), freeAddressOf(t, balancer)
	slb := serve(t, t.TempDir(), fmt.Sprintf("slb:\n  listeners:\n  - name: http\n    address: %q\n    nodes:\n%s  - name: https\n    address: %q\n    nodes:\n%s",
		front, listed, frontSecure, listedSecure))
	healthy := func(n int) {
		t.Helper()
		eventually(t, 10*time.Second, "the SLB has its nodes", func() (bool, string) {
			up := 0
			all, err := tryGetAt[nodeRow](slb.admin, "nodes")
			for _, x := range all {
				if x.Health == "healthy" && !x.Draining {
					up++
				}
			}
			return up == n, fmt.Sprintf("%d of %d, %v", up, n, err)
		})
	}
	healthy(2 * rollingNodes) // each on both listeners

	get := func(l *load) { l.pause, l.users = 5*time.Millisecond, 32 }
	post := func(l *load) { l.pause, l.post, l.users = 5*time.Millisecond, true, 16 }
	short := func(l *load) { l.pause, l.short, l.users = 5*time.Millisecond, true, 4 }
	share := func(l *load) { l.http2 = clear2 }
	// Tickets of a node are offered to others and to its successors, as clients do.
	secure := func(l *load) {
		l.secure = &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	}
	shareSecure := func(l *load) { l.http2 = secure2 }
	loads := []*load{
		begin(t, front, host, "/one/get/", get),
		begin(t, front, host, "/one/post/", post),
		begin(t, front, host, "/one/short/", short),
		begin(t, front, host, "/two/get/", get, share),
		begin(t, front, host, "/two/post/", post, share),
		begin(t, frontSecure, host, "/one/tls/get/", get, secure),
		begin(t, frontSecure, host, "/one/tls/post/", post, secure),
		begin(t, frontSecure, host, "/one/tls/short/", short, secure),
		begin(t, frontSecure, host, "/two/tls/get/", get, shareSecure),
		begin(t, frontSecure, host, "/two/tls/post/", post, shareSecure),
	}
	made := func() (n int64) {
		for _, l := range loads {
			n += l.next.Load()
		}
		return n
	}
	replaced := 0
	for ; made() < rollingRequests || replaced < 2*rollingNodes; replaced++ {
		i := replaced % rollingNodes
		took := nodes[i].end(syscall.SIGTERM)
		for _, at := range addrs[2*i : 2*i+2] {
			if c, err := net.DialTimeout("tcp", at, time.Second); err == nil {
				_ = c.Close()
				t.Errorf("node %d has ended, and %s is served", i+1, at)
			}
		}
		nodes[i] = serve(t, dirs[i], configs[i])
		healthy(2 * rollingNodes)
		if took > 5*time.Second {
			t.Errorf("node %d took %v to end", i+1, took)
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d processes were replaced", replaced)
	log := map[string]int{}
	all := make([][]outcome, len(loads))
	for i, l := range loads {
		all[i] = l.end()
		none(t, l, all[i])
	}
	for _, n := range nodes {
		n.end(syscall.SIGTERM)
	}
	for _, dir := range dirs {
		for _, a := range (&up{t: t, state: dir}).accessLog() {
			log[a.Path]++
		}
	}
	total, wrong := 0, 0
	for i, l := range loads {
		total += len(all[i])
		for _, o := range all[i] {
			path := fmt.Sprint(l.prefix, o.N)
			if log[path] != 1 || behind.seen[path] != 1 {
				if wrong++; wrong <= 5 {
					t.Errorf("request %s: %d lines in the access logs, seen %d times by the origin; want 1", path, log[path], behind.seen[path])
				}
			}
		}
		t.Logf("%s: %d requests", l.prefix, len(all[i]))
	}
	if wrong > 0 {
		t.Errorf("%d of %d requests do not agree", wrong, total)
	}
}

// TestLeave: a process that ends says so first, and serves as before for as long as its configuration says. Then it asks clients to
// go, and takes new connections until the last request that was there is done.
func TestLeave(t *testing.T) {
	behind := newOrigin(t, "origin")
	behind.took = 1500 * time.Millisecond // of a request that is in flight when the rest is over
	rules, at := t.TempDir(), freeAddress(t)
	write(t, rules, "rules.yaml", endpoints("pool", behind.addr)+upstreamOf("pool", "pool", "")+route("slow", "/slow", "", "pool")+
		"---\napiVersion: paifang.dev/v1\nkind: Route\nmetadata: {name: own}\nspec:\n  attach: [gateway]\n  match: {path: {kind: Exact, value: /own}}\n  respond: {status: 200, body: here}\n")
	p := serve(t, t.TempDir(), fmt.Sprintf("sources: {manifests: [%q]}\ngateway: {http: %q, service: \"-\"}\nleave: 1s\n", rules, at))
	ended := make(chan time.Duration, 1)
	began := time.Now()
	go func() { ended <- p.end(syscall.SIGTERM) }()
	eventually(t, time.Second, "it is not ready", func() (bool, string) {
		status, _, err := call("GET", "http://"+p.admin+"/readyz")
		return err == nil && status == 503, fmt.Sprint(status, err)
	})
	a := asker{t: t, to: at}
	if status := a.status("leave.test", "/own"); status != 200 || a.c == nil {
		t.Errorf("not ready any more, it answers %d, and keeps the connection: %v; want 200 and true", status, a.c != nil)
	}
	if took := time.Since(began); took > 900*time.Millisecond {
		t.Fatalf("that took %v: too long to tell", took)
	}
	eventually(t, 2*time.Second, "a request is in flight and the wait nearly over", func() (bool, string) { return time.Since(began) > 700*time.Millisecond, "" })
	slow := make(chan error, 1)
	go func() {
		status, body, err := call("GET", "http://"+at+"/slow/1")
		if err == nil && status != 200 {
			err = fmt.Errorf("%d %s", status, body)
		}
		slow <- err
	}()
	eventually(t, 2*time.Second, "clients are asked to go", func() (bool, string) { return a.status("leave.test", "/own") == 200 && a.c == nil, "" })
	if told := time.Since(began); told < time.Second {
		t.Errorf("clients are asked to go after %v", told)
	}
	if status := a.status("leave.test", "/own"); status != 200 || a.c != nil {
		t.Errorf("a new connection while a request is in flight is answered %d, and kept: %v; want 200 and false", status, a.c != nil)
	}
	if err := <-slow; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
	if took := <-ended; took > 4*time.Second {
		t.Errorf("it took %v to end", took)
	}
}
