package builtin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
)

// ResponseCache configures "response-cache": answers to GET are kept and given again (RFC 9111), by each process for itself. What is
// for one client alone is not kept: answers to requests with Authorization or whose client a filter has asked for who it is, and answers
// that set cookies.
type ResponseCache struct {
	TTL      Duration       `json:"ttl,omitempty"`      // how long an answer is kept at most; default 5m, at most 24h. What the answer says is shorter counts
	Size     int64          `json:"size,omitempty"`     // bytes of all answers that a route keeps; the one unused for the longest time goes; default 16 MiB, at most 4 GiB
	MaxBytes int64          `json:"maxBytes,omitempty"` // of one answer that is kept; default 1 MiB, or size where that is less; at most 64 MiB
	Statuses model.Statuses `json:"statuses,omitempty"` // that are kept, but for 206 and 304, which are parts; default 200, 301
	// Unasked says that only answers are kept that say how long they may be; default: those that say nothing are kept for TTL.
	Unasked string `json:"unasked,omitempty"` // keep (the default), or leave
	NoCache string `json:"noCache,omitempty"` // of a request that wants a new answer (Cache-Control: no-cache) the answer is the one that is kept from now on: update (the default), or not: leave
	// Wait is how long a request waits for the answer to another one for the same, which is on its way; default 5s, at most 60s, 0s: it does not.
	Wait   *Span `json:"wait,omitempty"`
	MaxAge bool  `json:"maxAge,omitempty"` // tells clients in Cache-Control: max-age how long an answer is kept from now on, in place of what the answer says
}

const (
	defaultCacheTTL   = 5 * time.Minute
	maxCacheTTL       = 24 * time.Hour
	defaultCacheSize  = 16 << 20
	maxCacheSize      = 4 << 30
	defaultCacheEntry = 1 << 20
	maxCacheEntry     = 64 << 20
	defaultCacheWait  = 5 * time.Second
	maxCacheWait      = time.Minute
	maxCacheVary      = 16 // names by which an answer differs
)

// Validate refuses what keeps nothing.
func (c ResponseCache) Validate() error {
	switch {
	case c.TTL < 0 || time.Duration(c.TTL) > maxCacheTTL:
		return fmt.Errorf("ttl is %v: want up to %v", c.TTL, maxCacheTTL)
	case c.Size < 0 || c.Size > maxCacheSize:
		return fmt.Errorf("size is %d: want 1 to %d bytes", c.Size, int64(maxCacheSize))
	case c.MaxBytes < 0 || c.MaxBytes > maxCacheEntry || c.Size > 0 && c.MaxBytes > c.Size:
		return fmt.Errorf("maxBytes is %d: want 1 to %d bytes, and not more than size", c.MaxBytes, maxCacheEntry)
	case c.Wait != nil && (*c.Wait < 0 || time.Duration(*c.Wait) > maxCacheWait):
		return fmt.Errorf("wait is %v: want up to %v", *c.Wait, maxCacheWait)
	case c.Unasked != "" && c.Unasked != cacheKeep && c.Unasked != cacheLeave:
		return fmt.Errorf("unasked %q is neither keep nor leave", c.Unasked)
	case c.NoCache != "" && c.NoCache != cacheUpdate && c.NoCache != cacheLeave:
		return fmt.Errorf("noCache %q is neither update nor leave", c.NoCache)
	}
	for i, s := range c.Statuses {
		if s.From < 200 || s.From == s.To && isPart(s.From) {
			return fmt.Errorf("statuses[%d] begins at %d: want 200 to 599, and not 206 or 304, which are parts", i, s.From)
		}
	}
	return nil
}

// isPart tells whether an answer with a status is not the whole of what was asked for.
func isPart(status int) bool { return status == 206 || status == 304 }

// What is done with an answer.
const (
	cacheKeep   = "keep"
	cacheUpdate = "update"
	cacheLeave  = "leave"
)

