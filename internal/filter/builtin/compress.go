package builtin

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"paifang/internal/coding"
	"paifang/internal/filter"
	"paifang/internal/http1"
)

// Compress configures "compress": answers are compressed for clients that say they take it.
type Compress struct {
	Codings []string `json:"codings,omitempty"` // zstd, br, gzip: the first of those that a client takes equally well; default all of them, in this order
	Types   []string `json:"types,omitempty"`   // media types of answers that are: "text/html", "text/*"; default those of text that are no streams
	MinSize *int     `json:"minSize,omitempty"` // bytes of an answer of known length from which on it is; default 1,024
	Level   int      `json:"level,omitempty"`   // 1, fast, to 9, small; default 4

}

const (
	defaultMinSize = 1024
	maxMinSize     = 1 << 30
	maxEncoders    = 512 // bodies that are compressed at the same time; further ones pass as they are
	maxTypes       = 256
)

// compressible are the media types that are compressed where nothing is said. Not among them: streams of events, where each piece
// has to leave at once, and what is compressed by itself.
func compressible() []string {
	return []string{
		"text/html", "text/plain", "text/css", "text/xml", "text/csv", "text/javascript", "text/markdown", "text/calendar", "application/json", "application/javascript",
		"application/xml", "+xml", "+json", "application/wasm", "image/bmp", "image/x-icon", "font/ttf", "font/otf",
	}
}

// Validate refuses codings and types that there are none of.
func (c Compress) Validate() error {
	for i, name := range c.Codings {
		if !coding.Known(name) || slices.Contains(c.Codings[:i], name) {
			return fmt.Errorf("codings[%d]: %q is none of zstd, br, gzip, or there twice", i, name)
		}
	}
	switch {
	case c.Level != 0 && (c.Level < coding.MinLevel || c.Level > coding.MaxLevel):
		return fmt.Errorf("level is %d: want %d to %d", c.Level, coding.MinLevel, coding.MaxLevel)
	case c.MinSize != nil && (*c.MinSize < 0 || *c.MinSize > maxMinSize):
		return fmt.Errorf("minSize is %d: want 0 to %d bytes", *c.MinSize, maxMinSize)
	case len(c.Types) > maxTypes:
		return fmt.Errorf("types are %d: at most %d", len(c.Types), maxTypes)
	}
	for i, t := range c.Types {
		kind, sub, ok := strings.Cut(t, "/")
		if end, suffix := strings.CutPrefix(t, "+"); t == "*" || suffix && http1.IsToken(end) {
			continue
		}
		if !ok || !http1.IsToken(kind) || !http1.IsToken(sub) {
			return fmt.Errorf("types[%d]: %q is neither a media type like text/html or text/* nor an ending like +json", i, t)
		}
	}
	return nil
}

// encoders are the bodies that are being compressed, of all routes.
type encoders struct{ running atomic.Int64 }

// Close is for filter.Shared: there is nothing to end.
func (e *encoders) Close() error { return nil }

func compressKind() filter.Kind {
	return filter.Define("compress", func(c Compress, env filter.Env) (filter.Filter, error) {
		f := &compress{codings: c.Codings, types: c.Types, least: defaultMinSize, level: c.Level}
		if len(f.codings) == 0 {
			f.codings = []string{coding.Zstd, coding.Brotli, coding.Gzip}
		}
		if len(f.types) == 0 {
			f.types = compressible()
		}
		if c.MinSize != nil {
			f.least = int64(*c.MinSize)
		}
		setDefault(&f.level, coding.DefaultLevel)
		f.pools = make([]sync.Pool, len(f.codings))
		var err error
		f.all, err = filter.Use(env, "compress encoders", func() (*encoders, error) { return &encoders{}, nil })
		return f, err
	})
}

type compress struct {
	codings, types []string
	least          int64
	level          int
	pools          []sync.Pool // of *compression, one for each coding
	all            *encoders
}

var _ filter.ResponseFilter = (*compress)(nil)

// Request does nothing: what the client takes is looked at when there is an answer.
func (f *compress) Request(*filter.Exchange) filter.Verdict { return filter.Continue }

