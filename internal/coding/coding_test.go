package coding

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func TestChoose(t *testing.T) {
	all := []string{Zstd, Brotli, Gzip}
	for _, c := range []struct{ fields, offered, want string }{
		{"", "", ""},
		{"gzip", "", "gzip"},
		{"gzip, br, zstd", "", "zstd"},
		{"gzip, br", "", "br"},
		{"GZip;q=1", "", "gzip"},
		{"x-gzip", "", "gzip"},
		{"gzip;q=0.9, br;q=0.8", "", "gzip"},
		{"gzip;q=0", "", ""},
		{"*", "", "zstd"},
		{"*;q=0", "", ""},
		{"*, zstd;q=0", "", "br"},
		{"identity", "", ""},
		{"identity, gzip;q=0.5", "", ""},
		{"identity;q=0.5, gzip", "", "gzip"},
		{"deflate", "", ""},
		{"gzip;q=2", "", ""},
		{"gzip;q=0.12345", "", ""},
		{"gzip;level=1", "", ""},
		{"gzip ; q=0.3", "", "gzip"},
		{"br|gzip;q=0.5", "", "br"},
		{"gzip, br", "gzip", "gzip"},
	} {
		offered := all
		if c.offered != "" {
			offered = strings.Split(c.offered, "|")
		}
		var fields []string
		if c.fields != "" {
			fields = strings.Split(c.fields, "|")
		}
		if got := Choose(slices.Values(fields), offered); got != c.want {
			t.Errorf("%q of %v: %q, want %q", c.fields, offered, got, c.want)
		}
	}
}

func FuzzChoose(f *testing.F) {
	f.Add("gzip;q=0.5, br;q=1, *;q=0")
	f.Add("identity;q=0,,;q=,zstd;q=.")
	f.Fuzz(func(t *testing.T, s string) {
		got := Choose(slices.Values([]string{s}), []string{Zstd, Brotli, Gzip})
		if got != "" && !strings.Contains(s, "*") && !strings.Contains(strings.ToLower(s), got) {
			t.Errorf("%q: %q, which it does not name", s, got)
		}
	})
}

func decode(t *testing.T, name string, b []byte) string {
	t.Helper()
	var r io.Reader
	var err error
	switch name {
	case Gzip:
		r, err = gzip.NewReader(bytes.NewReader(b))
	case Brotli:
		r = brotli.NewReader(bytes.NewReader(b))
	case Zstd:
		var d *zstd.Decoder
		d, err = zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1))
		if err == nil {
			defer d.Close()
			r = d
		}
	}
	if err != nil {
		t.Fatal(name, err)
	}
	out, err := io.ReadAll(r)
	if err != nil && err != io.ErrUnexpectedEOF {
		t.Fatal(name, err)
	}
	return string(out)
}

func TestEncoders(t *testing.T) {
	text := strings.Repeat("a sentence that is said more than once. ", 1000)
	for _, name := range []string{Gzip, Brotli, Zstd} {
		if !Known(name) {
			t.Errorf("%s is not known", name)
		}
		for _, level := range []int{MinLevel, DefaultLevel, MaxLevel} {
			e, err := New(name, level)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // an encoder is used again, also after a body that broke off
				var left bytes.Buffer
				e.Reset(io.Discard)
				if _, err := io.WriteString(e, "the beginning of a body that ends nowhere"); err != nil {
					t.Fatal(err)
				}
				e.Reset(&left)
				if _, err := io.WriteString(e, text); err != nil {
					t.Fatal(err)
				}
				if err := e.Flush(); err != nil {
					t.Fatal(err)
				}
				if got := decode(t, name, left.Bytes()); got != text {
					t.Errorf("%s %d: of %d bytes that were flushed %d can be read", name, level, len(text), len(got))
				}
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
				if got := decode(t, name, left.Bytes()); got != text || left.Len() > len(text)/10 {
					t.Errorf("%s %d: %d bytes of %d became %d", name, level, len(got), len(text), left.Len())
				}
			}
		}
		if _, err := New(name, 10); err == nil {
			t.Errorf("%s has a level 10", name)
		}
	}
	if _, err := New("deflate", 1); err == nil || Known("deflate") {
		t.Error("deflate is known")
	}
}
