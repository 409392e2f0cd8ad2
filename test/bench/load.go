package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sample is one measurement of one contender.
type sample struct {
	requests float64       // answered as they should be
	seconds  float64       // of the load
	cpu      time.Duration // of the proxy meanwhile
	failed   error         // why there is no result
}

func (s sample) rate() float64 { return s.requests / s.seconds }

// perRequest is CPU time per request in microseconds.
func (s sample) perRequest() float64 { return float64(s.cpu.Microseconds()) / s.requests }

// load makes requests to a proxy and measures it meanwhile.
type load func(ctx context.Context, b *bench, c contender) (requests, seconds float64, err error)

// measured runs a load against a contender that runs.
func measured(ctx context.Context, b *bench, c contender, p *process, l load) sample {
	before := p.cpu()
	n, s, err := l(ctx, b, c)
	if err != nil {
		return sample{failed: fmt.Errorf("%s: %w", c.name, err)}
	}
	return sample{requests: n, seconds: s, cpu: p.cpu() - before}
}

var (
	wrkCount  = regexp.MustCompile(`(\d+) requests in ([\d.]+)(ms|s|m),`)
	wrkErrors = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
)

// wrk is a load over HTTP/1.1: so many connections, one request after the other on each.
func wrk(url func(contender) string, connections int, fields ...string) load {
	return func(ctx context.Context, b *bench, c contender) (float64, float64, error) {
		args := []string{"-c", loadCore, "wrk", "-t1", "-c" + strconv.Itoa(connections), "-d" + b.length.String(), "-H", "Host: bench.test"}
		closing := false
		for _, f := range fields {
			args = append(args, "-H", f)
			closing = closing || f == "Connection: close"
		}
		out, err := exec.CommandContext(ctx, "taskset", append(args, url(c))...).CombinedOutput()
		if err != nil {
			return 0, 0, fmt.Errorf("wrk: %w\n%s", err, out)
		}
		m := wrkCount.FindStringSubmatch(string(out))
		if m == nil {
			return 0, 0, fmt.Errorf("wrk printed:\n%s", out)
		}
		if strings.Contains(string(out), "Non-2xx") {
			return 0, 0, fmt.Errorf("answers that are no 200:\n%s", out)
		}
		// With a connection per request, wrk counts each end of a connection as a read error when it came with the answer.
		if e := wrkErrors.FindStringSubmatch(string(out)); e != nil && (!closing || e[1] != "0" || e[4] != "0") {
			return 0, 0, fmt.Errorf("requests failed:\n%s", out)
		}
		n, _ := strconv.ParseFloat(m[1], 64)
		d, err := time.ParseDuration(m[2] + m[3])
		return n, d.Seconds(), err
	}
}

var (
	h2Finished = regexp.MustCompile(`finished in ([\d.]+)(us|ms|s)`)
	h2Requests = regexp.MustCompile(`requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout`)
	h2Status   = regexp.MustCompile(`status codes: (\d+) 2xx`)
)

// h2load is a load over HTTP/2: a number of requests over so many connections with so many streams each.
func h2load(requests, connections, streams int) load {
	return func(ctx context.Context, b *bench, c contender) (float64, float64, error) {
		out, err := exec.CommandContext(ctx, "taskset", "-c", loadCore, "h2load", "-t1", "-n"+strconv.Itoa(requests), "-c"+strconv.Itoa(connections),
			"-m"+strconv.Itoa(streams), "--connect-to="+c.tls(), "https://bench.test:"+tlsPort+"/100").CombinedOutput()
		if err != nil {
			return 0, 0, fmt.Errorf("h2load: %w\n%s", err, out)
		}
		fin, req, status := h2Finished.FindStringSubmatch(string(out)), h2Requests.FindStringSubmatch(string(out)), h2Status.FindStringSubmatch(string(out))
		if fin == nil || req == nil || status == nil || !strings.Contains(string(out), "Application protocol: h2") {
			return 0, 0, fmt.Errorf("h2load printed:\n%s", out)
		}
		if req[1] != req[2] || status[1] != req[1] {
			return 0, 0, fmt.Errorf("requests failed:\n%s", out)
		}
		d, err := time.ParseDuration(fin[1] + fin[2])
		return float64(requests), d.Seconds(), err
	}
}

// paced is a load at a fixed rate over HTTP/1.1; it returns the 99th percentile of the time to the whole answer.
func paced(ctx context.Context, b *bench, at, path string, rate float64, length time.Duration) (time.Duration, error) {
	const connections = 50
	log := filepath.Join(b.dir, "times")
	if err := os.RemoveAll(log); err != nil {
		return 0, err
	}
	each := strconv.FormatFloat(rate/connections, 'f', 2, 64)
	out, err := exec.CommandContext(ctx, "taskset", "-c", loadCore, "h2load", "--h1", "-t1", "-c"+strconv.Itoa(connections), "-m1", "--rps="+each,
		"-D"+strconv.Itoa(int(length.Seconds())), "--log-file="+log, "--connect-to="+at, "http://bench.test"+path).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("h2load: %w\n%s", err, out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		return 0, err
	}
	var times []int
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[1] != "200" {
			return 0, fmt.Errorf("%s: answered %q", at, line)
		}
		us, err := strconv.Atoi(f[2])
		if err != nil {
			return 0, err
		}
		times = append(times, us)
	}
	if want := rate * length.Seconds(); float64(len(times)) < want*0.9 {
		return 0, fmt.Errorf("%s: %d requests were made, %.0f intended", at, len(times), want)
	}
	if len(times) == 0 {
		return 0, errors.New("no request was made")
	}
	slices.Sort(times)
	return time.Duration(times[len(times)*99/100]) * time.Microsecond, nil
}
