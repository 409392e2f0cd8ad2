package builtin

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// Mirror configures "mirror": copies of requests are sent to other services, whose answers nobody gets. What a copy costs a request is
// the copying: it never waits for one. A copy is of the request as it stands at this filter, and leaves once the request itself is
// sent on and all of its body has come. What cannot be sent in time, or kept meanwhile, is dropped and counted. Copies go to the
// upstreams that the filter names beside its kind, and to Targets: 1 to 8 in all.
type Mirror struct {
	Targets     []MirrorTarget `json:"targets,omitempty"`
	Percent     *float64       `json:"percent,omitempty"`     // of requests that are copied, for each upstream and target by itself; default 100
	WithoutBody bool           `json:"withoutBody,omitempty"` // copies have no body
	MaxBody     int64          `json:"maxBody,omitempty"`     // bytes; a request with more is not copied; default 1 MiB, at most 16 MiB
	Timeout     Duration       `json:"timeout,omitempty"`     // of a copy, from its sending to the end of its answer; default 10s, at most 60s
	InFlight    int            `json:"inFlight,omitempty"`    // copies to each target at the same time; default 32, at most 1,024
	Queue       int            `json:"queue,omitempty"`       // copies for each target that wait for that; default 256, at most 10,000
	Credentials bool           `json:"credentials,omitempty"` // copies have Authorization and Cookie too, which are meant for the route's own upstream
	Loopback    bool           `json:"loopback,omitempty"`    // targets may be on this machine. Link-local addresses never are sent anything
	SkipVerify  bool           `json:"skipVerify,omitempty"`  // takes any certificate of a target
}

// MirrorTarget is who gets copies.
type MirrorTarget struct {
	// URL is a text, http or https. Of its host the client may choose nothing but the host that it asks for. Without a path and a query
	// copies have those of the request.
	URL     string   `json:"url"`
	Host    string   `json:"host,omitempty"`    // text; the Host of copies; default: that of the URL
	Percent *float64 `json:"percent,omitempty"` // default: that of all
}

// Bounds of mirrors. maxMirrorMemory is of all copies of a process together.
const (
	maxMirrorTargets      = 8
	defaultMirrorBody     = 1 << 20
	maxMirrorBody         = 16 << 20
	defaultMirrorTimeout  = 10 * time.Second
	maxMirrorTimeout      = time.Minute
	defaultMirrorInFlight = 32
	maxMirrorInFlight     = 1024
	defaultMirrorQueue    = 256
	maxMirrorQueue        = 10_000
	maxMirrorMemory       = 64 << 20
)

var _ filter.Sender = Mirror{}

// ValidateUpstreams refuses a mirror to nobody, and one to too many.
func (c Mirror) ValidateUpstreams(n int) error {
	if n += len(c.Targets); n == 0 || n > maxMirrorTargets {
		return fmt.Errorf("upstreams and targets are %d: want 1 to %d", n, maxMirrorTargets)
	}
	return nil
}

// Validate refuses what could not be sent, and what a client could turn to another service.
func (c Mirror) Validate() error {
	switch {
	case !isPercent(c.Percent):
		return fmt.Errorf("percent is %v: want 0 to 100", *c.Percent)
	case c.MaxBody < 0 || c.MaxBody > maxMirrorBody:
		return fmt.Errorf("maxBody is %d: want 1 to %d bytes", c.MaxBody, maxMirrorBody)
	case c.Timeout < 0 || time.Duration(c.Timeout) > maxMirrorTimeout:
		return fmt.Errorf("timeout is %v: want up to %v", c.Timeout, maxMirrorTimeout)
	case c.InFlight < 0 || c.InFlight > maxMirrorInFlight:
		return fmt.Errorf("inFlight is %d: want 1 to %d", c.InFlight, maxMirrorInFlight)
	case c.Queue < 0 || c.Queue > maxMirrorQueue:
		return fmt.Errorf("queue is %d: want 1 to %d", c.Queue, maxMirrorQueue)
	}
	for i, t := range c.Targets {
		if err := t.validate(); err != nil {
			return fmt.Errorf("targets[%d]: %w", i, err)
		}
	}
	return nil
}

