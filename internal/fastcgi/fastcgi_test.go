package fastcgi_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/fastcgi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// responder serves FastCGI by Go's own package, and returns a client of HTTP over it.
func responder(t *testing.T, settings *fastcgi.Settings, handler http.HandlerFunc) *http.Client {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = fcgi.Serve(ln, handler)
	}()
	return client(t, settings, func() (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) }, func() {
		ln.Close()
		<-ended
	})
}

func client(t *testing.T, settings *fastcgi.Settings, dial func() (net.Conn, error), stop func()) *http.Client {
	t.Helper()
	transport := &http.Transport{ExpectContinueTimeout: 10 * time.Second, DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			c, err := dial()
			if err != nil {
				return nil, err
			}
			return fastcgi.Client(c, settings), nil
		}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
	})
	return &http.Client{Transport: transport, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func ask(t *testing.T, c *http.Client, method, target string, body io.Reader, fields ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://shop.test"+target, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	a, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a, string(text)
}

// A request reaches the program as CGI has it.
func TestParameters(t *testing.T) {
	settings := &fastcgi.Settings{Index: "index.php", Params: []fastcgi.Param{
		{Name: "SCRIPT_FILENAME", Value: func(r *fastcgi.Request) string { return "/srv/www" + r.Script }},
		{Name: "SERVER_SOFTWARE", Value: func(*fastcgi.Request) string { return "ours" }}}}
	c := responder(t, settings, func(w http.ResponseWriter, r *http.Request) {
		env := fcgi.ProcessEnv(r) // what net/http/fcgi has no field for
		fmt.Fprintln(w, r.Method, r.URL.RequestURI(), r.Host, r.RemoteAddr, r.TLS != nil, r.Header.Get("X-Two"), r.Header.Get("Cookie"), env["SCRIPT_FILENAME"], env["SERVER_SOFTWARE"])
		for _, name := range []string{"Proxy", "X_Under", "X-Under"} {
			if v := r.Header.Get(name); v != "" {
				fmt.Fprintln(w, name, v)
			}
		}
	})
	a, text := ask(t, c, "GET", "/a%20b/?q=1&r=%20", nil, "X-Forwarded-Proto", "https", "X-Real-IP", "192.0.2.7", "X-Two", "a", "X-Two", "b", "Cookie", "a=1", "Cookie", "b=2",
		"Proxy", "evil", "X_Under", "evil")
	if want := "GET /a%20b/?q=1&r=%20 shop.test 192.0.2.7:0 true a, b a=1; b=2 /srv/www/a b/index.php ours\n"; text != want || a.StatusCode != 200 {
		t.Errorf("%d %q, want %q", a.StatusCode, text, want)
	}
	if _, text := ask(t, c, "GET", "/x.php", nil); !strings.Contains(text, " /srv/www/x.php ") || !strings.Contains(text, " false ") {
		t.Errorf("%q", text)
	}
}

// What PHP and others take for the name of another field is not told: they make dots underscores.
func TestFieldsThatPassForOthers(t *testing.T) {
	sent := &said{}
	c := fastcgi.Client(sent, &fastcgi.Settings{})
	const head = "GET / HTTP/1.1\r\nHost: a.test\r\nX-Real-IP: 192.0.2.7\r\nX.Real.IP: evil\r\nX.Forwarded.For: evil\r\nX~Auth: evil\r\n\r\n"
	if _, err := io.WriteString(c, head); err != nil {
		t.Fatal(err)
	}
	if text := sent.wrote.String(); strings.Contains(text, "evil") || !strings.Contains(text, "HTTP_X_REAL_IP192.0.2.7") {
		t.Errorf("%q", text)
	}
}

// An encoded slash is text inside a segment here as where the route was chosen.
func TestEncodedSlash(t *testing.T) {
	settings := &fastcgi.Settings{Params: []fastcgi.Param{{Name: "SCRIPT_FILENAME", Value: func(r *fastcgi.Request) string { return "/srv/www" + r.Script }}}}
	for path, want := range map[string]string{"/private%2Fx.php": "/private%2Fx.php", "/a/..%2f..%2fx%20y.php": "/a/..%2f..%2fx y.php", "/a%5C..%5Cb": "/a%5C..%5Cb", "/a%252Fb": "/a%2Fb"} {
		sent := &said{}
		if _, err := io.WriteString(fastcgi.Client(sent, settings), "GET "+path+" HTTP/1.1\r\nHost: a.test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if text := sent.wrote.String(); !strings.Contains(text, "SCRIPT_FILENAME/srv/www"+want+"\x11") {
			t.Errorf("%s: %q", path, text)
		}
	}
}

// Bodies go both ways, of known length and of none, small and large.
func TestBodies(t *testing.T) {
	c := responder(t, &fastcgi.Settings{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("sized") {
			w.Header().Set("Content-Length", fmt.Sprint(r.ContentLength))
		}
		w.Header().Set("Said", fmt.Sprint(r.ContentLength))
		_, _ = io.Copy(w, r.Body)
	})
	for _, size := range []int{0, 1, 127, 70_000, 3 << 20} {
		body := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
		for _, target := range []string{"/", "/?sized"} {
			a, text := ask(t, c, "POST", target, bytes.NewReader(body))
			if text != string(body) || a.Header.Get("Said") != fmt.Sprint(size) {
				t.Errorf("%s: %d bytes of %d came back, told as %s", target, len(text), size, a.Header.Get("Said"))
			}
		}
		if size > 1<<20 {
			continue
		}
		if a, text := ask(t, c, "POST", "/", io.MultiReader(bytes.NewReader(body))); text != string(body) || a.Header.Get("Said") != fmt.Sprint(size) { // in chunks
			t.Errorf("in chunks: %d bytes of %d came back, told as %s", len(text), size, a.Header.Get("Said"))
		}
	}
}

// Answers are told as HTTP has them.
func TestAnswers(t *testing.T) {
	c := responder(t, &fastcgi.Settings{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/there", http.StatusSeeOther)
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "no such page")
		}
	})
	for _, x := range []struct {
		method, path, body string
		status             int
	}{{"GET", "/moved", "<a href=\"/there\">See Other</a>.\n\n", 303}, {"GET", "/none", "", 204}, {"GET", "/x", "no such page", 404}, {"HEAD", "/x", "", 404}} {
		a, text := ask(t, c, x.method, x.path, nil)
		if a.StatusCode != x.status || text != x.body || len(a.Header.Values("Set-Cookie")) != 2 {
			t.Errorf("%s %s: %d %q %v", x.method, x.path, a.StatusCode, text, a.Header)
		}
	}
}