func responseCacheKind() filter.Kind {
	return filter.Define("response-cache", func(c ResponseCache, env filter.Env) (filter.Filter, error) {
		setDefault(&c.TTL, Duration(defaultCacheTTL))
		setDefault(&c.Size, defaultCacheSize)
		setDefault(&c.MaxBytes, min(defaultCacheEntry, c.Size))
		if len(c.Statuses) == 0 {
			c.Statuses = model.Statuses{{From: 200, To: 200}, {From: 301, To: 301}}
		}
		wait := defaultCacheWait
		if c.Wait != nil {
			wait = time.Duration(*c.Wait)
		}
		c.Wait = nil // what is kept does not depend on it
		f := &responseCache{ResponseCache: c, clock: env.Clock, wait: wait}
		var err error
		f.kept, err = filter.Use(env, sharedKey(env, fmt.Sprintf("response-cache %+v", c), Key{}, "", 0), func() (*answerStore, error) {
			return newAnswerStore(c.Size), nil
		})
		return f, err
	})
}

type responseCache struct {
	ResponseCache
	kept  *answerStore
	clock filter.Clock
	wait  time.Duration
	tries sync.Pool // of *cacheTry
}

var (
	_ filter.ResponseFilter = (*responseCache)(nil)
	_ filter.Holder         = (*cacheTry)(nil)
)

// cacheTry is a request whose answer may be kept.
type cacheTry struct {
	filter  *responseCache
	subject string        // what is asked for
	fields  []http1.Field // as the client sent them: filters behind this one may change them
	since   uint64        // what was forgotten before: a later change makes the answer old before it is kept
	guards  int           // filters before this one that have let the request pass for who asks
	change  bool          // it is a request that changes what is kept
	own     *flight       // that others wait for; nil = none
}

// Release ends the request.
func (t *cacheTry) Release(*filter.Exchange, uint64) {
	f, fields := t.filter, t.fields
	f.kept.land(t.own, time.Time{}) // it has come to nothing
	clear(fields)
	*t = cacheTry{fields: fields[:0]}
	f.tries.Put(t)
}

// CodeNotKept is of requests that want an answer out of a cache or none, and there is none: 504.
const CodeNotKept model.Code = "not-kept"

// Request answers from what is kept. Who wants nothing else gets nothing else (RFC 9111, 5.2.1.7).
func (f *responseCache) Request(x *filter.Exchange) filter.Verdict {
	v := f.look(x)
	if v == filter.Continue && x.Request.Method == "GET" && readDirectives(&x.Request.Fields).has("only-if-cached") {
		return x.Respond(504, CodeNotKept, "This is not kept here.\n")
	}
	return v
}

// look looks among what is kept.
func (f *responseCache) look(x *filter.Exchange) filter.Verdict {
	r := &x.Request
	switch r.Method {
	case "GET":
	case "HEAD", "OPTIONS", "TRACE", "CONNECT":
		return filter.Continue
	default: // RFC 9111, 4.4
		f.try(x).change = true
		return filter.Continue
	}
	if !isShareable(x) {
		return filter.Continue
	}
	wants := readDirectives(&r.Fields)
	if wants.has("no-store") {
		return filter.Continue
	}
	age, limited := wants.seconds("max-age")
	anew := wants.has("no-cache") || limited && age == 0 || len(wants) == 0 && strings.Contains(r.Fields.Get("Pragma"), "no-cache")
	if anew && f.NoCache == cacheLeave {
		return filter.Continue
	}
	t := f.try(x)
	if anew {
		return filter.Continue
	}
	now := f.clock.Now()
	a := f.kept.find(t.subject, t.value, now)
	isOld := func() bool { return a == nil || limited && now.Sub(a.stored)+a.age > age }
	if isOld() && !wants.has("only-if-cached") {
		var over bool
		if a, over = f.await(x, t); over {
			return filter.Respond
		}
		now = f.clock.Now()
	}
	if isOld() {
		return filter.Continue
	}
	return f.give(x, a, now)
}