// Response decides about the answer.
func (f *compress) Response(x *filter.Exchange) {
	r := &x.Response
	if filter.Bodyless(r.Status) || r.Status == 206 || !typeIn(f.types, r.Fields.Get("Content-Type")) ||
		r.Fields.Has("Content-Encoding") || r.Fields.Has("Content-Range") || listHas(r, "Cache-Control", "no-transform") {
		return
	}
	if r.Body == http1.SizedBody && r.ContentLength < f.least {
		return
	}
	if !listHas(r, "Vary", "Accept-Encoding") && !listHas(r, "Vary", "*") {
		r.Fields.Add("Vary", "Accept-Encoding")
	}
	if r.Body == http1.NoBody {
		return
	}
	name := coding.Choose(x.AcceptEncodings(), f.codings)
	if name == "" || f.all.running.Add(1) > maxEncoders {
		if name != "" {
			f.all.running.Add(-1)
		}
		return
	}
	c, err := f.take(name)
	if err != nil { // of what Validate has taken there is none
		f.all.running.Add(-1)
		return
	}
	c.streams = r.Body != http1.SizedBody
	r.Fields.Set("Content-Encoding", name)
	otherBytes(r)
	x.Transform(c, filter.OtherBody)
}

// otherBytes drops or weakens what an answer says of the bytes of its body, which become others.
func otherBytes(r *http1.Response) {
	if tag := r.Fields.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		r.Fields.Set("ETag", r.Mem.Join("W/", tag))
	}
	for _, name := range []string{"Accept-Ranges", "Content-MD5", "Digest", "Content-Digest", "Repr-Digest"} {
		r.Fields.Del(name)
	}
}

// take returns a compression that begins.
func (f *compress) take(name string) (*compression, error) {
	pool := &f.pools[slices.Index(f.codings, name)]
	c, ok := pool.Get().(*compression)
	if !ok {
		e, err := coding.New(name, f.level)
		if err != nil {
			return nil, err
		}
		c = &compression{encoder: e, pool: pool, all: f.all}
	}
	c.encoder.Reset(&c.out)
	return c, nil
}

// compression is that of one body.
type compression struct {
	encoder coding.Encoder
	out     sink
	streams bool // its length is not known: what came before a pause leaves
	pool    *sync.Pool
	all     *encoders
}

// sink is what an encoder writes to.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

func (c *compression) do(dst []byte, step func() error) ([]byte, error) {
	c.out.b = dst
	err := step()
	dst, c.out.b = c.out.b, nil
	return dst, err
}

func (c *compression) Append(dst, part []byte) ([]byte, error) {
	return c.do(dst, func() error { _, err := c.encoder.Write(part); return err })
}

func (c *compression) Flush(dst []byte) ([]byte, error) {
	if !c.streams {
		return dst, nil
	}
	return c.do(dst, c.encoder.Flush)
}

func (c *compression) Finish(dst []byte) ([]byte, error) { return c.do(dst, c.encoder.Close) }

func (c *compression) Release() {
	c.all.running.Add(-1)
	c.pool.Put(c)
}

// typeIn tells whether a Content-Type is one of a list of media types.
func typeIn(types []string, field string) bool {
	media, _, _ := strings.Cut(field, ";")
	media = strings.Trim(media, " \t")
	if media == "" {
		return false
	}
	for _, t := range types {
		if t == "*" || http1.EqualFold(t, media) {
			return true
		}
		if t[0] == '+' && len(media) > len(t) && http1.EqualFold(media[len(media)-len(t):], t) {
			return true
		}
		if before, all := strings.CutSuffix(t, "*"); all && len(media) > len(before) && http1.EqualFold(media[:len(before)], before) {
			return true
		}
	}
	return false
}

// listHas tells whether a field that is a list names something, in any case and with whatever parameters.
func listHas(r *http1.Response, field, item string) bool {
	for list := range r.Fields.Values(field) {
		for one := range strings.SplitSeq(list, ",") {
			if http1.EqualFold(strings.Trim(one, " \t"), item) {
				return true
			}
		}
	}
	return false
}
