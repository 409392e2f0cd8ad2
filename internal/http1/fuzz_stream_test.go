package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// FuzzHost: a host that is taken has one form, which is its own, and which another parser of URLs takes for the same.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"shop.test", "Shop.Test.:0080", "[2001:DB8::1]:443", "[::ffff:1.2.3.4]", "[0:0::ffff:102:304]:1", "a_b:", "a..b", ":80", "[fe80::1%25a]", "1.2.3.4:65535", "xn--a.test", "a:65536", "a@b", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		var mem Arena
		out, ok := NormalAuthority(in, &mem)
		if !ok {
			return
		}
		again, ok := NormalAuthority(out, &mem)
		if !ok || again != out {
			t.Fatalf("%q is %q is %q, %v", in, out, again, ok)
		}
		if out != strings.ToLower(out) || strings.ContainsAny(out, "/\\@?#% \t,") || in[0] != '[' && len(out) > len(in) {
			t.Fatalf("%q is %q", in, out)
		}
		u, err := url.Parse("http://" + out + "/")
		if err != nil || u.Host != out || u.User != nil || u.Path != "/" {
			t.Fatalf("%q is %+v elsewhere, %v", out, u, err)
		}
		if strings.HasSuffix(u.Hostname(), ".") {
			t.Fatalf("%q is %q", in, out)
		}
	})
}

// FuzzRequests: a connection's bytes are divided into the same requests however they arrive, and what is divided off, printed
// in a row, is divided into as many again.
func FuzzRequests(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: s\r\n\r\nPOST /a HTTP/1.1\r\nHost: s\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: s\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\nGET /b HTTP/1.1\r\nHost: s\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: s\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: s\r\nContent-Length: 27\r\n\r\nGET /b HTTP/1.1\r\nHost: s\r\n\r\n",
	} {
		f.Add([]byte(s), 7)
	}
	f.Fuzz(func(t *testing.T, in []byte, piece int) {
		if len(in) > 4096 {
			return
		}
		whole, printed := divide(in, len(in)+1)
		pieces, _ := divide(in, max(1, piece&1023))
		if whole != pieces {
			t.Fatalf("%q is %q whole, and %q in pieces of %d", in, whole, pieces, piece)
		}
		again, twice := divide(printed, len(printed)+1)
		if strings.Count(again, "\n") != strings.Count(whole, "\n") || string(twice) != string(printed) {
			t.Fatalf("%q is %q; printed as %q it is %q", in, whole, printed, again)
		}
		// Another server finds as many in what is forwarded.
		n, r := 0, bufio.NewReader(bytes.NewReader(printed))
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				if err != io.EOF && !strings.Contains(err.Error(), "bad trailer key") {
					t.Fatalf("%q, printed as %q: %v", in, printed, err)
				}
				if err != io.EOF {
					return
				}
				break
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				t.Fatalf("%q, printed as %q: %v", in, printed, err)
			}
			n++
		}
		if n != strings.Count(whole, "\n") {
			t.Fatalf("%q is %q here; printed as %q there are %d elsewhere", in, whole, printed, n)
		}
	})
}

// divide reads requests with their bodies until something is wrong or at an end, and returns a line for each that is
// complete, and all of them printed.
func divide(in []byte, piece int) (lines string, printed []byte) {
	have := 0
	feed := func(at int) []byte { return in[at:have] }
	more := func() bool {
		if have == len(in) {
			return false
		}
		have = min(len(in), have+piece)
		return true
	}
	for at := 0; ; {
		var r Request
		r.Reset()
		n, err := r.Parse(feed(at), nil)
		for err == ErrNeedMore && more() {
			n, err = r.Parse(feed(at), nil)
		}
		if err != nil || r.Authority == "" || r.Minor == 0 {
			return lines, printed
		}
		at += n
		how := Persist
		if r.Upgrade != "" {
			how = Upgrading
		}
		out := AppendRequest(nil, &r, how)
		var b BodyReader
		b.Reset(r.Body, r.ContentLength, &r.Fields)
		size := 0
		for !b.Done() {
			data, n, err := b.Next(feed(at))
			at += n
			size += len(data)
			if r.Body == ChunkedBody {
				out = AppendChunk(out, data)
			} else {
				out = append(out, data...)
			}
			if err != nil || n == 0 && len(data) == 0 && at == have && !more() {
				return lines, printed
			}
		}
		if r.Body == ChunkedBody {
			// Chunks are divided as they arrive: printed as one they do not depend on it.
			head := AppendRequest(nil, &r, how)
			body := make([]byte, 0, size)
			c := new(BodyReader)
			c.Reset(ChunkedBody, -1, nil)
			for rest := append(out[len(head):], LastChunk...); !c.Done(); {
				data, n, _ := c.Next(rest)
				body, rest = append(body, data...), rest[n:]
			}
			out = AppendTrailers(AppendChunk(head, body), b.Trailers())
		}
		printed = append(printed, out...)
		lines += r.Method + " " + r.Path + " " + strconv.Itoa(size) + "\n"
		if !r.KeepAlive {
			return lines, printed
		}
	}
}
