package httpproxy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
)

// strictCase is what a client sends on one connection, and all that may come of it. Refused requests are followed by
// GET /smuggled, in the same write, which nobody may ever see.
type strictCase struct {
	name string
	send string // in one write
	more []part // in writes of their own
	// want are the answers in their order: "200", "400 bare-lf", "HEAD 200". The connection is closed after the last one,
	// unless it begins with "open": then it must serve another request.
	want string
	// seen is what the upstream received on all its connections, byte for byte, without the fields of identify. A case
	// without it forwards nothing.
	seen string
	// cut, in place of seen, is a request of which the upstream may have got a beginning, and never the end.
	cut string
	// parsing of the listener.
	parsing model.Parsing
}

// part is sent when the upstream has seen this much; where nothing is named, when the client was told to go on.
type part struct{ seen, send string }

// smuggled is what follows a request that ends its connection.
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n"

// TestStrict runs every table of requests.
func TestStrict(t *testing.T) {
	t.Parallel()
	n := 0
	names := map[string]bool{}
	stands := map[model.Parsing]*stand{}
	for table, cases := range map[string][]strictCase{
		"line": lineCases(), "target": targetCases(), "absolute": absoluteCases(), "host": hostCases(), "field": fieldCases(), "hop": hopCases(),
		"size": sizeCases(), "length": lengthCases(), "coding": codingCases(), "chunk": chunkCases(), "trailer": trailerCases(),
		"sequence": sequenceCases(), "upgrade": upgradeCases(), "mode": modeCases(),
	} {
		n += len(cases)
		for _, c := range cases {
			name := table + "/" + c.name
			if names[name] {
				t.Errorf("%s: two cases with one name", name)
			}
			names[name] = true
			s := stands[c.parsing]
			if s == nil {
				s = newStand(t, func(s *stand, _ *Config) { s.listeners[0].Parsing = c.parsing })
				s.route("all", "/", "u")
				s.publish()
				stands[c.parsing] = s
			}
			t.Run(name, func(t *testing.T) { c.run(t, s) })
		}
	}
	if n < 200 {
		t.Errorf("%d cases: want 200 or more", n)
	}
	t.Logf("%d cases", n)
}

func (c *strictCase) run(t *testing.T, s *stand) {
	rec := newRecorder(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	s.list("u", rec.Addr().String())
	answers, open := strings.CutPrefix(c.want, "open ")
	send, more := c.send, slices.Clone(c.more)
	if !open {
		if last := len(more) - 1; last >= 0 {
			more[last].send += smuggled
		} else {
			send += smuggled
		}
	}
	cl := dialTo(t, s.addr("front")).send(send)
	for _, p := range more {
		if p.seen == "" {
			if r := cl.receive("GET"); r.status != "HTTP/1.1 100 Continue" {
				t.Errorf("%.300q is answered %+v, not told to go on", c.send, r)
			}
		}
		eventually(t, func() bool { return strings.Contains(plain(rec.seen()), p.seen) })
		cl.send(p.send)
	}
	for want := range strings.SplitSeq(answers, ", ") {
		want, isHead := strings.CutPrefix(want, "HEAD ")
		method := "GET"
		if isHead {
			method = "HEAD"
		}
		r := cl.receive(method)
		status, reason, _ := strings.Cut(want, " ")
		if !strings.HasPrefix(r.status, "HTTP/1.1 "+status+" ") || r.head["x-paifang-reason"] != reason {
			t.Errorf("%.300q is answered %s %s, want %s", c.send, r.status, r.head["x-paifang-reason"], want)
		}
	}
	expect := c.seen
	if open {
		if r := cl.send(get("/again")).receive("GET"); r.body != "ok" {
			t.Errorf("the connection is out of step: %+v", r)
		}
		expect += sent("GET /again")
	} else {
		cl.closed()
	}
	cl.Close()
	s.finish(t, rec)
	got := strings.ReplaceAll(plain(rec.seen()), rec.Addr().String(), "UPSTREAM")
	if c.cut != "" && strings.HasPrefix(c.cut, got) && len(got) < len(c.cut) {
		return
	}
	if got != expect {
		t.Errorf("%.300q\nupstream saw %.500q\nwant         %.500q", c.send, got, expect)
	}
}

// finish waits until the engine has nothing to do and the upstream has all that it will ever get.
func (s *stand) finish(t *testing.T, rec *recorder) {
	t.Helper()
	eventually(t, func() bool {
		for _, l := range s.plane.Listeners() {
			if l.Open > 0 {
				return false
			}
		}
		return true
	})
	s.list("u") // and with the address go the connections to it
	eventually(t, func() bool { rec.mu.Lock(); defer rec.mu.Unlock(); return len(rec.open) == 0 })
}

// ours are the lines that the engine adds to every request.
var ours = regexp.MustCompile(`(?m)^(X-Forwarded-(For|Proto|Host|Port)|X-Real-IP|X-Request-ID|X-Paifang-(Node|Via)): [^\r\n]*\r\n`)

// plain is what an upstream received without them.
func plain(seen string) string { return ours.ReplaceAllString(seen, "") }

// sent is a request as an upstream must see it; the last of rest is its body.
func sent(line string, rest ...string) string {
	head, body := rest, ""
	if n := len(rest) - 1; n >= 0 && strings.HasPrefix(rest[n], "\n") {
		head, body = rest[:n], rest[n][1:]
	}
	return sentTo("shop.test", line, append(slices.Clone(head), "\n"+body)...)
}

// sentTo is sent for another host.
func sentTo(host, line string, rest ...string) string {
	body := rest[len(rest)-1][1:]
	out := fmt.Sprintf("%s HTTP/1.1\r\nHost: %s\r\n", line, host)
	for _, f := range rest[:len(rest)-1] {
		out += f + "\r\n"
	}
	return out + "\r\n" + body
}

// line is a request with this request line.
func line(l string) string { return l + "\r\nHost: shop.test\r\n\r\n" }

// host is a request with these lines in place of Host.
func host(lines ...string) string {
	return "GET / HTTP/1.1\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

const (
	chunked = "Transfer-Encoding: chunked"
	hello   = "5\r\nhello\r\n0\r\n\r\n"
)
