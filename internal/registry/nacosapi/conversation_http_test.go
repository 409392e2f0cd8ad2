package nacosapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"

	"paifang/internal/registry"
	"paifang/internal/registry/config"
	"paifang/internal/registry/storage"
)

// What official clients of HTTP v1 really send was recorded (TestRecorded in test/interop): each file is one client, in its order. Behind >
// stand a method and a path, behind >h a header, behind >b a form; what is answered stands below each. -update rewrites the answers, and never
// the requests.
func TestHTTPConversations(t *testing.T) { replay(t, "http", converseHTTP) }

// asked is one request of a conversation, with its answer.
type asked struct {
	lines   string
	method  string
	path    string
	headers [][2]string
	body    string
	answer  string
}

// parseHTTP reads the requests of a conversation, and what stands before the first.
func parseHTTP(t *testing.T, text string) (head string, all []*asked) {
	t.Helper()
	for line := range strings.Lines(text) {
		mark, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch {
		case mark == ">":
			a := &asked{}
			a.method, a.path, _ = strings.Cut(rest, " ")
			all = append(all, a)
		case len(all) == 0:
			head += line
			continue
		case mark == ">h":
			name, value, _ := strings.Cut(rest, ": ")
			last := all[len(all)-1]
			last.headers = append(last.headers, [2]string{name, value})
		case mark == ">b":
			all[len(all)-1].body = rest
		case mark == "<" || mark == "<h":
			continue
		default:
			t.Fatalf("a line that nobody knows: %s", line)
		}
		all[len(all)-1].lines += line
	}
	return head, all
}

// waits tells whether a request is answered when something has changed, at once or later.
func (a *asked) waits() bool {
	var polls, at bool
	for _, h := range a.headers {
		polls = polls || h[0] == "Long-Pulling-Timeout"
		at = at || h[0] == "Long-Pulling-Timeout-No-Hangup"
	}
	return polls && !at
}

func converseHTTP(t *testing.T, text string) string {
	t.Helper()
	s, err := config.Open(t.Context(), storage.NewMemory(), config.Options{})
	must(t, err)
	defer s.Close()
	f := serve(t, Config{Configs: s}, registry.Options{Addresses: registry.AddressRule{Also: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // one that is opened and not used would hold up the server's end
	head, all := parseHTTP(t, text)
	var polls sync.WaitGroup
	for _, a := range all {
		if a.waits() {
			polls.Go(func() { a.ask(ctx, t, client, f.base) }) // its answer is the same, whether what follows is earlier or later
		} else {
			a.ask(ctx, t, client, f.base)
		}
	}
	polls.Wait()
	for _, a := range all {
		head += a.lines + a.answer
	}
	return head
}

// ask makes the request and notes the answer, without what is another each time.
func (a *asked) ask(ctx context.Context, t *testing.T, client *http.Client, base string) {
	q, err := http.NewRequestWithContext(ctx, a.method, base+a.path, strings.NewReader(a.body))
	if err != nil {
		t.Error(err)
		return
	}
	for _, h := range a.headers {
		q.Header.Set(h[0], h[1])
	}
	p, err := client.Do(q)
	if err != nil {
		t.Error(err)
		return
	}
	defer p.Body.Close()
	b, err := io.ReadAll(p.Body)
	if err != nil {
		t.Error(err)
	}
	for _, name := range []string{"Content-Type", "Content-MD5", "Config-Type"} {
		if v := p.Header.Get(name); v != "" {
			a.answer += fmt.Sprintf("<h %s: %s\n", name, v)
		}
	}
	a.answer += fmt.Sprintf("< %d %s\n", p.StatusCode, regexp.MustCompile(`\b1[0-9]{12}\b`).ReplaceAllString(strings.TrimSpace(string(b)), "0"))
}
