package annotation_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"paifang/internal/certs/certstest"
)

// TestNginx asks nginx what the cases ask the engine, with the blocks that ingress-nginx writes for their Ingresses: those
// cases whose annotations become directives of nginx alone, and not code that runs inside it.
func TestNginx(t *testing.T) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed (Debian: apt-get install nginx-light)")
	}
	ca := certstest.New(t, "test CA", nil)
	n, asked := 0, map[string]bool{}
	for _, c := range cases(t) {
		if !c.forNginx() {
			continue
		}
		n++
		asked[c.annotation] = true
		t.Run(c.annotation+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			recs := map[string]*backend{}
			for _, s := range c.allServices() {
				b, err := newBackend(ca, s)
				if err != nil {
					t.Fatal(err)
				}
				defer b.stop()
				recs[s.name] = b
			}
			s := &stand{t: t, ca: ca, recs: recs, clients: clientsOf(t, ca)}
			addr, stop := startNginx(t, program, &c, s)
			defer stop()
			if err := ask(&c, recs, func(string) string { return addr }, s.clients, nil); err != nil {
				t.Errorf("%s: nginx does otherwise: %v", c.at, err)
			}
		})
	}
	if n < 20 {
		t.Errorf("only %d cases are ones that nginx can show", n)
	}
	for _, name := range nginxShows() {
		if !asked[name] {
			t.Errorf("no case of %s is asked of nginx", name)
		}
	}
}

// nginxShows are the annotations that become directives of nginx alone.
func nginxShows() []string {
	return []string{"rewrite-target", "use-regex", "app-root", "permanent-redirect", "permanent-redirect-code", "temporal-redirect", "temporal-redirect-code",
		"proxy-next-upstream", "proxy-next-upstream-tries", "proxy-next-upstream-timeout", "proxy-read-timeout", "proxy-body-size",
		"auth-tls-secret", "auth-tls-verify-client"}
}

// forNginx tells whether directives of nginx can show a case.
func (c *testCase) forNginx() bool {
	known := nginxShows()
	if c.class != "nginx" || !c.forNginxTLS() || len(c.option)+len(c.told) > 0 {
		return false
	}
	for _, g := range c.ingresses {
		if g.defaults != "" {
			return false
		}
		for _, a := range g.annotations {
			if !slices.Contains(known, a[0]) || strings.HasPrefix(a[1], "ftp:") {
				return false
			}
		}
	}
	for _, s := range c.services {
		if s.how != "" {
			return false
		}
	}
	for _, st := range c.steps {
		if st.scale != nil {
			return false
		}
		for _, w := range st.seen {
			name := w.name[strings.IndexByte(w.name, '/')+1:] // of a service that is named
			if !slices.Contains([]string{"line", "Host", "body", "Asked", "ssl-client-verify", "ssl-client-subject-dn", "ssl-client-issuer-dn", "ssl-client-cert"}, name) {
				return false
			}
		}
	}
	return true
}

// annotation is the value of an annotation, or what holds without.
func (g *ingress) annotation(name, otherwise string) string {
	for _, a := range g.annotations {
		if a[0] == name {
			return a[1]
		}
	}
	return otherwise
}

// code is the status that ingress-nginx writes for a redirect.
func (g *ingress) code(name string, most, otherwise int) int {
	n, err := strconv.Atoi(g.annotation(name, ""))
	if err != nil || n < 300 || n > most {
		return otherwise
	}
	return n
}

// location is a location block of a server.
type location struct {
	kind, path, service string
	g                   *ingress
}

