package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

// row is a line, or a few, of the table.
type row struct {
	name, what string
	measure    func(context.Context, *bench) ([]result, error)
}

// result is one figure with what is wanted of it.
type result struct {
	row, what string
	value     float64
	unit      string // "×", "KB", "ms", "µs", ""
	bar, aim  float64
	atLeast   bool // the wanted figures are lower bounds
	absolute  string
	missing   error // why there is no figure
}

func allRows() []row {
	to := func(at func(contender) string, scheme, path string) func(contender) string {
		return func(c contender) string { return scheme + "://" + at(c) + path }
	}
	plain := func(path string) func(contender) string { return to(contender.plain, "http", path) }
	secure := func(path string) func(contender) string { return to(contender.tls, "https", path) }
	tcp := func(path string) func(contender) string { return to(contender.tcp, "http", path) }
	return []row{
		{"h1-100", "HTTP/1.1, 100 bytes, 64 connections", compared(wrk(plain("/100"), 64), []contender{nginx(), haproxy(), caddy()},
			want{nginx(), cpu, 1.00, 0.90}, want{haproxy(), cpu, 1.00, 0.90}, want{caddy(), cpu, 0, 0}, want{nginx(), rate, 0, 0})},
		{"h1-10k", "HTTP/1.1, 10 KB, 64 connections", compared(wrk(plain("/10240"), 64), []contender{nginx(), haproxy()},
			want{nginx(), cpu, 0.95, 0.85}, want{haproxy(), cpu, 0, 0})},
		{"h1-1m", "HTTP/1.1, 1 MB, 16 connections, nginx with 16 buffers of 64 KB", compared(wrk(plain("/1048576"), 16), []contender{nginx(), haproxy()},
			want{nginx(), cpu, 1.10, 0.50}, want{haproxy(), cpu, 0, 0})},
		{"tls", "HTTP/1.1 over TLS 1.3, 100 bytes, kept connections", compared(wrk(secure("/100"), 64), []contender{nginx(), haproxy()},
			want{nginx(), cpu, 1.05, 0.95}, want{haproxy(), cpu, 0, 0})},
		{"handshakes", "TLS 1.3, full handshakes (P-256, X25519), a request each", compared(fullHandshakes(32), []contender{nginx()},
			want{nginx(), perCPU, 1.10, 1.25}, want{nginx(), rate, 0, 0})},
		{"resumed", "TLS 1.3, resumed sessions, a request each", compared(wrk(secure("/100"), 32, "Connection: close"), []contender{nginx()},
			want{nginx(), rate, 0, 0})},
		{"h2", "HTTP/2 over TLS, 8 connections of 32 streams, 100 bytes", compared(h2load(60_000, 8, 32), []contender{haproxy(), nginx()},
			want{haproxy(), cpu, 5, 1.0}, want{nginx(), cpu, 0, 0})},
		{"l4-100", "layer 4, messages of 100 bytes, 64 connections", compared(wrk(tcp("/100"), 64), []contender{haproxy(), nginx()},
			want{haproxy(), cpu, 1.1, 1.0}, want{nginx(), cpu, 0, 0})},
		{"l4-1m", "layer 4, answers of 1 MB, 16 connections", compared(wrk(tcp("/1048576"), 16), []contender{nginx()}, want{nginx(), cpu, 0.5, 0.35})},
		{"l4-connect", "layer 4, a connection per request", compared(wrk(tcp("/100"), 32, "Connection: close"), []contender{nginx()}, want{nginx(), rate, 0.85, 1.0})},
		{"p99", "99th percentile at half of nginx's highest rate", latency},
		{"idle", "memory per idle connection that had a request", idle},
		{"mallocs", "allocations of a plain proxied request", mallocs},
		{"roads", "gateway road: lb:// over the embedded registry, StripPrefix and a header, beside the ingress road", roads},
		{"shared-limit", "rate limit of a gateway that never bites: shared through Redis, beside one of its own", besideOwnLimit},
		{"tokens", "what a gateway pays to check a JSON Web Token, not seen before and seen before", tokens},
		{springRow, "Spring Cloud Gateway 4.3 beside it, over the same registry; needs a JDK 17 and Maven", besideSpring},
		{"change", "route change applied to answered; memory with 5,000 routes from manifests", change},
	}
}

// figure is what is compared.
type figure struct {
	name string
	of   func(sample) float64
	high bool // more is better
	text func(sample) string
}