// isShareable tells whether a request may have the answer of somebody else's, and others its own.
func isShareable(x *filter.Exchange) bool {
	r := &x.Request
	if x.Route != nil && x.Route.Naming != nil { // it is not its address that says whose answer it gets
		return false
	}
	if x.Identified() || x.TLS != nil && x.TLS.Client != nil || r.Body != http1.NoBody || r.Upgrade != "" {
		return false
	}
	for _, name := range [...]string{"Authorization", "Range", "If-Match", "If-Unmodified-Since", "If-Range"} {
		if r.Fields.Has(name) {
			return false
		}
	}
	return true
}

// try notes what is asked for.
func (f *responseCache) try(x *filter.Exchange) *cacheTry {
	t, ok := f.tries.Get().(*cacheTry)
	if !ok {
		t = &cacheTry{}
	}
	r := &x.Request
	query := ""
	if r.HasQuery {
		query = "?" + r.RawQuery
	}
	t.filter, t.since, t.guards, t.subject = f, f.kept.changes.Load(), x.Admissions(), schemeOf(x)+"://"+r.Authority+r.Path+query
	if host := r.Fields.Get("X-Forwarded-Host"); host != "" && !http1.EqualFold(host, r.Authority) { // what is behind may write links with it
		t.subject += " for " + host
	}
	if prefix := r.Fields.Get("X-Forwarded-Prefix"); prefix != "" { // and with this
		t.subject += " below " + prefix
	}
	if asked := x.Asked(); asked != r.Path { // what is behind may be told of it, or of variables in it
		t.subject += " asked as " + asked
	}
	for i := range r.Fields.Len() {
		t.fields = append(t.fields, r.Fields.At(i))
	}
	x.Keep(f, t)
	x.Hold(t, 0)
	return t
}

// value is what the client says in a field.
func (t *cacheTry) value(name string) string {
	first, more := "", []string(nil)
	for _, h := range t.fields {
		switch {
		case !http1.EqualFold(h.Name, name):
		case first == "":
			first = h.Value
		default:
			more = append(more, h.Value)
		}
	}
	if more == nil {
		return first
	}
	return first + ", " + strings.Join(more, ", ")
}

// give answers with what is kept.
func (f *responseCache) give(x *filter.Exchange, a *keptAnswer, now time.Time) filter.Verdict {
	tag := a.field("ETag")
	if f := x.Request.Fields.Get("If-None-Match"); f != "" && tag != "" && matchesTag(f, tag) {
		x.Respond(304, "", "")
	} else {
		x.Respond(a.status, "", a.body)
		x.Response.Fields.Del("Content-Type") // it has its own, or none
	}
	x.Stored = true
	to := &x.Response.Fields
	for _, h := range a.fields {
		if x.Response.Status == 304 && http1.EqualFold(h.Name, "Content-Type") {
			continue
		}
		to.Add(h.Name, h.Value)
	}
	to.Set("Age", strconv.Itoa(int((now.Sub(a.stored)+a.age)/time.Second)))
	if f.MaxAge {
		tellMaxAge(to, a.until.Sub(now))
	}
	return filter.Respond
}

// matchesTag compares as If-None-Match does, weakly (RFC 9110, 13.1.2).
func matchesTag(list, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}

func tellMaxAge(to *http1.Fields, left time.Duration) {
	to.Del("Expires")
	to.Del("Pragma")
	to.Set("Cache-Control", "max-age="+strconv.Itoa(int(max(left, 0)/time.Second)))
}