// nginxConf writes the servers of a case.
func nginxConf(c *testCase, recs map[string]*backend, listen string) string {
	var b strings.Builder
	b.WriteString("daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log;\nevents { worker_connections 64; }\nhttp {\naccess_log off;\nport_in_redirect off;\n")
	for _, d := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "%s_temp_path %s;\n", d, d)
	}
	for name, r := range recs {
		fmt.Fprintf(&b, "upstream %s {\n", name)
		for _, e := range r.endpoints {
			fmt.Fprintf(&b, "  server %s max_fails=0;\n", e.Addr)
		}
		b.WriteString("}\n")
	}
	if c.overTLS() {
		fmt.Fprintf(&b, "server { listen %s ssl default_server; ssl_certificate tls.crt; ssl_certificate_key tls.key; location /healthz { return 200; } location / { return 404; } }\n", listen)
		listen += " ssl"
	} else {
		fmt.Fprintf(&b, "server { listen %s default_server; location /healthz { return 200; } location / { return 404; } }\n", listen)
	}
	hosts := map[string][]location{}
	for i := range c.ingresses {
		g := &c.ingresses[i]
		for _, p := range g.paths {
			hosts[g.host] = append(hosts[g.host], location{p[0], p[1], p[2], g})
		}
	}
	for host, all := range hosts {
		if parent, ok := strings.CutPrefix(host, "*."); ok { // one label
			host = `"~^[\w-]+\.` + strings.ReplaceAll(parent, ".", `\.`) + `$"`
		}
		fmt.Fprintf(&b, "server {\nlisten %s;\nserver_name %s;\n", listen, host)
		if c.overTLS() {
			b.WriteString(c.serverTLS(all))
		}
		writeLocations(&b, all)
		b.WriteString("}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// writeLocations puts them in the order in which ingress-nginx does, the longest path first.
func writeLocations(b *strings.Builder, all []location) {
	regex := slices.ContainsFunc(all, func(l location) bool {
		t := l.g.annotation("rewrite-target", "")
		return l.g.annotation("use-regex", "") == "true" || t != "" && t != l.path
	})
	if !regex {
		all = prefixLocations(all)
	}
	if !slices.ContainsFunc(all, func(l location) bool { return l.path == "/" }) {
		all = append(all, location{kind: "Prefix", path: "/"})
	}
	slices.SortStableFunc(all, func(x, y location) int { return strings.Compare(y.path, x.path) })
	slices.SortStableFunc(all, func(x, y location) int { return len(y.path) - len(x.path) })
	for _, l := range all {
		if l.g != nil && l.g.annotation("app-root", "") != "" {
			fmt.Fprintf(b, "if ($uri = /) { return 302 $scheme://$http_host%s; }\n", l.g.annotation("app-root", ""))
			break
		}
	}
	for _, l := range all {
		switch {
		case regex:
			fmt.Fprintf(b, "location ~* \"^%s\" {\n", l.path)
		case l.kind == "Exact":
			fmt.Fprintf(b, "location = \"%s\" {\n", l.path)
		default:
			fmt.Fprintf(b, "location \"%s\" {\n", l.path)
		}
		l.body(b)
		b.WriteString("}\n")
	}
}

// prefixLocations makes two of a Prefix: the path itself, and what is below it.
func prefixLocations(all []location) []location {
	exact := func(path string) bool {
		return slices.ContainsFunc(all, func(l location) bool { return l.kind == "Exact" && l.path == path })
	}
	var out []location
	for _, l := range all {
		if l.kind != "Prefix" || l.path == "/" {
			out = append(out, l)
			continue
		}
		if !exact(l.path) {
			same := l
			same.kind = "Exact"
			out = append(out, same)
		}
		if !strings.HasSuffix(l.path, "/") {
			l.path += "/"
		}
		out = append(out, l)
	}
	return out
}

// body is what happens in a location.
func (l *location) body(b *strings.Builder) {
	if l.g == nil {
		b.WriteString("  return 404;\n")
		return
	}
	g := l.g
	fmt.Fprintf(b, "  client_max_body_size %s;\n", g.annotation("proxy-body-size", "1m"))
	if u := g.annotation("temporal-redirect", ""); u != "" {
		fmt.Fprintf(b, "  return %d %s;\n", g.code("temporal-redirect-code", 307, 302), u)
	} else if u := g.annotation("permanent-redirect", ""); u != "" {
		fmt.Fprintf(b, "  return %d %s;\n", g.code("permanent-redirect-code", 308, 301), u)
	}
	for _, d := range [][2]string{{"next-upstream", "error timeout"}, {"next-upstream-tries", "3"}, {"next-upstream-timeout", "0"}, {"read-timeout", "60"}} {
		fmt.Fprintf(b, "  proxy_%s %s;\n", strings.ReplaceAll(d[0], "-", "_"), g.annotation("proxy-"+d[0], d[1]))
	}
	b.WriteString("  proxy_http_version 1.1;\n  proxy_set_header Host $http_host;\n  proxy_set_header Connection \"\";\n" + l.toldOfClients())
	if t := g.annotation("rewrite-target", ""); t != "" && t != l.path {
		fmt.Fprintf(b, "  rewrite \"(?i)%s\" %s break;\n", l.path, t)
	}
	fmt.Fprintf(b, "  proxy_pass http://%s;\n", l.service)
}

// startNginx runs nginx with the configuration of a case until stop is called.
func startNginx(t *testing.T, program string, c *testCase, s *stand) (addr string, stop func()) {
	t.Helper()
	dir := t.TempDir()
	ln, err := net.Listen("tcp", netip.AddrPortFrom(place(), 0).String()) // not where anything that runs beside it takes ports
	if err != nil {
		t.Skip("this system has loopback addresses 127.0.0.1 only")
	}
	addr = ln.Addr().String()
	_ = ln.Close()
	if c.overTLS() {
		c.writeTLS(t, s, dir)
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(nginxConf(c, s.recs, addr)), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-p", dir, "-c", conf, "-e", "error.log")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	stop = func() {
		cancel()
		<-done
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = conn.Close()
			return addr, stop
		}
		select {
		case <-done:
			t.Fatalf("nginx has ended: %s\n%s", &out, nginxConf(c, s.recs, addr))
		default:
		}
		if time.Now().After(end) {
			stop()
			t.Fatalf("nginx does not listen: %s", &out)
		}
	}
}
