package annotation_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"paifang/internal/certs/certstest"
	"paifang/internal/source/kubernetes/annotation"
)

// TestCases sends the requests of every case through the engine. A case must hold, and without its annotation it must not,
// unless it says that it holds in any way.
func TestCases(t *testing.T) {
	runCases(t, cases(t), testCase.without)
}

// runCases serves each case, and each that does not hold in any way without what it is of.
func runCases(t *testing.T, all []testCase, without func(testCase) testCase) {
	t.Helper()
	ca := certstest.New(t, "test CA", nil)
	for _, c := range all {
		name := c.annotation
		if name == "" {
			name = "rules"
		}
		t.Run(name+"/"+c.name, func(t *testing.T) {
			t.Parallel() // most of them wait for a time to pass
			if err := serveAndAsk(t, ca, &c); err != nil {
				t.Fatalf("%s: %s\n%v", c.at, c.sentence, err)
			}
			if c.annotation == "" || c.anyway {
				return
			}
			bare := without(c)
			if err := serveAndAsk(t, ca, &bare); err == nil {
				t.Errorf("%s: it holds without %s as well: it shows nothing, or begins with =~", c.at, c.annotation)
			}
		})
	}
}

// TestTableAgainstCases is the rule of the house: nothing is called supported without a case of its name that fails without it.
func TestTableAgainstCases(t *testing.T) {
	shown := map[string]bool{}
	for _, c := range cases(t) {
		if !c.anyway {
			shown[c.annotation] = true
		}
	}
	for _, a := range annotation.Table() {
		served := a.Verdict == annotation.Supported || a.Verdict == annotation.Differs
		if served && !shown[a.Name] {
			t.Errorf("%s is %s, and testdata/cases/%s.txt has no case that fails without it", a.Name, a.Verdict, a.Name)
		}
		if !served && shown[a.Name] {
			t.Errorf("%s is %s, and testdata/cases/%s.txt shows an effect of it", a.Name, a.Verdict, a.Name)
		}
		delete(shown, a.Name)
	}
	delete(shown, "")
	for name := range shown {
		t.Errorf("testdata/cases/%s.txt is of no annotation", name)
	}
}

// serveAndAsk serves a case, sends its requests and says the first thing that is otherwise than wanted.
func serveAndAsk(t *testing.T, ca *certstest.Authority, c *testCase) error {
	t.Helper()
	s, err := newStand(t, ca, c)
	if err != nil {
		return err
	}
	defer s.close()
	if err := ask(c, s.recs, s.at, s.clients); err != nil {
		var said []string
		for _, d := range s.said {
			said = append(said, d.String())
		}
		return fmt.Errorf("%w\n%s", err, strings.Join(said, "\n"))
	}
	return nil
}

// ask sends the requests of a case to whoever serves it.
func ask(c *testCase, recs map[string]*backend, addr func(scheme string) string, clients *tls.Config) error {
	jar := map[string]string{}
	pods := map[string]string{}
	for i := range c.steps {
		st := &c.steps[i]
		counts := map[string]int{}
		if containsOption(c, "parallel") && st.times > 1 {
			if err := atOnce(c, st, addr, clients, counts); err != nil {
				return fmt.Errorf("%s: %w", st.at, err)
			}
		}
		for range st.times - sum(counts) {
			if len(st.shares) > 0 && !containsOption(c, "jar") {
				clear(jar)
			}
			began := time.Now()
			a, err := send(c, st.naming(pods), addr, clients, jar)
			if err != nil {
				return fmt.Errorf("%s: %w", st.at, err)
			}
			if took := time.Since(began); st.within > 0 && took > time.Duration(st.within)*time.Second {
				return fmt.Errorf("%s: it took %v", st.at, took)
			}
			counts[a.counted()]++
			if len(st.shares) > 0 {
				continue
			}
			if err := st.check(a, recs, pods); err != nil {
				return fmt.Errorf("%s: %w", st.at, err)
			}
		}
		for service, r := range st.shares {
			if n := counts[service]; n < r[0] || n > r[1] {
				return fmt.Errorf("%s: %d of %d went to %s, want %d to %d", st.at, n, st.times, service, r[0], r[1])
			}
		}
	}
	return nil
}