var (
	cpu = figure{"CPU per request", sample.perRequest, false, func(s sample) string { return fmt.Sprintf("%.1f µs", s.perRequest()) }}
	// perCPU is the rate that the proxy's core would reach where the load was no bound.
	perCPU = figure{"handshakes per second of CPU", func(s sample) float64 { return 1e6 / s.perRequest() }, true,
		func(s sample) string { return fmt.Sprintf("%.0f/s", 1e6/s.perRequest()) }}
	rate = figure{"requests per second", sample.rate, true, func(s sample) string { return fmt.Sprintf("%.0f/s", s.rate()) }}
)

// want is a ratio to a contender, with its bar and its aim; 0 = only shown.
type want struct {
	to       contender
	figure   figure
	bar, aim float64
}

// compared measures the product and others in turn and returns the ratios that are wanted.
func compared(l load, others []contender, wants ...want) func(context.Context, *bench) ([]result, error) {
	return func(ctx context.Context, b *bench) ([]result, error) {
		all := append([]contender{paifang()}, others...)
		samples, err := b.inTurn(ctx, all, l)
		if err != nil {
			return nil, err
		}
		var out []result
		for _, w := range wants {
			out = append(out, w.result(samples["paifang"], samples[w.to.name]))
		}
		return out, nil
	}
}

// result compares the rounds in which both sides have one. A round without, because a contender has failed a request on
// a machine that had other things to do, is left out, and said.
func (w want) result(own, other []sample) result {
	r := result{what: w.figure.name + " ÷ " + w.to.name, unit: "×", bar: w.bar, aim: w.aim, atLeast: w.figure.high}
	var ratios []float64
	var mine, theirs []sample
	for i := range own {
		if err := cmp.Or(own[i].failed, other[i].failed); err != nil {
			r.missing = err
			continue
		}
		mine, theirs = append(mine, own[i]), append(theirs, other[i])
		ratios = append(ratios, w.figure.of(own[i])/w.figure.of(other[i]))
	}
	if len(ratios) == 0 {
		return r
	}
	r.missing = nil
	r.value = median(ratios)
	r.absolute = w.figure.text(middle(mine, w.figure)) + " to " + w.figure.text(middle(theirs, w.figure)) + spread(ratios)
	if n := len(own) - len(ratios); n > 0 {
		r.absolute += fmt.Sprintf("; %d rounds without a result", n)
	}
	return r
}

// inTurn measures contenders in turn, all of them in every round, after a round that does not count.
func (b *bench) inTurn(ctx context.Context, all []contender, l load) (map[string][]sample, error) {
	running := map[string]*process{}
	defer func() {
		for _, p := range running {
			p.stop()
		}
	}()
	for _, c := range all {
		p, err := b.launch(ctx, c)
		if err != nil {
			return nil, err
		}
		running[c.name] = p
	}
	return b.turns(ctx, all, running, l)
}

