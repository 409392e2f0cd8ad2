package console

import (
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/explain"
	"paifang/internal/model"
)

// page is what is shown, in HTML or as text.
type page struct {
	Lang    string
	zh      map[string]string
	Now     time.Time
	Info    []adminapi.Info
	Ready   state
	Missing string // processes that did not answer

	HasBox   bool
	Asked    []asked
	Examples []string

	Roads  []road
	Counts []state // of the diagnostics, by severity
	Tables []table

	Forced bool // the language was chosen, not preferred

	Style  template.CSS
	Script template.JS
}

func newPage(v adminapi.View, lang string, now time.Time) *page {
	s := addUp(v.Traffic)
	p := &page{Lang: lang, Now: now, Info: v.Info, Roads: []road{newRoad(1, v, s), newRoad(2, v, s)}, Examples: examples(v.Roads)}
	if lang == "zh" {
		p.zh = words()
	}
	p.Ready = state{Tone: good, Word: "ready"}
	for _, i := range v.Info {
		if !i.Ready {
			p.Ready = state{Tone: bad, Word: "not ready", Why: strings.Join(i.Why, "; ")}
		}
	}
	for _, severity := range []model.Severity{model.Error, model.Warning, model.Info} {
		n := 0
		for _, d := range v.Diagnostics {
			if d.Severity == severity {
				n++
			}
		}
		if n > 0 {
			c := severityState(severity)
			c.Amount = fmt.Sprint(n)
			p.Counts = append(p.Counts, c)
		}
	}
	p.Tables = tables(v, s, now)
	return p
}

// T is a label in the language of the page.
func (p *page) T(label string) string {
	if w, ok := p.zh[label]; ok {
		return w
	}
	return label
}

// labelled is a state with what translates its word.
type labelled struct {
	state
	T func(string) string
}

// With is a state in the language of the page.
func (p *page) With(s state) labelled { return labelled{s, p.T} }

// Troubles is how many errors are diagnosed, empty for none.
func (p *page) Troubles() string {
	for _, c := range p.Counts {
		if c.Tone == bad {
			return c.Amount
		}
	}
	return ""
}

// Here is the address of this page.
func (p *page) Here() string { return p.address(p.Lang, p.Forced, p.Asked) }

// Other is the address of the page in the other language.
func (p *page) Other() string {
	if p.Lang == "zh" {
		return p.address("en", true, p.Asked)
	}
	return p.address("zh", true, p.Asked)
}

// Explain is the address of the page with one URL explained.
func (p *page) Explain(u string) string {
	return p.address(p.Lang, p.Forced, []asked{{Name: "url", URL: u}})
}

func (p *page) address(lang string, forced bool, all []asked) string {
	q := url.Values{}
	for _, a := range all {
		if a.URL != "" {
			q.Set(a.Name, a.URL)
		}
	}
	if forced {
		q.Set("lang", lang)
	}
	if len(q) == 0 {
		return "/"
	}
	return "/?" + q.Encode()
}

// Placeholder is a URL in the empty box.
func (p *page) Placeholder() string {
	if len(p.Examples) > 0 {
		return p.Examples[0]
	}
	return "http://shop.test/order/42"
}

// Clock is the time of the page.
func (p *page) Clock() string { return p.Now.Format("15:04:05") }

// HTMLLang is the language as HTML names it.
func (p *page) HTMLLang() string {
	if p.Lang == "zh" {
		return "zh-Hans"
	}
	return p.Lang
}

// Started tells whether there is anything to compare: a URL in a box.
func (p *page) Started() bool {
	return slices.ContainsFunc(p.Asked, func(a asked) bool { return a.Done || a.Error != "" })
}

// Compared tells whether two URLs are explained, which then stand side by side.
func (p *page) Compared() bool { return len(p.Asked) == 2 && p.Asked[0].Done && p.Asked[1].Done }

// Pairs are the hops of two URLs by station.
func (p *page) Pairs() []explain.Pair { return explain.Compare(p.Asked[0].Result, p.Asked[1].Result) }

// told is a hop of an explanation with what translates its label; nil: there is none at that station.
type told struct {
	Hop *explain.Hop
	T   func(string) string
}

// Hop is a hop in the language of the page.
func (p *page) Hop(h any) told {
	switch h := h.(type) {
	case explain.Hop:
		return told{&h, p.T}
	case *explain.Hop:
		return told{h, p.T}
	default:
		return told{T: p.T}
	}
}

// Six tells whether a road has a load balancer. The hops of both roads then stand in six columns, the same ones below each
// other, and a road without it has a longer way there.
func (p *page) Six() bool {
	return slices.ContainsFunc(p.Roads, func(r road) bool {
		return slices.ContainsFunc(r.Hops, func(h hop) bool { return h.Stage == "slb" })
	})
}

// Generation is the newest published.
func (p *page) Generation() uint64 {
	var newest uint64
	for _, i := range p.Info {
		newest = max(newest, i.Snapshot)
	}
	return newest
}

// Process is the name of the process that is asked, its version and how long it has been up.
func (p *page) Process() string {
	if len(p.Info) == 0 {
		return ""
	}
	var names []string
	for _, i := range p.Info {
		names = append(names, i.Name)
	}
	return strings.Join(names, ", ")
}

// Up is how long the oldest process has run.
func (p *page) Up() string {
	var oldest time.Time
	for _, i := range p.Info {
		if oldest.IsZero() || i.Started.Before(oldest) {
			oldest = i.Started
		}
	}
	return since(oldest, p.Now)
}

// maxExamples is how many URLs the box offers.
const maxExamples = 4

// examples are URLs that the routes are for.
func examples(all []adminapi.Road) []string {
	var out []string
	for _, r := range all {
		for _, way := range r.WayIn {
			way = strings.TrimSuffix(way, "**")
			if strings.ContainsAny(way, " *{}") || len(out) >= maxExamples || slices.Contains(out, "http://"+way) {
				continue
			}
			out = append(out, "http://"+way)
		}
	}
	return out
}

// since is how long ago a moment is, in one unit.
func since(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	switch d := max(now.Sub(at), 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d/time.Hour))
	default:
		return fmt.Sprintf("%dd", int(d/(24*time.Hour)))
	}
}
