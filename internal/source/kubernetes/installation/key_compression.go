package installation

import (
	"strings"

	"paifang/internal/http1"
	"paifang/internal/source/kubernetes/annotation"
)

// Compression is that of answers by one coding.
type Compression struct {
	On    bool
	Level int      // 1, fast, to 9, small
	Least int      // bytes of an answer of known length from which on it is compressed
	Types []string // media types; "*" = all
}

// texts are the media types that ingress-nginx compresses, but for text/html, which nginx always does.
const texts = "application/atom+xml application/javascript application/x-javascript application/json application/rss+xml application/vnd.ms-fontobject " +
	"application/x-font-ttf application/x-web-app-manifest+json application/xhtml+xml application/xml font/opentype image/svg+xml image/x-icon " +
	"text/css text/javascript text/plain text/x-component"

// html is the media type that nginx compresses whatever is asked for.
const html = "text/html"

// brotliLevel is what ingress-nginx has as default, on brotli's scale of 0 to 11.
const brotliLevel = 4

func gzipDefault() Compression {
	return Compression{Level: 1, Least: 256, Types: append([]string{html}, strings.Fields(texts)...)}
}

func brotliDefault() Compression {
	return Compression{Level: brotliLevel, Least: 20, Types: append([]string{html}, strings.Fields(texts)...)}
}

func compressionKeys() group {
	const every = "answers of every status but 206 are compressed, not those of 200, 403 and 404 alone"
	const most = 1 << 30
	on := func(name string, of func(*Settings) *Compression) Key {
		return Key{Name: name, Default: "false", Verdict: annotation.Differs, Note: every, read: func(v *value) { v.boolean(&of(v.s).On) }}
	}
	gzip := func(s *Settings) *Compression { return &s.Gzip }
	brotli := func(s *Settings) *Compression { return &s.Brotli }
	return group{"Compression", []Key{
		on("use-gzip", gzip),
		ignored("gzip-disable", "", "User-Agents are not told apart: who takes no gzip does not ask for it"),
		acts("gzip-level", "1", func(v *value) { v.integer(&gzip(v.s).Level, 1, 9) }),
		acts("gzip-min-length", "256", func(v *value) { v.integer(&gzip(v.s).Least, 0, most) }),
		acts("gzip-types", "text and the like", func(v *value) { v.types(&gzip(v.s).Types) }),
		on("enable-brotli", brotli),
		ignored("brotli-level", "4", "brotli compresses at level 4"),
		acts("brotli-min-length", "20", func(v *value) { v.integer(&brotli(v.s).Least, 0, most) }),
		acts("brotli-types", "text and the like", func(v *value) { v.types(&brotli(v.s).Types) }),
	}}
}

// mostTypes bounds a list of media types.
const mostTypes = 200

// types reads media types with blanks in between.
func (v *value) types(to *[]string) {
	out := []string{html}
	for _, t := range strings.Fields(v.text) {
		kind, sub, both := strings.Cut(t, "/")
		switch {
		case t == "*":
		case !both || !http1.IsToken(kind) || !http1.IsToken(sub) || strings.Contains(t, "*"):
			v.invalid("%q is no media type, such as text/css: it has no effect", t)
			return
		case t == html:
			continue
		}
		out = append(out, t)
	}
	if len(out) > mostTypes {
		v.invalid("has more than %d media types: it has no effect", mostTypes)
		return
	}
	*to = out
}