func (t *MirrorTarget) validate() error {
	if _, err := t.service(); err != nil {
		return err
	}
	if !isPercent(t.Percent) {
		return fmt.Errorf("percent is %v: want 0 to 100", *t.Percent)
	}
	if _, err := parseText(t.Host); err != nil {
		return fmt.Errorf("host: %w", err)
	}
	if !http1.IsFieldValue(t.Host) || strings.ContainsAny(t.Host, " /@,") {
		return fmt.Errorf("host %q is none", t.Host)
	}
	return nil
}

func isPercent(p *float64) bool { return p == nil || *p >= 0 && *p <= 100 }

// service reads the URL.
func (t *MirrorTarget) service() (text, error) {
	to, err := parseService(t.URL)
	if err == nil && t.URL == t.place() {
		to = append(to, textPart{from: "uri"})
	}
	return to, err
}

// place is the target without its path, as metrics and logs name it.
func (t *MirrorTarget) place() string {
	scheme, rest, _ := strings.Cut(t.URL, "://")
	return scheme + "://" + hostOf(rest)
}

func mirrorKind() filter.Kind {
	return filter.Define("mirror", func(c Mirror, env filter.Env) (filter.Filter, error) {
		setDefault(&c.MaxBody, defaultMirrorBody)
		setDefault(&c.Timeout, Duration(defaultMirrorTimeout))
		setDefault(&c.InFlight, defaultMirrorInFlight)
		setDefault(&c.Queue, defaultMirrorQueue)
		m := &mirror{chance: rand.Float64, withoutBody: c.WithoutBody, credentials: c.Credentials, maxBody: c.MaxBody}
		var err error
		if m.memory, err = filter.Use(env, "mirror memory", func() (*mirrorMemory, error) { return &mirrorMemory{most: maxMirrorMemory}, nil }); err != nil {
			return nil, err
		}
		percent := 100.0
		if c.Percent != nil {
			percent = *c.Percent
		}
		for _, h := range env.Upstreams {
			place := string(h.ID())
			to := mirrorTarget{percent: percent}
			if to.sender, err = c.sender(env, place, fmt.Sprintf("upstream %p", h), func() mirrorRoad { return mirrorUpstream{h} }); err != nil {
				return nil, err
			}
			m.targets = append(m.targets, to)
		}
		for _, t := range c.Targets {
			to := mirrorTarget{percent: percent}
			if t.Percent != nil {
				to.percent = *t.Percent
			}
			if to.url, err = t.service(); err != nil {
				return nil, err
			}
			if to.host, err = parseText(t.Host); err != nil {
				return nil, err
			}
			if to.sender, err = c.sender(env, t.place(), "URL", func() mirrorRoad { return newMirrorService(&c) }); err != nil {
				return nil, err
			}
			m.targets = append(m.targets, to)
		}
		return m, nil
	})
}

// sender is who sends copies to a place, the same for all filters that do so with the same bounds.
func (c *Mirror) sender(env filter.Env, place, kind string, road func() mirrorRoad) (*mirrorSender, error) {
	counts, err := filter.Use(env, "mirror counts of "+place, func() (*mirrorCounts, error) { return &mirrorCounts{target: place}, nil })
	if err != nil {
		return nil, err
	}
	key := fmt.Sprintf("mirror to %s %q: %v %d %d %v %v", kind, place, c.Timeout, c.InFlight, c.Queue, c.Loopback, c.SkipVerify)
	return filter.Use(env, key, func() (*mirrorSender, error) { return newMirrorSender(c, road(), counts), nil })
}

type mirror struct {
	targets     []mirrorTarget
	withoutBody bool
	credentials bool
	maxBody     int64
	memory      *mirrorMemory
	chance      func() float64 // from 0 to below 1
}

type mirrorTarget struct {
	url, host text // empty: an upstream, which gets the request's own
	percent   float64
	sender    *mirrorSender
}

// Request notes what is to be copied. Connections that become something else have no copies.
func (f *mirror) Request(x *filter.Exchange) filter.Verdict {
	r := &x.Request
	if r.Upgrade != "" || r.Method == "CONNECT" {
		return filter.Continue
	}
	var c *mirrorCopy
	for i := range f.targets {
		t := &f.targets[i]
		if t.percent < 100 && f.chance()*100 >= t.percent {
			continue
		}
		if t.sender.full() {
			t.sender.counts.add(filter.CopyQueueFull)
			continue
		}
		if c == nil {
			c = newMirrorCopy(f, x)
		}
		c.head(t, x)
	}
	if c != nil && c.begin(x) {
		x.Tap(c)
	}
	return filter.Continue
}
