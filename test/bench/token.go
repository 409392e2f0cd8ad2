package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// tokens measures the filter that checks JSON Web Tokens by its own benchmark, on the core that proxies have: a token of the cheapest
// kind is checked faster than a request is sent, so that behind a proxy most of it would be noise.
func tokens(ctx context.Context, b *bench) ([]result, error) {
	test := filepath.Join(b.dir, "token.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-trimpath", "-o", test, "./internal/filter/builtin")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go test -c: %w\n%s", err, out)
	}
	took := map[string][]float64{}
	for round := range b.rounds + 1 { // after one that does not count
		length := b.length
		if round == 0 {
			length = min(length, time.Second/4)
		}
		run := exec.CommandContext(ctx, "taskset", "-c", proxyCore, test, "-test.run=XXX", "-test.bench=^BenchmarkJWT$", "-test.benchtime="+length.String())
		run.Dir, run.Env = b.dir, append(os.Environ(), "GOMAXPROCS=1")
		out, err := run.CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("BenchmarkJWT: %w\n%s", err, out)
		}
		if round == 0 {
			continue
		}
		for name, us := range benchmarks(string(out)) {
			took[name] = append(took[name], us)
		}
	}
	return tokenResults(took)
}

// benchmarkLine is what the testing package prints of a benchmark; with one processor its name has no number behind it.
var benchmarkLine = regexp.MustCompile(`(?m)^BenchmarkJWT/(\w+/\w+)(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op`)

// benchmarks are the microseconds of each benchmark by its name, such as "RS256/cold".
func benchmarks(out string) map[string]float64 {
	found := map[string]float64{}
	for _, m := range benchmarkLine.FindAllStringSubmatch(out, -1) {
		if ns, err := strconv.ParseFloat(m[2], 64); err == nil {
			found[m[1]] = ns / 1000
		}
	}
	return found
}

// tokenResults are the rows. A token that was seen before costs what the dearer algorithm's does.
func tokenResults(took map[string][]float64) ([]result, error) {
	var out []result
	for _, w := range []struct {
		what  string
		bar   float64
		names []string
	}{
		{"a token not seen before, RS256", 60, []string{"RS256/cold"}},
		{"a token not seen before, ES256", 120, []string{"ES256/cold"}},
		{"a token seen before", 3, []string{"RS256/cached", "ES256/cached"}},
	} {
		r := result{what: w.what, unit: "µs", bar: w.bar, aim: w.bar}
		var parts []string
		for _, name := range w.names {
			if len(took[name]) == 0 {
				return nil, errors.New("BenchmarkJWT has no " + name)
			}
			m := median(took[name])
			r.value = max(r.value, m)
			algorithm, _, _ := strings.Cut(name, "/")
			parts = append(parts, fmt.Sprintf("%s %.2f µs%s", algorithm, m, spread(took[name])))
		}
		r.absolute = strings.Join(parts, "; ")
		out = append(out, r)
	}
	return out, nil
}