// record is one of FastCGI as a responder writes it.
func record(kind byte, content string) string {
	return string([]byte{1, kind, 0, 1, byte(len(content) >> 8), byte(len(content)), 3, 0}) + content + "xyz"
}

const finished = "\x00\x00\x00\x00\x00\x00\x00\x00"

// TestResponders are such as are not net/http/fcgi, good ones and others.
func TestResponders(t *testing.T) {
	for name, x := range map[string]struct {
		says string
		want string // status and body; an error: what it has
	}{
		"line feeds":         {record(6, "Status: 201 Made\nA: b\n\nbody") + record(3, finished), "201 body"},
		"no status":          {record(6, "A: b\r\n\r\nbody") + record(3, finished), "200 body"},
		"a location alone":   {record(6, "Location: /x\r\n\r\n") + record(3, finished), "302 "},
		"in pieces":          {record(6, "Sta") + record(6, "tus: 404\r\n\r") + record(6, "\nbo") + record(7, "PHP message") + record(6, "dy") + record(6, "") + record(3, finished), "404 body"},
		"a head alone":       {record(6, "Status: 204 No Content\r\n") + record(3, finished), "204 "},
		"of another request": {"\x01\x06\x00\x09\x00\x01\x00\x00x" + record(6, "A: b\n\nbody") + record(3, finished), "200 body"},
		"hop by hop":         {record(6, "Connection: keep-alive\nTransfer-Encoding: gzip\n\nbody") + record(3, finished), "200 body"},
		"cut off":            {record(6, "A: b\n\nbody"), "unexpected EOF"},
		"cut in a record":    {record(6, "A: b\n\nbody")[:12], "unexpected EOF"},
		"nothing":            {"", "EOF"},
		"ended before":       {record(3, finished), "EOF"},
		"busy":               {record(3, "\x00\x00\x00\x00\x02\x00\x00\x00"), "no room"},
		"another version":    {"\x02" + record(6, "A: b\n\nbody")[1:], "version 2"},
		"no field":           {record(6, "<html>\n\nbody") + record(3, finished), "is no field"},
		"a strange status":   {record(6, "Status: 99\n\nbody") + record(3, finished), "want 200 to 599"},
		"an interim status":  {record(6, "Status: 101 Switching\n\nbody") + record(3, finished), "want 200 to 599"},
	} {
		t.Run(name, func(t *testing.T) {
			c := fastcgi.Client(&said{Reader: strings.NewReader(x.says)}, &fastcgi.Settings{})
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			var got string
			a, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err == nil {
				var body []byte
				body, err = io.ReadAll(a.Body)
				got = fmt.Sprintf("%d %s", a.StatusCode, body)
			}
			if err != nil {
				got = err.Error()
			}
			if err == nil && got != x.want || !strings.Contains(got, x.want) {
				t.Errorf("%q, want %q", got, x.want)
			}
		})
	}
}

