package interop

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// recordVariable has the conversations of clients of HTTP v1 written anew, without answers: these come from the test that replays them,
// which is beside the server (go test ./internal/registry/nacosapi -run Conversations -update).
const recordVariable = "PAIFANG_RECORD"

// conversations is where the recordings are, one of each client.
const conversations = "../../internal/registry/nacosapi/testdata/http"

// recorder stands between a client and a server and notes what the client asks, in the form of the files of conversations.
type recorder struct {
	to string

	mu    sync.Mutex
	asked []string
	again map[string]bool // since the last one that changed something: polls repeat themselves
}

// record starts a recorder for as long as the test lasts, and returns where it is.
func record(t *testing.T, to string) (*recorder, *url.URL) {
	t.Helper()
	r := &recorder{to: to, again: map[string]bool{}}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	at, err := url.Parse(s.URL)
	must(t, err)
	return r, at
}

// ServeHTTP notes a request and passes it on.
func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	r.note(q, string(body))
	out, err := http.NewRequestWithContext(q.Context(), q.Method, "http://"+r.to+q.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return
	}
	out.Header = q.Header.Clone()
	resp, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for k, v := range resp.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

// heard are the headers of clients that a server may go by.
func heard() []string {
	return []string{"User-Agent", "Client-Version", "Content-Type", "Long-Pulling-Timeout", "Long-Pulling-Timeout-No-Hangup"}
}

func (r *recorder) note(q *http.Request, body string) {
	var b strings.Builder
	fmt.Fprintf(&b, "> %s %s", q.Method, strings.TrimPrefix(q.URL.Path, "/nacos"))
	if q.URL.RawQuery != "" {
		b.WriteString("?" + steady(q.URL.RawQuery))
	}
	b.WriteString("\n")
	for _, name := range heard() {
		if v := q.Header.Get(name); v != "" {
			if name == "User-Agent" {
				v, _, _ = strings.Cut(v, " ") // behind it npm's names this machine
				if java, ok := strings.CutPrefix(v, "Java/"); ok {
					major, _, _ := strings.Cut(java, ".") // behind it is the patch that is installed
					v = "Java/" + major
				}
			}
			fmt.Fprintf(&b, ">h %s: %s\n", name, v)
		}
	}
	if body != "" {
		fmt.Fprintf(&b, ">b %s\n", steady(body))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if changes := q.Method != http.MethodGet && !strings.HasSuffix(q.URL.Path, "/beat") && !strings.HasSuffix(q.URL.Path, "/listener"); changes {
		clear(r.again)
	} else if r.again[b.String()] {
		return
	}
	r.again[b.String()] = true
	r.asked = append(r.asked, b.String())
}

// steady is a form in the order of its names, without what is another each time.
func steady(form string) string {
	values, err := url.ParseQuery(form)
	if err != nil {
		return form
	}
	for name, is := range map[string]string{"udpPort": "0", "clientIP": "127.0.0.1"} {
		if values.Has(name) {
			values.Set(name, is)
		}
	}
	return values.Encode()
}

func (r *recorder) said() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}

// form is what is asked and how, without what with.
func form(request string) string {
	var out []string
	for line := range strings.Lines(request) {
		line = strings.TrimSpace(line)
		mark, rest, _ := strings.Cut(line, " ")
		switch mark {
		case ">", ">b":
			target, query, _ := strings.Cut(rest, "?")
			if mark == ">b" {
				target, query = ">b", rest
			}
			values, _ := url.ParseQuery(query)
			var names []string
			for name := range values {
				names = append(names, name)
			}
			slices.Sort(names)
			out = append(out, target+" "+strings.Join(names, " "))
		case ">h":
			out = append(out, line)
		}
	}
	return strings.Join(out, "; ")
}

// What clients of HTTP v1 send was recorded, and is replayed against every change of the server. Here they send it again: in the same forms,
// or the recording is not of them any more.
func TestRecorded(t *testing.T) {
	for _, k := range kinds() {
		if !k.v1 {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			v := newServer(t, settings{})
			r, at := record(t, fmt.Sprintf("127.0.0.1:%d", v.port))
			port, err := strconv.Atoi(at.Port())
			must(t, err)
			c := k.open(t, access{host: "127.0.0.1", port: port, namespace: "public", dir: scratch(t)})
			defer c.close()
			speak(t, c, r)
			name := map[string]string{"go1": "go-v1.1.6", "node": "node-v2.6.3", "java1": "java-v1.4.8"}[k.name]
			file := filepath.Join(conversations, name+".txt")
			if os.Getenv(recordVariable) != "" {
				text := "# " + name + ": what it sends, recorded; what it is answered\n" + strings.Join(r.said(), "")
				must(t, os.MkdirAll(conversations, 0o755))
				must(t, os.WriteFile(file, []byte(text), 0o644))
				return
			}
			b, err := os.ReadFile(file)
			must(t, err)
			want, got := forms(strings.SplitAfter(string(b), "\n")), forms(strings.SplitAfter(strings.Join(r.said(), ""), "\n"))
			for _, f := range want {
				if !slices.Contains(got, f) {
					t.Errorf("it does not send this, which was recorded: %s", f)
				}
			}
			for _, f := range got {
				if !slices.Contains(want, f) {
					t.Errorf("it sends this, which was not recorded: %s", f)
				}
			}
		})
	}
}

// forms are those of all requests in the lines of a conversation.
func forms(lines []string) []string {
	var out []string
	request := ""
	for _, line := range append(lines, "> ") {
		if strings.HasPrefix(line, "> ") {
			if request != "" {
				out = append(out, form(request))
			}
			request = ""
		}
		if strings.HasPrefix(line, ">") {
			request += line
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// speak has a client do what it can, and waits for what it does by itself.
func speak(t *testing.T, c client, r *recorder) {
	t.Helper()
	lists := func(want string) {
		t.Helper()
		eventually(t, 15*time.Second, "it lists "+want, func() (bool, string) {
			list, err := c.list("order")
			return addresses(list) == want && err == nil, fmt.Sprint(addresses(list), err)
		})
	}
	hasSent := func(what string, begins string, contains ...string) {
		t.Helper()
		eventually(t, 15*time.Second, "it has sent "+what, func() (bool, string) {
			said := r.said()
			return slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, begins) && containsAll(s, contains...) }), strings.Join(said, "")
		})
	}
	in := at("127.0.0.1", 20001)
	in.metadata = map[string]string{"version": "1"}
	must(t, c.register("order", in))
	must(t, c.subscribe("order"))
	hasSent("a heartbeat", "> PUT /v1/ns/instance/beat")
	lists("127.0.0.1:20001")
	_, err := c.services()
	must(t, err)
	must(t, c.deregister("order", in))

	fixed := at("127.0.0.1", 20002)
	fixed.ephemeral = false
	must(t, c.register("database", fixed))
	must(t, c.deregister("database", fixed))

	_, err = c.config("order.yaml")
	must(t, err)
	must(t, c.publish("order.yaml", "limit: 1"))
	eventually(t, 5*time.Second, "the configuration is read", func() (bool, string) {
		got, err := c.config("order.yaml")
		return got == "limit: 1" && err == nil, fmt.Sprint(got, err)
	})
	must(t, c.listen("order.yaml"))
	hasSent("what it listens to", "> POST /v1/cs/configs/listener", "order.yaml")
	must(t, c.publish("order.yaml", "limit: 2"))
	hears(t, c, "order.yaml", "limit: 2")
	must(t, c.remove("order.yaml"))
}
