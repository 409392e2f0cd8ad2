package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// redisAt is where the gateways of the run find their shared limit.
const redisAt = "127.0.0.89:6379"

// Gateways with a limit for everybody together, which each counts by itself, or in Redis with others.
func ownLimit() contender {
	return contender{"own-limit", "127.0.0.87", []string{roadPort}, limited("")}
}

func sharedLimit() contender {
	return contender{"shared-limit", "127.0.0.88", []string{roadPort}, limited(", redis: {addresses: [\"" + redisAt + "\"], onFailure: refuse}")}
}

// neverBites is more than a core can serve. A shared limit that nobody can look up refuses, so that no round is one without Redis.
const neverBites = "requests: 500000, per: 1s, burst: 500000, key: {by: all}"

// limited runs a gateway whose one route has the limit.
func limited(where string) func(*bench, contender, string) (*process, error) {
	return func(b *bench, c contender, dir string) (*process, error) {
		objects, config, logs := filepath.Join(dir, "objects.yaml"), filepath.Join(dir, "paifang.yaml"), filepath.Join(dir, "log")
		if err := write(objects, fmt.Sprintf(`apiVersion: paifang.dev/v1
kind: Upstream
metadata: {name: up}
spec: {endpoints: [{keeper: static, name: up}]}
---
apiVersion: paifang.dev/v1
kind: Endpoints
metadata: {name: up}
spec: {list: {keeper: static, name: up}, endpoints: [{addr: %q}]}
---
apiVersion: paifang.dev/v1
kind: Route
metadata: {name: up}
spec:
  attach: [gateway]
  match: {path: {kind: Prefix, value: /}}
  filters: [{kind: rate-limit, config: {%s%s}}]
  forward: {targets: [{upstream: up}]}
`, upstreamAt, neverBites, where)); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(logs, 0o755); err != nil {
			return nil, err
		}
		// A file of its own and not the directory: what the access log writes beside it is not looked at.
		if err := write(config, fmt.Sprintf(`admin: {address: "%[2]s:9088"}
log: {level: warn, access: %[1]s/access.log, accessFormat: combined}
sources: {manifests: [%[3]q]}
gateway: {http: "%[4]s", service: "-"}
`, logs, c.ip, objects, c.road())); err != nil {
			return nil, err
		}
		p, err := start(proxyCore, []string{"GOMAXPROCS=1"}, b.binary, "serve", "-c", config)
		if err != nil {
			return nil, err
		}
		if err := p.until(20*time.Second, func() error { return succeeds("GET", onLimit(c)) }); err != nil {
			p.stop()
			return nil, err
		}
		return p, nil
	}
}

func onLimit(c contender) string { return "http://" + c.road() + "/100" }

// startRedis runs one that keeps nothing on disk, beside the load.
func startRedis(ctx context.Context, b *bench) (*process, error) {
	host, port, err := net.SplitHostPort(redisAt)
	if err != nil {
		return nil, err
	}
	p, err := start(loadCore, nil, "redis-server", "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", b.dir)
	if err != nil {
		return nil, err
	}
	if err := p.awaitAddress(ctx, redisAt); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// besideOwnLimit compares a limit that several gateways share with one that each counts by itself.
func besideOwnLimit(ctx context.Context, b *bench) ([]result, error) {
	redis, err := startRedis(ctx, b)
	if err != nil {
		return nil, err
	}
	defer redis.stop()
	samples, err := b.inTurn(ctx, []contender{ownLimit(), sharedLimit()}, wrk(onLimit, 64))
	if err != nil {
		return nil, err
	}
	var out []result
	for _, w := range []want{{ownLimit(), rate, 0.80, 0.95}, {ownLimit(), cpu, 0, 0}} {
		out = append(out, w.result(samples[sharedLimit().name], samples[w.to.name]))
	}
	return out, nil
}
