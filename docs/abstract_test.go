package docs_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The pages have the addresses of an `up` without --port-offset.

var (
	address = regexp.MustCompile(`\b127\.0\.0\.\d+:\d+`)
	dnsPort = regexp.MustCompile(`-p \d+`)
	number  = regexp.MustCompile(`\d+`)
)

// place is where an `up` with a port offset has its addresses.
type place struct {
	offset int
	pods   [2]string // the first three numbers of pod addresses, of node-1 and node-2: "127.1.1." and "127.1.2." without offset
}

// toOffset adds the offset to every port at an address of ours.
func toOffset(text string, offset int) string {
	return address.ReplaceAllStringFunc(text, func(a string) string {
		i := strings.LastIndexByte(a, ':')
		n, _ := strconv.Atoi(a[i+1:])
		return a[:i+1] + strconv.Itoa(n+offset)
	})
}

// command is a command of a page, to be given there.
func (p place) command(text string) string {
	text = dnsPort.ReplaceAllStringFunc(toOffset(text, p.offset), func(flag string) string {
		n, _ := strconv.Atoi(flag[len("-p "):])
		return "-p " + strconv.Itoa(n+p.offset)
	})
	return strings.NewReplacer("127.1.1.", p.pods[0], "127.1.2.", p.pods[1]).Replace(text)
}

// page is what was printed there, with the addresses of pages.
func (p place) page(lines []string) []string {
	var out []string
	pods := strings.NewReplacer(p.pods[0], "127.1.1.", p.pods[1], "127.1.2.")
	for _, l := range lines {
		out = append(out, number.ReplaceAllStringFunc(pods.Replace(l), func(d string) string {
			if n, err := strconv.Atoi(d); err == nil && slices.Contains(defaultPorts, n-p.offset) {
				return strconv.Itoa(n - p.offset)
			}
			return d
		}))
	}
	return out
}

// replacement is what differs from run to run and means nothing to a reader.
type replacement struct {
	pattern *regexp.Regexp
	with    string
}

var anywhere = []replacement{
	{regexp.MustCompile(`\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT`), "DATE"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`), "DATE"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d(\.\d+)?\b`), "TIME"},
	{regexp.MustCompile(`\b[0-9a-f]{16}([0-9a-f]{16})?\b`), "ID"},
	{regexp.MustCompile(`\b\d+(\.\d+)? ?(ns|µs|ms|s|min|m|h)\b`), "SPAN"},
	{regexp.MustCompile(`, revision \d+`), ""},
	{regexp.MustCompile(`\bprocess \d+`), "process PID"},
	{regexp.MustCompile(`"pid": \d+`), `"pid": PID`},
	{regexp.MustCompile(`(Running|Frozen|Terminating|Stopped|Waiting) +\d+`), "$1 PID"},
	{regexp.MustCompile(`(^|[^:.\d])\d{4,}\b`), "${1}N"},
	{regexp.MustCompile(`\d{9,}`), "N"},
	{regexp.MustCompile(`\d+ bytes`), "N bytes"},
	{regexp.MustCompile(`Content-Length: \d+`), "Content-Length: N"},
	{regexp.MustCompile(`curl/[\d.]+`), "curl/N"},
	{regexp.MustCompile(`curl: \((\d+)\).*`), "curl: ($1)"},
	{regexp.MustCompile(` +`), " "},
}

// chosen are the words about what round robin decided, by the name of the hop.
var chosen = map[string][]replacement{
	"slb":     {{regexp.MustCompile(`(next is|took) [^\s,]+`), "$1 NODE"}},
	"node":    {{regexp.MustCompile(`node-\d 127\.0\.0\.\d+`), "NODE"}},
	"ingress": {{regexp.MustCompile(`on node-\d`), "on NODE"}},
	"upstream": {
		{regexp.MustCompile(`(next is|took) [^\s,]+`), "$1 POD"},
		{regexp.MustCompile(`(127\.1\.\d+\.\d+:\d+): [^],]+`), "$1: DOWN"}, // by its probe or a refused connection, whichever came first
	},
	"endpoint": {{regexp.MustCompile(`(next is|took) [^\s,]+`), "$1 POD"}},
	"pod":      {{regexp.MustCompile(`\S+ on node-\d(, reached from node-\d over the pod network)?; (port \d+ is process \d+|no process of it runs now)|\S+ is no pod that runs here`), "POD"}},
}

var (
	hop      = regexp.MustCompile(`^ ?\d+ ([a-z]+) `)
	answered = regexp.MustCompile(`^ *"(pod|podIP|podNode|node|Host|X-Paifang-Node|X-Paifang-Via)": "(order-|node-|127\.1\.|\w+/).*"`)
)

