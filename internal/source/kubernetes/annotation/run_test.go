package annotation_test

import (
	"crypto/tls"
	"fmt"
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
			bare.hasty = true
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
	var said []string
	for _, d := range s.said {
		said = append(said, d.String())
	}
	err = ask(c, s.recs, s.at, s.clients, s.scale)
	for _, text := range c.told {
		if err == nil && !strings.Contains(strings.Join(said, "\n"), text) {
			err = fmt.Errorf("nothing says %q", text)
		}
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, strings.Join(said, "\n"))
	}
	return nil
}

// ask sends the requests of a case to whoever serves it. scale gives a service other endpoints.
func ask(c *testCase, recs map[string]*backend, addr func(scheme string) string, clients *tls.Config, scale func(service) error) error {
	jar := map[string]string{}
	pods := map[string]string{}
	for i := range c.steps {
		st := &c.steps[i]
		counts := map[string]int{}
		if st.scale != nil {
			if err := scale(*st.scale); err != nil {
				return fmt.Errorf("%s: %w", st.at, err)
			}
			continue
		}
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
			if err != nil && st.status == "cut" {
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", st.at, err)
			}
			if took := time.Since(began); st.within > 0 && took > time.Duration(st.within)*time.Second || took < time.Duration(st.after)*time.Second {
				return fmt.Errorf("%s: it took %v", st.at, took)
			}
			counts[a.counted()]++
			if len(st.shares) > 0 {
				continue
			}
			err = st.check(a, recs, pods)
			if err == nil {
				err = st.awaitCopies(recs, c.hasty)
			}
			if err == nil {
				err = st.awaitSpan(recs, c.hasty)
			}
			if err != nil {
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
		if w.name == "Expires-In" {
			if err := a.expiresIn(w.value); err != nil {
				return err
			}
			continue
		}
		if got := a.header.Values(w.name); !w.fits(got) {
			return fmt.Errorf("want %s, got %q", w, got)
		}
	}
	return seen(s.seen, s.by, recs)
}

// awaitCopies waits for copies of the request, which nobody tells of. Of a case that is to fail it does not expect any.
func (s *step) awaitCopies(recs map[string]*backend, hasty bool) error {
	patience := 15 * time.Second
	if hasty {
		patience = 200 * time.Millisecond
	}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := seen(s.copied, "-", recs)
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// awaitSpan waits for a span like the one that is wanted.
func (s *step) awaitSpan(recs map[string]*backend, hasty bool) error {
	if len(s.span) == 0 {
		return nil
	}
	patience := 15 * time.Second
	if hasty {
		patience = 300 * time.Millisecond
	}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := s.spanned(recs)
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// spanned compares the last span with what is wanted: its name, its service, and its attributes.
func (s *step) spanned(recs map[string]*backend) error {
	for _, b := range recs {
		if b.collector == nil {
			continue
		}
		all := b.collector.Spans()
		if len(all) == 0 {
			break
		}
		last := all[len(all)-1]
		for _, w := range s.span {
			var got []string
			switch w.name {
			case "name":
				got = []string{last.Name}
			case "service":
				got = []string{last.Service}
			case "trace":
				got = []string{last.Trace}
			default:
				if v, there := last.Attributes[w.name]; there {
					got = []string{fmt.Sprint(v)}
				}
			}
			if !w.fits(got) {
				return fmt.Errorf("the span has %q, want %s", got, w)
			}
		}
		return nil
	}
	return fmt.Errorf("there is no span")
}

// seen compares what services were asked last with what is wanted; by is the one that is meant where none is named.
func seen(wanted []want, by string, recs map[string]*backend) error {
	for _, w := range wanted {
		by := by
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
		case "Turn": // which request of its connection it was
			got = []string{strconv.Itoa(rec.turn())}
		case "Host":
			got = []string{r.Host}
		case "body":
			got = []string{body}
		case "Peer": // whose certificate it was shown
			if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
				got = []string{r.TLS.PeerCertificates[0].Subject.CommonName}
			}
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
