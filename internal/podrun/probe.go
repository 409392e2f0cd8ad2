package podrun

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"paifang/internal/model"
)

// eager is the pause between looks at a pod that has not passed its startup or readiness probe yet. Failures between
// two periods are not counted, so they change nothing but the time until the first success.
const eager = 100 * time.Millisecond

// verdict is what a probe has come to.
type verdict struct {
	probe  probeRole
	ok     bool
	turned bool  // a threshold was reached; else it is only the reason why there is no success yet
	why    error // of a failure
}

// probeRole is what a probe decides about.
type probeRole string

const (
	startup   probeRole = "startup"
	readiness probeRole = "readiness"
	liveness  probeRole = "liveness"
)

// check makes one attempt.
type check func(ctx context.Context) error

// watchProbe repeats a check and reports each change of its verdict, with the thresholds of Kubernetes: success and
// failure count in a row, and the first look is InitialDelay after the container started. A startup probe ends with its
// first verdict.
func watchProbe(ctx context.Context, role probeRole, p model.Probe, started time.Time, do check, out chan<- verdict) {
	period, timeout := orElse(p.Period, 10*time.Second), orElse(p.Timeout, time.Second)
	rise, fall := max(1, p.SuccessThreshold), max(1, p.FailureThreshold)
	if p.FailureThreshold == 0 {
		fall = 3
	}
	if !pause(ctx, time.Until(started.Add(p.InitialDelay))) {
		return
	}
	// Kubernetes takes a pod for alive and unready until shown otherwise.
	good, known := role == liveness, role == liveness
	impatient := role != liveness && p.Kind != model.ProbeExec
	successes, failures := 0, 0
	for next := time.Now(); ; {
		err := attempt(ctx, timeout, do)
		if ctx.Err() != nil {
			return
		}
		due := !time.Now().Before(next)
		switch {
		case err == nil:
			impatient = false
			successes, failures = successes+1, 0
		case due:
			successes, failures = 0, failures+1
		}
		v := verdict{probe: role, ok: err == nil, why: err}
		reached := v.ok && successes >= rise || !v.ok && failures >= fall
		if reached && (!known || v.ok != good) {
			good, known, v.turned = v.ok, true, true
		}
		if v.turned || !known && !v.ok && due {
			select {
			case out <- v:
			case <-ctx.Done():
				return
			}
		}
		if v.turned && role == startup {
			return
		}
		if due || err == nil {
			next = time.Now().Add(period)
		}
		wait := time.Until(next)
		if impatient {
			wait = min(wait, eager)
		}
		if !pause(ctx, wait) {
			return
		}
	}
}

func attempt(ctx context.Context, timeout time.Duration, do check) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return do(ctx)
}

func orElse(d, or time.Duration) time.Duration {
	if d <= 0 {
		return or
	}
	return d
}

// checkTCP succeeds when a connection is accepted.
func checkTCP(at string) check {
	return func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", at)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// checkHTTP succeeds on a status from 200 to 399. Redirects are followed on the same host only; one to another host is
// a success, as for the kubelet. Certificates are not verified there either.
func checkHTTP(p model.Probe, at string) check {
	scheme := "http"
	if p.Scheme == "HTTPS" {
		scheme = "https"
	}
	path := p.Path
	if path == "" || path[0] != '/' {
		path = "/" + path
	}
	url := scheme + "://" + at + path
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.Header.Set("User-Agent", "paifang-probe")
		for _, h := range p.Headers {
			if http.CanonicalHeaderKey(h.Name) == "Host" {
				req.Host = h.Value
				continue
			}
			req.Header.Add(h.Name, h.Value)
		}
		transport := &http.Transport{
			DisableKeepAlives:      true,
			TLSClientConfig:        &tls.Config{InsecureSkipVerify: true}, // #nosec G402 -- the kubelet's rule for probes
			MaxResponseHeaderBytes: 64 << 10,
		}
		client := &http.Client{Transport: transport, CheckRedirect: sameHost}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		_, _ = io.CopyN(io.Discard, resp.Body, 10<<10)
		if resp.StatusCode < 200 || resp.StatusCode > 399 {
			return fmt.Errorf("GET %s answered %d", url, resp.StatusCode)
		}
		return nil
	}
}

func sameHost(req *http.Request, via []*http.Request) error {
	if req.URL.Hostname() != via[0].URL.Hostname() {
		return http.ErrUseLastResponse
	}
	if len(via) >= 10 {
		return errors.New("more than 10 redirects")
	}
	return nil
}

// probeTarget is the host:port that a probe asks: the process itself, where the pod's port is mapped to it.
func probeTarget(p model.Probe, process netip.AddrPort) string {
	if p.Host != "" {
		return net.JoinHostPort(p.Host, strconv.Itoa(int(p.Port)))
	}
	return process.String()
}
