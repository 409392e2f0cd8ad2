package httpproxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// answerCase is what an upstream answers to the first request, and what the client may see of it. Another client asks
// next, and must have the answer that is its own.
type answerCase struct {
	name    string
	ask     string // the request; default GET /
	answer  string
	then    string // sent when the answer has reached the client
	told    string // what the client receives, byte for byte
	cut     bool   // that is not all: the client's connection ends without the answer's end
	refused string // in place of told: an answer of our own, "502 upstream-protocol"
	reused  bool   // the upstream's connection serves the next request too
}

const good = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"

// TestStrictAnswers runs every table of answers.
func TestStrictAnswers(t *testing.T) {
	s := newStand(t, nil)
	s.route("all", "/", "u")
	s.publish()
	n := 0
	for table, cases := range map[string][]answerCase{
		"head": answerHeadCases(), "framing": answerFramingCases(), "body": answerBodyCases(), "interim": interimCases(), "excess": excessCases(),
	} {
		n += len(cases)
		for _, c := range cases {
			t.Run(table+"/"+c.name, func(t *testing.T) { c.run(t, s) })
		}
	}
	t.Logf("%d cases", n)
}

func (c *answerCase) run(t *testing.T, s *stand) {
	told := make(chan struct{})
	rec := newRecorder(t, func(cn net.Conn, r *bufio.Reader) {
		for {
			q, err := readRequest(r)
			if err != nil {
				return
			}
			if strings.Contains(q.line, "/next") {
				io.WriteString(cn, good)
				continue
			}
			io.WriteString(cn, c.answer)
			if c.then != "" {
				<-told
				io.WriteString(cn, c.then)
			}
			if c.cut || strings.HasSuffix(c.name, "and the end") {
				return
			}
		}
	})
	s.list("u", rec.Addr().String())
	ask := c.ask
	if ask == "" {
		ask = get("/")
	}
	conn, err := net.Dial("tcp", s.addr("front"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var raw bytes.Buffer
	cl := &client{conn, t, bufio.NewReader(io.TeeReader(conn, &raw))}
	s.mu.Lock()
	before := len(s.records)
	s.mu.Unlock()
	cl.send(ask)
	if c.refused != "" {
		r := cl.receive("GET")
		status, reason, _ := strings.Cut(c.refused, " ")
		if !strings.HasPrefix(r.status, "HTTP/1.1 "+status+" ") || r.head["x-paifang-reason"] != reason {
			t.Errorf("%.200q is told as %s %s, want %s", c.answer, r.status, r.head["x-paifang-reason"], c.refused)
		}
	} else {
		want := make([]byte, len(c.told))
		if _, err := io.ReadFull(cl.r, want); err != nil {
			t.Errorf("%.200q: the client got %.300q, %v; want %.300q", c.answer, raw.String(), err, c.told)
		}
	}
	close(told)
	if c.cut {
		cl.closed()
	}
	eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.records) > before }) // the engine is done with it
	if c.told != "" && raw.String() != c.told {
		t.Errorf("%.200q: the client got %.300q, want %.300q", c.answer, raw.String(), c.told)
	}
	next := dialTo(t, s.addr("front")).send(get("/next", "Connection: close"))
	if r := next.receive("GET"); r.body != "good" {
		t.Errorf("%.200q: the next client got %+v", c.answer, r)
	}
	next.closed()
	want := 2
	if c.reused {
		want = 1
	}
	if n := rec.connections(); n != want {
		t.Errorf("%.200q: %d connections to the upstream, want %d", c.answer, n, want)
	}
	cl.Close()
	s.finish(t, rec)
}

// broken is an answer that is none.
func broken(name, answer string) answerCase {
	return answerCase{name: name, answer: answer, refused: "502 upstream-protocol"}
}