// abstract leaves what a run has in common with every other. Two explanations side by side have to be set one below the
// other before, see onePerHop.
func abstract(lines []string) []string {
	var out []string
	for _, l := range lines {
		if m := hop.FindStringSubmatch(l); m != nil {
			for _, r := range chosen[m[1]] {
				l = r.pattern.ReplaceAllString(l, r.with)
			}
		}
		l = answered.ReplaceAllString(l, `"$1": CHOSEN`)
		for _, r := range anywhere {
			l = r.pattern.ReplaceAllString(l, r.with)
		}
		out = append(out, strings.TrimSpace(l))
	}
	return out
}

// onePerHop puts two explanations that stand side by side one below the other, and every hop on a line. How hops are
// folded, and which pods differ, depends on the choice of round robin.
func onePerHop(lines []string) []string {
	column := -1
	for _, l := range lines {
		if i := strings.Index(l, " ≠ "); i >= 0 {
			column = len([]rune(l[:i])) + 1
			break
		}
	}
	if column < 0 {
		return lines
	}
	var left, right []string
	put := func(side []string, text string) []string {
		text = strings.TrimRight(text, " ")
		switch {
		case strings.TrimSpace(text) == "":
		case len(side) > 1 && !hop.MatchString(text): // the first line is the title
			side[len(side)-1] += " " + strings.TrimSpace(text)
		default:
			side = append(side, text)
		}
		return side
	}
	for _, l := range lines {
		r := []rune(l)
		left = put(left, string(r[:min(column, len(r))]))
		right = put(right, string(r[min(column+2, len(r)):]))
	}
	return append(left, right...)
}

// matches compares abstracted lines. A line "…" of the page stands for any number of lines.
func matches(want, got []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if want[0] == "…" {
		for i := range len(got) + 1 {
			if matches(want[1:], got[i:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && want[0] == got[0] && matches(want[1:], got[1:])
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		want, got string
		ok        bool
	}{
		{"a b", "a b", true},
		{"a … d", "a b c d", true},
		{"a …", "a", true},
		{"a … d", "a b c", false},
		{"a", "a b", false},
		{"", "a", false},
	} {
		if ok := matches(strings.Fields(c.want), strings.Fields(c.got)); ok != c.ok {
			t.Errorf("%q and %q: %v", c.want, c.got, ok)
		}
	}
}

func TestAbstract(t *testing.T) {
	for _, c := range []struct{ a, b string }{
		{"order-a   node-1   127.1.1.2:8080   yes     Running   21407     0          1s", "order-a  node-1  127.1.1.2:8080  yes  Running  977  0  2m"},
		{" 8 pod       order-a on node-1; port 8080 is process 7", " 8 pod       order-b on node-2, reached from node-1 over the pod network; port 8080 is process 23"},
		{" 5 registry  x, revision 3 (the gateway's copy, 108 s old)", " 5 registry  x, revision 14 (the gateway's copy, 2 min old)"},
		{`  "node": "node-1",`, `  "node": "node-2",`},
	} {
		if a, b := abstract([]string{c.a}), abstract([]string{c.b}); !slices.Equal(a, b) {
			t.Errorf("%q and %q differ", a, b)
		}
	}
	for _, c := range []struct{ a, b string }{
		{"order-a  node-1  127.1.1.2:8080  yes", "order-a  node-1  127.1.1.2:8080  no"},
		{" 7 upstream  order-service:80, 2 of 2 ready", " 7 upstream  order-service:80, 1 of 2 ready"},
		{`  "node": "node-1",`, `  "node": "gateway",`},
		{"HTTP/1.1 404 Not Found", "HTTP/1.1 503 Service Unavailable"},
		{"127.0.0.10:8080", "127.0.0.10:8443"},
	} {
		if a, b := abstract([]string{c.a}), abstract([]string{c.b}); slices.Equal(a, b) {
			t.Errorf("%q and %q are the same", c.a, c.b)
		}
	}
	for _, p := range []place{{3, [2]string{"127.4.1.", "127.4.2."}}, {13371, [2]string{"127.164.105.", "127.164.106."}}} {
		const text = "curl 127.0.0.10:8080 dig @127.0.0.1 -p 8053 127.1.1.2:8080 127.1.2.3"
		if there := p.command(text); there == text || p.page([]string{there})[0] != text {
			t.Errorf("%v: %q and back %q", p, there, p.page([]string{there}))
		}
	}
}