// atOnce sends the requests of a step at the same time and counts who answers.
func atOnce(c *testCase, st *step, addr func(scheme string) string, clients *tls.Config, counts map[string]int) error {
	type result struct {
		a   *answer
		err error
	}
	results := make(chan result, st.times)
	for range st.times {
		go func() {
			a, err := send(c, st, addr, clients, map[string]string{})
			results <- result{a, err}
		}()
	}
	var failed error
	for range st.times {
		r := <-results
		if r.err != nil {
			failed = r.err
			continue
		}
		counts[r.a.counted()]++
	}
	return failed
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

func containsOption(c *testCase, name string) bool {
	for _, o := range c.option {
		if o == name {
			return true
		}
	}
	return false
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a *answer) pod() string { return a.header.Get("Pod") }

// service is the one that answered, "-" for an answer of the gateway's own.
func (a *answer) service() string {
	if i := strings.LastIndexByte(a.pod(), '-'); i > 0 {
		return a.pod()[:i]
	}
	return "-"
}

// counted is what a step of many requests counts an answer as: its service, or the status of an answer of the gateway's own.
func (a *answer) counted() string {
	if by := a.service(); by != "-" {
		return by
	}
	return strconv.Itoa(a.status)
}

// check compares an answer, and what the endpoint saw, with what is wanted.
func (s *step) check(a *answer, recs map[string]*backend, pods map[string]string) error {
	if strconv.Itoa(a.status) != s.status || a.service() != s.by {
		return fmt.Errorf("%d from %s (%q), want %s from %s; fields %v", a.status, a.service(), a.body, s.status, s.by, a.header)
	}
	if s.bind != "" {
		letter, not := strings.CutPrefix(s.bind, "!")
		if was, known := pods[letter]; known && (was == a.pod()) == not {
			return fmt.Errorf("%s answered, and %s is %s", a.pod(), letter, was)
		} else if !known && !not {
			pods[letter] = a.pod()
		}
	}
	for _, w := range s.answer {
		if w.name == "body" {
			if !w.fits([]string{a.body}) && !strings.Contains(a.body, w.value) {
				return fmt.Errorf("body %q, want %q", a.body, w.value)
			}
			continue
		}
		if got := a.header.Values(w.name); !w.fits(got) {
			return fmt.Errorf("want %s, got %q", w, got)
		}
	}
	if len(s.seen) == 0 {
		return nil
	}
	for _, w := range s.seen {
		by := s.by
		if service, name, other := strings.Cut(w.name, "/"); other && w.name != "line" { // another service than the one that answered
			by, w.name = service, name
		}
		rec := recs[by]
		if rec == nil {
			return fmt.Errorf("nobody saw the request")
		}
		r, body := rec.last()
		if r == nil {
			return fmt.Errorf("%s was not asked", by)
		}
		var got []string
		switch w.name {
		case "line":
			got = []string{r.Method + " " + r.RequestURI}
		case "Asked": // so often, in the case so far
			got = []string{strconv.Itoa(rec.asked())}
		case "Host":
			got = []string{r.Host}
		case "body":
			got = []string{body}
		case "Protocol":
			got = []string{r.Proto}
		case "TLS":
			got = []string{"off"}
			if r.TLS != nil {
				got = []string{"on"}
			}
		case "SNI":
			if r.TLS != nil && r.TLS.ServerName != "" {
				got = []string{r.TLS.ServerName}
			}
		default:
			got = r.Header.Values(w.name)
		}
		if !w.fits(got) {
			return fmt.Errorf("%s saw %q, want %s", by, got, w)
		}
	}
	return nil
}

// naming puts the endpoints that letters stand for, {A}, into the fields of a request.
func (s *step) naming(pods map[string]string) *step {
	out := *s
	out.fields = nil
	for _, f := range s.fields {
		for letter, pod := range pods {
			f = strings.ReplaceAll(f, "{"+letter+"}", pod)
		}
		out.fields = append(out.fields, f)
	}
	return &out
}

// send sends one request on a connection of its own, as it is written, and keeps the cookies of its answer.
func send(c *testCase, s *step, addr func(scheme string) string, clients *tls.Config, jar map[string]string) (*answer, error) {
	scheme, rest, _ := strings.Cut(s.url, "://")
	host, path, _ := strings.Cut(rest, "/")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	dialer := net.Dialer{}
	if s.from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(s.from)}
	}
	at := addr(scheme)
	if _, port, _ := strings.Cut(host, ":"); scheme == "tcp" {
		at = net.JoinHostPort(at, port)
	}
	conn, err := dialer.DialContext(ctx, "tcp", at)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if scheme == "https" {
		cfg := clients.Clone()
		cfg.ServerName, _, _ = strings.Cut(host, ":")
		shown := cfg.Certificates
		cfg.Certificates = nil
		if len(s.fields) > 0 && strings.HasPrefix(s.fields[0], "Certificate: ") { // also one that the server did not ask for
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if s.fields[0] == "Certificate: good" {
					return &shown[0], nil
				}
				return &shown[1], nil
			}
		}
		cfg.InsecureSkipVerify = true // what is shown where no certificate is meant is not the matter here
		conn = tls.Client(conn, cfg)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s /%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", s.method, path, host)
	for _, f := range s.fields {
		if !strings.HasPrefix(f, "Certificate: ") {
			b.WriteString(f + "\r\n")
		}
	}
	if len(jar) > 0 {
		var pairs []string
		for k, v := range jar {
			pairs = append(pairs, k+"="+v)
		}
		b.WriteString("Cookie: " + strings.Join(pairs, "; ") + "\r\n")
	}
	if s.body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(s.body))
	}
	b.WriteString("\r\n" + s.body)
	sent := make(chan error, 1)
	if s.body == "" {
		if _, err := io.WriteString(conn, b.String()); err != nil {
			return nil, err
		}
	} else {
		go func() { // the answer may come before all of it is taken
			_, err := io.WriteString(conn, b.String())
			sent <- err
		}()
		defer func() {
			_ = conn.Close()
			<-sent
		}()
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: s.method})
	if err != nil && scheme == "tcp" {
		return &answer{}, nil // it was cut
	}
	if err != nil {
		return nil, err
	}
	if over, ok := conn.(*tls.Conn); ok {
		resp.Header.Set("Shown", over.ConnectionState().PeerCertificates[0].DNSNames[0])
		resp.Header.Set("Spoken", tls.VersionName(over.ConnectionState().Version))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%d: %w", resp.StatusCode, err)
	}
	if containsOption(c, "jar") {
		for _, k := range resp.Cookies() {
			jar[k.Name] = k.Value
		}
	}
	return &answer{resp.StatusCode, resp.Header, string(body)}, nil
}