// turns measures contenders that run.
func (b *bench) turns(ctx context.Context, all []contender, running map[string]*process, l load) (map[string][]sample, error) {
	out := map[string][]sample{}
	short := *b // for the round that does not count
	short.length = min(b.length, time.Second)
	for round := range b.rounds + 1 {
		by := b
		if round == 0 {
			by = &short
		}
		turn := slices.Clone(all)
		if round%2 == 1 {
			slices.Reverse(turn)
		}
		for _, c := range turn {
			s := measured(ctx, by, c, running[c.name], l)
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if s.failed != nil {
				fmt.Fprintf(os.Stderr, "  round %d %v\n", round, s.failed)
			} else if b.verbose {
				fmt.Fprintf(os.Stderr, "  round %d %-8s %9.0f/s %7.1f µs\n", round, c.name, s.rate(), s.perRequest())
			}
			if round > 0 {
				out[c.name] = append(out[c.name], s)
			}
		}
	}
	return out, nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func middle(s []sample, f figure) sample {
	s = slices.SortedFunc(slices.Values(s), func(a, b sample) int {
		if f.of(a) < f.of(b) {
			return -1
		}
		return 1
	})
	return s[len(s)/2]
}

func spread(ratios []float64) string {
	return fmt.Sprintf("; rounds %.2f–%.2f", slices.Min(ratios), slices.Max(ratios))
}

// latency compares the 99th percentile at a rate that all can keep.
func latency(ctx context.Context, b *bench) ([]result, error) {
	highest, err := b.inTurn(ctx, []contender{nginx()}, wrk(func(c contender) string { return "http://" + c.plain() + "/100" }, 50))
	if err != nil {
		return nil, err
	}
	reached := slices.DeleteFunc(highest["nginx"], func(s sample) bool { return s.failed != nil })
	if len(reached) == 0 {
		return nil, errors.New("nginx has no highest rate")
	}
	at := middle(reached, rate).rate() / 2
	all := []contender{paifang(), nginx(), haproxy()}
	running := map[string]*process{}
	defer func() {
		for _, p := range running {
			p.stop()
		}
	}()
	for _, c := range all {
		if running[c.name], err = b.launch(ctx, c); err != nil {
			return nil, err
		}
	}
	took := map[string][]float64{}
	for round := range b.rounds + 1 {
		for _, c := range all {
			p99, err := paced(ctx, b, c.plain(), ":"+plainPort+"/100", at, max(b.length, 2*time.Second))
			if ctx.Err() != nil {
				return nil, err
			}
			ms := p99.Seconds() * 1000
			if err != nil { // a round without a result
				fmt.Fprintf(os.Stderr, "  round %d %v\n", round, err)
				ms = math.NaN()
			} else if b.verbose {
				fmt.Fprintf(os.Stderr, "  round %d %-8s p99 %v\n", round, c.name, p99)
			}
			if round > 0 {
				took[c.name] = append(took[c.name], ms)
			}
		}
	}
	var out []result
	for _, to := range []string{"nginx", "haproxy"} {
		var ratios, mine, theirs []float64
		for i, v := range took[to] {
			if own := took["paifang"][i]; !math.IsNaN(own) && !math.IsNaN(v) {
				ratios, mine, theirs = append(ratios, own/v), append(mine, own), append(theirs, v)
			}
		}
		r := result{what: fmt.Sprintf("p99 at %.0f requests/s ÷ %s", at, to), unit: "×"}
		if len(ratios) == 0 {
			r.missing = errors.New("no round had an answer to every request")
		} else {
			r.value = median(ratios)
			r.absolute = fmt.Sprintf("%.2f ms to %.2f ms", median(mine), median(theirs)) + spread(ratios)
		}
		if to == "nginx" {
			r.bar, r.aim = 1.25, 1.0
		}
		out = append(out, r)
	}
	return out, nil
}

// table writes results as Markdown.
func table(machine string, results []result) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s\n\n| row | figure | measured | bar | aim | | absolute (median) |\n|---|---|---|---|---|---|---|\n", machine)
	for _, r := range results {
		value, absolute := number(r.value, r.unit), r.absolute
		if r.missing != nil {
			value, absolute = "no result", strings.TrimSpace(strings.SplitN(r.missing.Error(), "\n", 2)[0])
		}
		fmt.Fprintf(&s, "| %s | %s | %s | %s | %s | %s | %s |\n", r.row, r.what, value, r.limit(r.bar), r.limit(r.aim), r.verdict(), absolute)
	}
	return s.String()
}

func number(v float64, unit string) string {
	switch {
	case unit == "×" && v < 0.1:
		return fmt.Sprintf("%.3f", v)
	case unit == "×":
		return fmt.Sprintf("%.2f", v)
	case v < 0.1:
		return strings.TrimSpace(fmt.Sprintf("%.3f %s", v, unit))
	default:
		return strings.TrimSpace(fmt.Sprintf("%.1f %s", v, unit))
	}
}

func (r result) limit(v float64) string {
	switch {
	case v == 0 && r.bar == 0 && r.unit != "allocations":
		return ""
	case r.atLeast:
		return "≥ " + number(v, r.unit)
	default:
		return "≤ " + number(v, r.unit)
	}
}

// verdict says which of its two figures a result reaches. Allocations are counted over a whole process, which now and
// then has something else to do: what rounds to none is none.
func (r result) verdict() string {
	reaches := func(v float64) bool {
		if r.unit == "allocations" {
			return r.value < 0.01
		}
		if r.atLeast {
			return r.value >= v
		}
		return r.value <= v
	}
	switch {
	case r.missing != nil, r.bar == 0 && r.unit != "allocations":
		return ""
	case reaches(r.aim):
		return "aim"
	case reaches(r.bar):
		return "bar"
	default:
		return "**missed**"
	}
}