// answerHeadCases: status line and fields (RFC 9112, 4 and 5).
func answerHeadCases() []answerCase {
	with := func(f string) string { return "HTTP/1.1 200 OK\r\n" + f + "\r\nContent-Length: 2\r\n\r\nok" }
	line := func(l string) string { return l + "\r\nContent-Length: 2\r\n\r\nok" }
	pass := func(name, answer, told string) answerCase {
		return answerCase{name: name, answer: answer, told: told, reused: true}
	}
	field := func(name, f, told string) answerCase {
		out := "HTTP/1.1 200 OK\r\n" + told
		if told != "" {
			out += "\r\n"
		}
		return pass(name, with(f), out+"Content-Length: 2\r\n\r\nok")
	}
	return []answerCase{
		pass("plain", with("A: b"), with("A: b")),
		pass("no reason", line("HTTP/1.1 200 "), line("HTTP/1.1 200 OK")),
		pass("no space before no reason", line("HTTP/1.1 200"), line("HTTP/1.1 200 OK")),
		pass("reason above 0x7F", line("HTTP/1.1 200 \xfcber"), line("HTTP/1.1 200 \xfcber")),
		pass("status nobody knows", line("HTTP/1.1 299 What"), line("HTTP/1.1 299 What")),
		pass("status above 599", line("HTTP/1.1 999 "), line("HTTP/1.1 999 Unknown")),
		field("fields twice", "Set-Cookie: a=b\r\nset-cookie: c=d", "Set-Cookie: a=b\r\nset-cookie: c=d"),
		field("underscore", "X_A: b", "X_A: b"),
		field("fields of the connection", "Keep-Alive: timeout=5\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nTE: a", ""),
		field("named in Connection", "Connection: x-a\r\nX-A: b\r\nX-B: c", "X-B: c"),
		field("Location of its own", "Location: //cdn.test/a", "Location: //cdn.test/a"),
		field("looks like an end", "A: \\r\\n\\r\\nHTTP/1.1 200 OK", "A: \\r\\n\\r\\nHTTP/1.1 200 OK"),
		broken("HTTP/0.9", "hello"),
		broken("another protocol", "SSH-2.0-x\r\n\r\n"),
		broken("ICY", line("ICY 200 OK")),
		broken("lower-case version", line("http/1.1 200 OK")),
		broken("HTTP/1.2", line("HTTP/1.2 200 OK")),
		broken("HTTP/2.0", line("HTTP/2.0 200 OK")),
		broken("HTTP/1.10", line("HTTP/1.10 200 OK")),
		broken("empty line before", "\r\n"+line("HTTP/1.1 200 OK")),
		broken("space before", " "+line("HTTP/1.1 200 OK")),
		broken("two spaces before the status", line("HTTP/1.1  200 OK")),
		broken("tab before the status", line("HTTP/1.1\t200 OK")),
		broken("status of two digits", line("HTTP/1.1 20 OK")),
		broken("status of four digits", line("HTTP/1.1 2000 OK")),
		broken("status below 100", line("HTTP/1.1 099 OK")),
		broken("status of letters", line("HTTP/1.1 2xx OK")),
		broken("negative status", line("HTTP/1.1 -20 OK")),
		broken("no status", line("HTTP/1.1 OK")),
		broken("control byte in the reason", line("HTTP/1.1 200 O\x01K")),
		broken("NUL in the reason", line("HTTP/1.1 200 OK\x00")),
		broken("bare CR in the reason", line("HTTP/1.1 200 O\rK")),
		broken("bare LF throughout", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
		broken("bare LF after the status", "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok"),
		broken("bare LF after a field", "HTTP/1.1 200 OK\r\nA: b\nContent-Length: 2\r\n\r\nok"),
		broken("bare LF at the end of the head", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok"),
		broken("bare CR in a value", with("A: b\rSet-Cookie: c=d")),
		broken("NUL in a value", with("A: b\x00")),
		broken("control byte in a value", with("A: b\x0b")),
		broken("folded", with("A: b\r\n c")),
		broken("folded framing", "HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nok"),
		broken("space before the first field", "HTTP/1.1 200 OK\r\n A: b\r\nContent-Length: 2\r\n\r\nok"),
		broken("space before the colon", with("A : b")),
		broken("no colon", with("A")),
		broken("no name", with(": b")),
		broken("byte above 0x7F in a name", with("\xc3\xa9: b")),
		broken("too many fields", with(strings.Repeat("A: b\r\n", 100)+"A: b")),
		broken("field too long", with("A: "+strings.Repeat("b", 33<<10))),
		broken("head too large", with(strings.Repeat("A: "+strings.Repeat("b", 30<<10)+"\r\n", 3)+"A: b")),
		broken("status line without end", "HTTP/1.1 200 "+strings.Repeat("a", 40<<10)),
		broken("many options of the connection", with("Connection: "+strings.Repeat("a,", 65))),
		{name: "nothing, and the end", answer: "", refused: "502 upstream-reset"},
		{name: "half a head, and the end", answer: "HTTP/1.1 200 OK\r\nContent-Le", refused: "502 upstream-reset"},
	}
}

// answerFramingCases: how long the body is (RFC 9112, 6). Everything doubtful is refused as in a request.
func answerFramingCases() []answerCase {
	with := func(body string, fields ...string) string {
		return "HTTP/1.1 200 OK\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n" + body
	}
	length := func(n string) string { return "Content-Length: " + n }
	none := func(name, status, fields string) answerCase {
		return broken(name, "HTTP/1.1 "+status+"\r\n"+fields+"\r\n\r\nhello")
	}
	ask := func(method string) string { return strings.Replace(get("/"), "GET", method, 1) }
	return []answerCase{
		{name: "leading zeros", answer: with("hello", length("005")), told: with("hello", length("5")), reused: true},
		{name: "upper case", answer: with(hello, "TRANSFER-ENCODING: CHUNKED"), told: with(hello, chunked), reused: true},
		broken("both framings", with(hello, length("5"), chunked)),
		broken("both, the other way", with(hello, chunked, length("5"))),
		broken("both, with a length of zero", with(hello, length("0"), chunked)),
		broken("two equal lengths", with("hello", length("5"), length("5"))),
		broken("two lengths", with("hello", length("5"), length("0"))),
		broken("list of lengths", with("hello", length("5,5"))),
		broken("plus", with("hello", length("+5"))),
		broken("minus", with("hello", length("-5"))),
		broken("hexadecimal", with("hello", length("0x5"))),
		broken("empty length", with("hello", "Content-Length:")),
		broken("length of 2^64 + 5", with("hello", length("18446744073709551621"))),
		broken("gzip, chunked", with(hello, "Transfer-Encoding: gzip, chunked")),
		broken("identity", with("hello", "Transfer-Encoding: identity")),
		broken("xchunked", with(hello, "Transfer-Encoding: xchunked")),
		broken("two codings", with(hello, chunked, chunked)),
		broken("trailing comma", with(hello, "Transfer-Encoding: chunked,")),
		broken("coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+hello),
		none("204 with a length", "204 No Content", length("5")),
		none("204 with chunks", "204 No Content", chunked),
		{name: "204", answer: "HTTP/1.1 204 No Content\r\n\r\n", told: "HTTP/1.1 204 No Content\r\n\r\n", reused: true},
		{name: "204 with a length of zero", answer: "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", told: "HTTP/1.1 204 No Content\r\n\r\n", reused: true},
		{name: "304 with a length", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", told: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", reused: true},
		{name: "304 with a coding", answer: "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", told: "HTTP/1.1 304 Not Modified\r\n\r\n", reused: true},
		{name: "HEAD", ask: ask("HEAD"), answer: with("", length("5")), told: with("", length("5")), reused: true},
		{name: "HEAD of chunks", ask: ask("HEAD"), answer: with("", chunked), told: with(""), reused: true},
		{name: "HEAD without a length", ask: ask("HEAD"), answer: with(""), told: with(""), reused: true},
		{name: "205 with a body", answer: "HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\nhello", told: "HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\nhello", reused: true},
		{name: "until the end, and the end", answer: with("hello", "A: b"), told: with(hello, "A: b", chunked)},
		{name: "until the end, said to stay, and the end", answer: with("hello", "Connection: keep-alive"), told: with(hello, chunked)},
		{name: "connection that closes", answer: with("hello", length("5"), "Connection: close"), told: with("hello", length("5"))},
		{name: "connection that closes and stays", answer: with("hello", length("5"), "Connection: keep-alive, close"), told: with("hello", length("5"))},
		{name: "HTTP/1.0", answer: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", told: with("hello", length("5"))},
		{name: "HTTP/1.0 that stays", answer: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", told: with("hello", length("5")), reused: true},
	}
}

// answerBodyCases: what goes wrong within the body. Nothing of it was told yet, or the client's answer has no end.
func answerBodyCases() []answerCase {
	head := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	first := head + "5\r\nhello\r\n"
	chunk := func(name, rest string) []answerCase {
		return []answerCase{
			broken("chunk, at once: "+name, first+rest),
			{name: "chunk, later: " + name, answer: first, then: rest, told: first, cut: true},
		}
	}
	var out []answerCase
	for _, c := range [][2]string{
		{"no digit", "zz\r\n"}, {"0x", "0x5\r\nworld\r\n"}, {"minus", "-5\r\nworld\r\n"}, {"space behind", "5 \r\nworld\r\n"}, {"bare LF", "5\nworld\r\n"}, {"bare CR", "5\rworld\r\n"},
		{"no end of the data", "5\r\nworldX"}, {"17 digits", "00000000000000005\r\nworld\r\n"}, {"2^64", "10000000000000000\r\n"}, {"extension with a NUL", "5;\x00\r\nworld\r\n"},
		{"extension too long", "5;" + strings.Repeat("a", 17<<10)}, {"trailer folded", "0\r\nA: b\r\n c\r\n\r\n"}, {"trailer of bare LF", "0\r\nA: b\n\r\n"},
		{"trailer with a NUL", "0\r\nA: \x00\r\n\r\n"}, {"trailers too many", "0\r\n" + strings.Repeat("A: b\r\n", 40)}, {"trailer too large", "0\r\nA: " + strings.Repeat("b", 9<<10)},
	} {
		out = append(out, chunk(c[0], c[1])...)
	}
	sized := "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
	return append(out,
		answerCase{name: "chunks without end", answer: first, told: first, cut: true},
		answerCase{name: "chunk without end", answer: head + "a\r\nhello", told: first, cut: true},
		answerCase{name: "shorter than its length", answer: sized, told: sized, cut: true},
		answerCase{name: "long, shorter than its length", answer: "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhello", told: "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhello", cut: true},
		answerCase{name: "extensions are dropped", answer: head + "5;a=b\r\nhello\r\n0;c\r\n\r\n", told: head + hello, reused: true},
		answerCase{name: "trailers nobody asked for", answer: "HTTP/1.1 200 OK\r\nTrailer: A\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
			told: "HTTP/1.1 200 OK\r\nTrailer: A\r\nTransfer-Encoding: chunked\r\n\r\n" + hello, reused: true},
		answerCase{name: "trailers that were asked for", ask: get("/", "TE: trailers"),
			answer: "HTTP/1.1 200 OK\r\nTrailer: A, Set-Cookie, Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\nSet-Cookie: c\r\nContent-Length: 1\r\nB: d\r\n\r\n",
			told:   "HTTP/1.1 200 OK\r\nTrailer: A, Set-Cookie, Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n", reused: true},
	)
}

// interimCases: 1xx (RFC 9110, 15.2).
func interimCases() []answerCase {
	webSocket := get("/", webSocket)
	old := "GET / HTTP/1.0\r\nHost: shop.test\r\nConnection: keep-alive\r\n\r\n"
	hints := "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
	return []answerCase{
		{name: "100 and 102 are ours", answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nA: b\r\n\r\n" + good, told: good, reused: true},
		{name: "103 is the client's", answer: hints + hints + good, told: hints + hints + good, reused: true},
		{name: "103 for HTTP/1.0", ask: old, answer: hints + good, told: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\ngood", reused: true},
		{name: "199", answer: "HTTP/1.1 199 What\r\n\r\n" + good, told: good, reused: true},
		{name: "most", answer: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", maxInterim) + good, told: good, reused: true},
		broken("flood", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", maxInterim+1)+good),
		broken("flood of fields", strings.Repeat("HTTP/1.1 102 Processing\r\n"+strings.Repeat("A: b\r\n", 99)+"\r\n", maxInterim+1)+good),
		broken("100 with a length", "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello"+good),
		broken("100 with chunks", "HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n"+hello+good),
		broken("103 with bare LF", "HTTP/1.1 103 Early Hints\nLink: </a>\n\n"+good),
		broken("103 that splits", "HTTP/1.1 103 Early Hints\r\nLink: </a>\rSet-Cookie: a=b\r\n\r\n"+good),
		{name: "100 alone, and the end", answer: "HTTP/1.1 100 Continue\r\n\r\n", refused: "502 upstream-reset"},
		{name: "101 that nobody asked for", answer: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", refused: "502 upgrade-unasked"},
		{name: "101 to another protocol", ask: webSocket, answer: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n", refused: "502 upgrade-unasked"},
		{name: "101 without a protocol", ask: webSocket, answer: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n", refused: "502 upgrade-unasked"},
		{name: "101 that Connection does not name", ask: webSocket, answer: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", refused: "502 upgrade-unasked"},
		{name: "101 to h2c", ask: get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
			answer: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", refused: "502 upgrade-unasked"},
		{name: "101 with a length", ask: webSocket, answer: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello", refused: "502 upstream-protocol"},
		{name: "upgrade refused", ask: webSocket, answer: good, told: good},
		{name: "upgrade answered 426", ask: webSocket, answer: "HTTP/1.1 426 Upgrade Required\r\nUpgrade: foo\r\nContent-Length: 0\r\n\r\n", told: "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n"},
	}
}

// excessCases: what follows an answer is nobody's answer, and its connection is not used again. Nor is one whose upstream
// may have understood another end of the request.
func excessCases() []answerCase {
	evil := "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	body := func(method string) string {
		return fmt.Sprintf("%s / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: %d\r\n\r\n%s", method, len(smuggled), smuggled)
	}
	head := "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
	return []answerCase{
		{name: "garbage", answer: good + "x", told: good},
		{name: "line end", answer: good + "\r\n", told: good},
		{name: "second answer", answer: good + evil, told: good},
		{name: "second answer after chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + hello + evil, told: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + hello},
		{name: "second answer after 204", answer: "HTTP/1.1 204 No Content\r\n\r\n" + evil, told: "HTTP/1.1 204 No Content\r\n\r\n"},
		{name: "body after 204", answer: "HTTP/1.1 204 No Content\r\n\r\nevil", told: "HTTP/1.1 204 No Content\r\n\r\n"},
		{name: "body after 304", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil", told: "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n"},
		{name: "body after HEAD", ask: "HEAD / HTTP/1.1\r\nHost: shop.test\r\n\r\n", answer: head + "evil", told: head},
		{name: "answer as the body after HEAD", ask: "HEAD / HTTP/1.1\r\nHost: shop.test\r\n\r\n", answer: head + evil, told: head},
		{name: "interim behind the answer", answer: good + "HTTP/1.1 102 Processing\r\n\r\n", told: good},
		{name: "body of GET", ask: body("GET"), answer: good, told: good},
		{name: "body of DELETE", ask: body("DELETE"), answer: good, told: good},
		{name: "body of OPTIONS", ask: body("OPTIONS"), answer: good, told: good},
		{name: "body of GET in chunks", ask: "GET / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n" + hello, answer: good, told: good},
		{name: "body of POST", ask: body("POST"), answer: good, told: good, reused: true},
		{name: "empty body of GET", ask: get("/", "Content-Length: 0"), answer: good, told: good, reused: true},
	}
}
