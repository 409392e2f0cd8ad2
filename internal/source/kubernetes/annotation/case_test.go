package annotation_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"paifang/internal/source/kubernetes/annotation"
)

// A case says what one annotation does, in a request and what becomes of it. testdata/cases/NAME.txt has those of the
// annotation NAME; testdata/cases/README.md has the form. The cases in rules.txt are of what holds without annotations.
type testCase struct {
	annotation string // that the case is of; "" in rules.txt
	name       string
	sentence   string
	anyway     bool // it holds without the annotation as well
	at         string

	class     string      // nginx or spec
	taken     bool        // an installation of ingress-nginx is taken over
	config    [][2]string // keys of its ConfigMap
	flags     []string    // of its command line
	option    []string
	services  []service
	ingresses []ingress
	yaml      string
	steps     []step
	ports     map[string]uint16 // of Services that are no 80
	told      []string          // what diagnostics have in them
	hasty     bool              // it is to fail: nothing is waited for
}

// service is what answers: so many endpoints, in a way of their own.
type service struct {
	name      string
	endpoints int
	how       string // "", https, either, mtls, h2c, h2, fcgi, closed, closed-first, cluster, full, deaf, missing, two-ports, otlp (takes traces)
}

// ingress is an Ingress in short.
type ingress struct {
	name, host  string
	annotations [][2]string // without prefix
	paths       [][3]string // type, path, service
	defaults    string      // service of the default backend
	tls         bool
}

// step is a request, sent so many times, and what is wanted of it.
type step struct {
	at          string
	times       int
	scale       *service // in place of a request: the service gets as many endpoints
	method, url string
	from        string // address that it comes from
	fields      []string
	body        string

	status string // "200", or "" in a step of shares
	by     string // the service that answered; "-" = none
	bind   string // a letter that the endpoint is remembered by, or has to be
	answer []want
	seen   []want
	copied []want            // and what services are asked some time later
	span   []want            // what the last span of a trace says that a collector gets
	within int               // seconds that it may take; 0 = any
	after  int               // seconds that it takes at least
	shares map[string][2]int // service → least and most of the times
}

// want is a field with its value, one that begins with ~ being an expression; absent = it must not be there.
type want struct {
	name, value string
	absent      bool
}

func (w want) String() string {
	if w.absent {
		return "no " + w.name
	}
	return w.name + ": " + w.value
}

// fits tells whether values of a field are what is wanted.
func (w want) fits(values []string) bool {
	if w.absent {
		return len(values) == 0
	}
	for _, v := range values {
		if pattern, ok := strings.CutPrefix(w.value, "~"); ok {
			if regexp.MustCompile(pattern).MatchString(v) {
				return true
			}
		} else if v == w.value {
			return true
		}
	}
	return false
}

// cases reads all cases, by the annotation that they are of.
func cases(t *testing.T) []testCase {
	t.Helper()
	return casesIn(t, "cases")
}

// casesIn reads those of a directory of testdata.
func casesIn(t *testing.T, dir string) []testCase {
	t.Helper()
	files, err := filepath.Glob("testdata/" + dir + "/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	var all []testCase
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(f), ".txt")
		if name == "rules" {
			name = ""
		}
		found, err := parseCases(f, string(text))
		if err != nil {
			t.Fatal(err)
		}
		for i := range found {
			found[i].annotation = name
			found[i].taken = found[i].taken || dir != "cases"
		}
		all = append(all, found...)
	}
	return all
}

// parseCases reads a file of cases.
func parseCases(file, text string) ([]testCase, error) {
	var out []testCase
	var c *testCase
	inYAML := false
	for i, line := range strings.Split(text, "\n") {
		at := fmt.Sprintf("%s:%d", file, i+1)
		if c != nil && inYAML {
			if line == "end" {
				inYAML = false
			} else {
				c.yaml += line + "\n"
			}
			continue
		}
		line = lengthened(line)
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		if ok := strings.HasPrefix(line, "== "); ok || strings.HasPrefix(line, "=~ ") {
			name, sentence, found := strings.Cut(line[len("== "):], ": ")
			if !found {
				return nil, fmt.Errorf("%s: want NAME: sentence", at)
			}
			out = append(out, testCase{name: name, sentence: sentence, anyway: !ok, at: at, class: "nginx"})
			c = &out[len(out)-1]
			continue
		}
		if c == nil {
			return nil, fmt.Errorf("%s: before the first case", at)
		}
		if line == "yaml" {
			inYAML = true
			continue
		}
		if err := c.line(line, trimmed, at); err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
	}
	return out, nil
}