// Who waits with a body until it is told to go on is told so, as FastCGI awaits it in any case.
func TestExpect(t *testing.T) {
	c := fastcgi.Client(&said{Reader: strings.NewReader(record(6, "A: b\n\nbody") + record(3, finished))}, &fastcgi.Settings{})
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	const want = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
	if text, err := io.ReadAll(c); string(text) != want || err != nil {
		t.Errorf("%q %v", text, err)
	}
}

// A body whose length is not told before it is waited for, up to a bound.
func TestBodyOfUnknownLength(t *testing.T) {
	c := fastcgi.Client(&said{}, &fastcgi.Settings{})
	_, err := fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", 1<<20+1)
	if err == nil || !strings.Contains(err.Error(), "longer than 1048576 bytes") {
		t.Errorf("%v", err)
	}
}

// FuzzAnswer has anything answered: reading ends, and never with more than was said.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(record(6, "Status: 200 OK\r\n\r\nbody") + record(3, finished)))
	f.Add([]byte(record(6, "A: b\n\n") + record(7, "x")))
	f.Fuzz(func(t *testing.T, says []byte) {
		c := fastcgi.Client(&said{Reader: bytes.NewReader(says)}, &fastcgi.Settings{})
		text, err := io.ReadAll(c)
		if len(text) > 8*len(says)+200 {
			t.Errorf("%d bytes of %d", len(text), len(says))
		}
		if err == nil && len(text) > 0 && !bytes.HasPrefix(text, []byte("HTTP/1.1 ")) {
			t.Errorf("%q is taken for an answer", says)
		}
	})
}

// FuzzRequest has anything written: what is taken in one piece is taken alike in many.
func FuzzRequest(f *testing.F) {
	f.Add([]byte("POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"), 3)
	f.Add([]byte("POST /a?b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n"), 5)
	f.Fuzz(func(t *testing.T, says []byte, step int) {
		whole := &said{}
		_, err := fastcgi.Client(whole, &fastcgi.Settings{}).Write(says)
		pieces := &said{}
		c := fastcgi.Client(pieces, &fastcgi.Settings{})
		var other error
		for rest := says; len(rest) > 0 && other == nil; {
			n := min(max(step, 1), len(rest))
			_, other = c.Write(rest[:n])
			rest = rest[n:]
		}
		if (err == nil) != (other == nil) {
			t.Errorf("%q: %v, and in pieces %v", says, err, other)
		}
	})
}

// said is a connection with which nothing happens but what a test says.
type said struct {
	io.Reader
	net.Conn
	wrote bytes.Buffer
}

func (s *said) Read(p []byte) (int, error) {
	if s.Reader == nil {
		return 0, errors.New("nothing is said")
	}
	return s.Reader.Read(p)
}
func (s *said) Write(p []byte) (int, error) { return s.wrote.Write(p) }
func (s *said) LocalAddr() net.Addr         { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
