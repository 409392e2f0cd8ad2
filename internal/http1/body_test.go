package http1

import (
	"strings"
	"testing"
)

// readBody feeds in to a body in pieces of this size and returns data and how many bytes were the body's.
func readBody(b *BodyReader, in string, piece int) (data string, n int, err error) {
	for !b.Done() && n < len(in) {
		buf := []byte(in[n:min(n+piece, len(in))])
		for len(buf) > 0 && !b.Done() {
			d, used, err := b.Next(buf)
			data += string(d)
			n += used
			if err != nil {
				return data, n, err
			}
			buf = buf[used:]
		}
	}
	return data, n, nil
}

func TestChunkFaults(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Fault
	}{
		{"5\nhello\r\n", BareLF},
		{"5\rhello", BareCR},
		{"5;a\nhello\r\n", BareLF},
		{"5\r\nhelloX\n0\r\n\r\n", BadChunkEnd},
		{"5\r\nhello\n0\r\n\r\n", BadChunkEnd},
		{"5\r\nhello\r0\r\n\r\n", BadChunkEnd},
		{"0x5\r\nhello\r\n", BadChunkSize},
		{"+5\r\nhello\r\n", BadChunkSize},
		{"-5\r\nhello\r\n", BadChunkSize},
		{" 5\r\nhello\r\n", BadChunkSize},
		{"5 \r\nhello\r\n", BadChunkSize},
		{"5\t;a\r\nhello\r\n", BadChunkSize},
		{"\r\nhello\r\n", BadChunkSize},
		{";a\r\nhello\r\n", BadChunkSize},
		{"g\r\n", BadChunkSize},
		{"00000000000000005\r\nhello\r\n", BadChunkSize},
		{"ffffffffffffffff\r\n", BadChunkSize},
		{"8000000000000000\r\n", BadChunkSize},
		{"5;\r\nhello\r\n", BadChunkExtension},
		{"5;;a\r\nhello\r\n", BadChunkExtension},
		{"5;a=\r\nhello\r\n", BadChunkExtension},
		{"5; a\r\nhello\r\n", BadChunkExtension},
		{"5;a=b=c\r\nhello\r\n", BadChunkExtension},
		{"5;a\x01\r\nhello\r\n", BadChunkExtension},
		{"5;a\x00\r\nhello\r\n", BadChunkExtension},
		{"5;a=\"b\r\nhello\r\n", BadChunkExtension},
		{"5;a=\"b\\\r\n\"\r\nhello\r\n", BadChunkExtension},
		{"5;a=\"b\"c\r\nhello\r\n", BadChunkExtension},
		{"5;a\rb\r\nhello\r\n", BareCR},
		{"1;" + strings.Repeat("a", maxExtensions) + "\r\n", ChunkExtensionsTooLarge},
		{strings.Repeat("1;"+strings.Repeat("a", 1000)+"\r\nx\r\n", 17), ChunkExtensionsTooLarge},
		{"0\r\nA: b\n\r\n", BareLF},
		{"0\r\n\n", BareLF},
		{"0\r\nA : b\r\n\r\n", SpaceBeforeColon},
		{"0\r\nA: b\r\n c\r\n\r\n", ObsFold},
		{"0\r\nA: " + strings.Repeat("b", maxTrailers) + "\r\n\r\n", HeadTooLarge},
		{"0\r\n" + strings.Repeat("A: b\r\n", maxTrailerRows+1) + "\r\n", TooManyFields},
	} {
		for _, piece := range []int{1, 2, 7, 1 << 20} {
			var b BodyReader
			b.Reset(ChunkedBody, -1, nil)
			if _, _, err := readBody(&b, c.in, piece); err != c.want {
				t.Errorf("%.60q by %d: %v, want %v", c.in, piece, err, c.want)
			}
			if b.Done() {
				t.Errorf("%.60q is done", c.in)
			}
		}
	}
}