// line reads one line of a case.
func (c *testCase) line(line, text, at string) error {
	words := strings.Fields(text)
	indented := line[0] == ' '
	switch {
	case indented:
		return c.ingressLine(words, text)
	case words[0] == "class":
		c.class = words[1]
	case words[0] == "config":
		c.taken = true
		name, value, _ := strings.Cut(strings.TrimPrefix(text, "config "), ":")
		c.config = append(c.config, [2]string{name, strings.TrimSpace(value)})
	case words[0] == "flag":
		c.taken = true
		c.flags = append(c.flags, strings.TrimPrefix(text, "flag "))
	case words[0] == "told":
		c.told = append(c.told, strings.TrimPrefix(text, "told "))
	case words[0] == "scale" && len(words) == 3:
		n, err := strconv.Atoi(words[2])
		if err != nil {
			return err
		}
		c.steps = append(c.steps, step{at: at, scale: &service{name: words[1], endpoints: n}})
	case words[0] == "option":
		c.option = append(c.option, strings.TrimPrefix(text, "option "))
	case words[0] == "service":
		s := service{name: words[1], endpoints: 1}
		for _, w := range words[2:] {
			if n, err := strconv.Atoi(w); err == nil {
				s.endpoints = n
			} else {
				s.how = w
			}
		}
		c.services = append(c.services, s)
	case words[0] == "ingress":
		g := ingress{name: words[1]}
		if len(words) > 2 {
			g.host = words[2]
		}
		c.ingresses = append(c.ingresses, g)
	case words[0][0] == '>':
		return c.request(words, at)
	case len(c.steps) == 0:
		return fmt.Errorf("%q before the first request", text)
	default:
		return c.steps[len(c.steps)-1].expect(words, text)
	}
	return nil
}

func (c *testCase) ingressLine(words []string, text string) error {
	if len(c.ingresses) == 0 {
		return fmt.Errorf("%q belongs to no ingress", text)
	}
	g := &c.ingresses[len(c.ingresses)-1]
	switch {
	case words[0] == "path" && len(words) == 4:
		g.paths = append(g.paths, [3]string(words[1:4]))
	case words[0] == "default" && len(words) == 2:
		g.defaults = words[1]
	case words[0] == "tls" && len(words) == 1:
		g.tls = true
	default:
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			return fmt.Errorf("%q is no annotation", text)
		}
		g.annotations = append(g.annotations, [2]string{name, strings.TrimSpace(value)})
	}
	return nil
}

// request reads "> GET http://shop.test/ from 127.0.0.9", and ">100 GET …" for a hundred of them.
func (c *testCase) request(words []string, at string) error {
	s := step{at: at, times: 1, shares: map[string][2]int{}}
	if n := words[0][1:]; n != "" {
		times, err := strconv.Atoi(n)
		if err != nil {
			return err
		}
		s.times = times
	}
	if len(words) < 3 {
		return fmt.Errorf("want > METHOD URL")
	}
	s.method, s.url = words[1], words[2]
	if len(words) == 5 && words[3] == "from" {
		s.from = words[4]
	}
	c.steps = append(c.steps, s)
	return nil
}

// expect reads a line after a request: until the first < they are its fields, then what is wanted.
func (s *step) expect(words []string, text string) error {
	wanted := s.status != "" || len(s.shares) > 0
	switch {
	case words[0] == "<" && strings.Contains(text, ".."):
		from, to, _ := strings.Cut(words[2], "..")
		least, err1 := strconv.Atoi(from)
		most, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil {
			return fmt.Errorf("%q is no range", words[2])
		}
		s.shares[words[1]] = [2]int{least, most}
	case words[0] == "<":
		s.status, s.by = words[1], "-"
		if len(words) > 2 {
			s.by = words[2]
		}
		if len(words) == 5 && words[3] == "as" {
			s.bind = words[4]
		}
	case !wanted && words[0] == "|":
		s.body += strings.TrimPrefix(text, "| ")
	case !wanted && words[0] == "size":
		n, err := strconv.Atoi(words[1])
		s.body = strings.Repeat("x", n)
		return err
	case !wanted:
		s.fields = append(s.fields, text)
	case words[0] == "after":
		n, err := strconv.Atoi(words[1])
		s.after = n
		return err
	case words[0] == "within":
		n, err := strconv.Atoi(words[1])
		s.within = n
		return err
	case words[0] == "copied":
		s.copied = append(s.copied, wantOf(strings.TrimPrefix(text, "copied ")))
	case words[0] == "span":
		s.span = append(s.span, wantOf(strings.TrimPrefix(text, "span ")))
	case words[0] == "saw":
		s.seen = append(s.seen, wantOf(strings.TrimPrefix(text, "saw ")))
	default:
		s.answer = append(s.answer, wantOf(text))
	}
	return nil
}

func wantOf(text string) want {
	if service, name, ok := strings.Cut(text, "/!"); ok && !strings.ContainsAny(service, " :") {
		return want{name: service + "/" + name, absent: true}
	}
	if name, ok := strings.CutPrefix(text, "!"); ok {
		return want{name: name, absent: true}
	}
	if name, value, ok := strings.Cut(text, ": "); ok && !strings.Contains(name, " ") {
		return want{name: name, value: value}
	}
	return want{name: "line", value: text} // method and path
}

// without is the case with the annotation that it is of taken away.
func (c testCase) without() testCase {
	out := c
	out.ingresses = nil
	for _, g := range c.ingresses {
		kept := g
		kept.annotations = nil
		for _, a := range g.annotations {
			if a[0] != c.annotation && a[0] != aliasOf(c.annotation) {
				kept.annotations = append(kept.annotations, a)
			}
		}
		out.ingresses = append(out.ingresses, kept)
	}
	return out
}

func aliasOf(name string) string {
	for _, a := range annotation.Table() {
		if a.Name == name {
			return a.Alias
		}
	}
	return ""
}