// Response keeps the answer, once all of it has passed.
func (f *responseCache) Response(x *filter.Exchange) {
	t, ok := x.Kept(f).(*cacheTry)
	if !ok {
		return
	}
	r := &x.Response
	if t.change {
		if r.Status >= 200 && r.Status < 400 {
			f.kept.forget(t.subject)
		}
		return
	}
	now := f.clock.Now()
	says := readDirectives(&r.Fields)
	left, age := f.lifetime(r, says, now)
	if x.Code != "" || x.Instead { // the next answer may be the upstream's
		return
	}
	if x.Identified() || x.Admissions() != t.guards || !f.Statuses.Contains(r.Status) || isPart(r.Status) || left <= 0 || r.ContentLength > f.MaxBytes {
		f.kept.land(t.own, now.Add(looseFor))
		return
	}
	vary, ok := varies(r)
	if !ok || r.Fields.Has("Set-Cookie") || r.Fields.Has("Content-Range") || isEventStream(r) {
		f.kept.land(t.own, now.Add(looseFor))
		return
	}
	a := &keptAnswer{status: r.Status, stored: now, until: now.Add(left), age: age}
	for i := range r.Fields.Len() {
		h := r.Fields.At(i)
		if r.Fields.Forwarded(i) && !http1.Managed(h.Name) && !http1.EqualFold(h.Name, "Age") && !http1.EqualFold(h.Name, "Date") {
			a.fields = append(a.fields, http1.Field{Name: strings.Clone(h.Name), Value: strings.Clone(h.Value)})
		}
	}
	if f.MaxAge {
		tellMaxAge(&r.Fields, left)
	}
	c := &capture{to: f.kept, most: f.MaxBytes, subject: t.subject, since: t.since, answer: a, vary: vary, own: t.own}
	for _, name := range vary {
		c.values = append(c.values, strings.Clone(t.value(name)))
	}
	if r.Body == http1.NoBody || r.Body == http1.SizedBody && r.ContentLength == 0 {
		c.keep()
		return
	}
	x.Transform(c, filter.SameBody)
}

// isEventStream tells whether an answer is one that goes on, and says something else to who comes later.
func isEventStream(r *http1.Response) bool {
	kind, _, _ := strings.Cut(r.Fields.Get("Content-Type"), ";")
	return http1.EqualFold(strings.TrimRight(kind, " \t"), "text/event-stream")
}

// lifetime is how long an answer may be given from now on, and how old it is (RFC 9111, 4.2): 0 = not at all.
func (f *responseCache) lifetime(r *http1.Response, says directives, now time.Time) (left, age time.Duration) {
	if says.has("no-store") || says.has("private") || says.has("no-cache") {
		return 0, 0
	}
	if n, err := strconv.Atoi(r.Fields.Get("Age")); err == nil && n > 0 {
		age = time.Duration(min(n, 1<<31)) * time.Second
	}
	left = time.Duration(f.TTL)
	said, ok := says.seconds("s-maxage")
	if !ok {
		said, ok = says.seconds("max-age")
	}
	if expires := r.Fields.Get("Expires"); !ok && expires != "" {
		ok = true
		if at, err := parseHTTPTime(expires); err == nil { // what is no time is in the past
			from := now
			if date, err := parseHTTPTime(r.Fields.Get("Date")); err == nil {
				from = date
			}
			said = at.Sub(from)
		}
	}
	switch {
	case ok:
		return min(left, said-age), age
	case f.Unasked == cacheLeave:
		return 0, age
	}
	return left, age
}

// varies are the names of the fields by which an answer differs: those it names, cookies, since so many services forget them, and the
// codings, where it is in one.
func varies(r *http1.Response) ([]string, bool) {
	out := []string{"cookie"}
	add := func(name string) {
		if name = strings.ToLower(strings.Trim(name, " \t")); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	if r.Fields.Has("Content-Encoding") {
		add("Accept-Encoding")
	}
	for v := range r.Fields.Values("Vary") {
		for name := range strings.SplitSeq(v, ",") {
			add(name)
		}
	}
	slices.Sort(out)
	for i := range out {
		out[i] = strings.Clone(out[i])
	}
	return out, len(out) <= maxCacheVary && !slices.Contains(out, "*")
}