func TestChunks(t *testing.T) {
	var head Fields
	head.Add("Trailer", "X-Sum, Content-Length, Authorization")
	head.Add("trailer", "X-Late")
	in := "5\r\nhello\r\n001;a;b=c;d=\"e;\\\"\xfc\"\r\n \r\nA\r\nworld, too\r\n0;z\r\n" +
		"x-sum: 1\r\nContent-Length: 4\r\nAuthorization: me\r\nX-Undeclared: 1\r\nX-Late:2 \r\n\r\n"
	var b BodyReader
	for piece := 1; piece <= len(in)+4; piece++ {
		b.Reset(ChunkedBody, -1, &head)
		data, n, err := readBody(&b, in+"GET ", piece)
		if err != nil || data != "hello world, too" || n != len(in) || !b.Done() || b.Received() != 16 || b.Sure() != 0 {
			t.Fatalf("by %d: %q, %d of %d, done %v, %v", piece, data, n, len(in), b.Done(), err)
		}
		if got := string(AppendTrailers(nil, b.Trailers())); got != "0\r\nx-sum: 1\r\nX-Late: 2\r\n\r\n" {
			t.Fatalf("trailers %q", got)
		}
	}
	b.Reset(ChunkedBody, -1, nil)
	if data, _, err := readBody(&b, "0\r\nX-Sum: 1\r\n\r\n", 3); data != "" || err != nil || !b.Done() || b.Trailers().Len() != 0 {
		t.Errorf("undeclared trailers: %v", b.Trailers())
	}
	// Every prefix of a chunked body is unfinished.
	for i := range len(in) {
		b.Reset(ChunkedBody, -1, nil)
		if _, n, err := readBody(&b, in[:i], 1000); n != i || err != nil || b.Done() || b.Close() != Truncated {
			t.Fatalf("%q: %d, done %v, %v", in[:i], n, b.Done(), err)
		}
	}
}

func TestSizedAndUntilClose(t *testing.T) {
	var b BodyReader
	b.Reset(SizedBody, 5, nil)
	data, n, err := readBody(&b, "hello GET", 2)
	if data != "hello" || n != 5 || err != nil || !b.Done() || b.Received() != 5 || b.Close() != nil {
		t.Errorf("%q %d %v", data, n, err)
	}
	b.Reset(SizedBody, 5, nil)
	b.Skip(3)
	if b.Sure() != 2 || b.Done() || b.Close() != Truncated {
		t.Error("a skipped part ends the body")
	}
	b.Skip(2)
	if !b.Done() || b.Received() != 5 {
		t.Error("skipped bytes do not count")
	}
	b.Reset(SizedBody, 0, nil)
	if !b.Done() {
		t.Error("an empty body is not done")
	}
	b.Reset(NoBody, -1, nil)
	if _, n, _ := b.Next([]byte("x")); n != 0 || !b.Done() {
		t.Error("no body takes bytes")
	}
	b.Reset(UntilClose, -1, nil)
	if data, n, _ := readBody(&b, "hello", 3); data != "hello" || n != 5 || b.Done() || b.Sure() != -1 {
		t.Error("until close ends early")
	}
	if b.Close() != nil || !b.Done() || b.Received() != 5 || b.Sure() != 0 {
		t.Error("until close does not end")
	}
	// A chunk that is spliced in part.
	b.Reset(ChunkedBody, -1, nil)
	_, n, _ = b.Next([]byte("a\r\n"))
	if n != 3 || b.Sure() != 10 {
		t.Fatal(n, b.Sure())
	}
	b.Skip(4)
	if data, _, err := readBody(&b, "567890\r\n0\r\n\r\n", 100); data != "567890" || err != nil || !b.Done() || b.Received() != 10 {
		t.Error(data, err)
	}
}

func TestChunkPrint(t *testing.T) {
	out := AppendChunk(nil, []byte("hello"))
	out = AppendChunk(out, nil)
	out = AppendChunk(out, []byte(strings.Repeat("x", 256)))
	out = append(out, LastChunk...)
	if want := "5\r\nhello\r\n100\r\n" + strings.Repeat("x", 256) + "\r\n0\r\n\r\n"; string(out) != want {
		t.Errorf("%q", out)
	}
}
