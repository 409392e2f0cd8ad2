package springgw

import (
	"slices"
	"strings"

	"paifang/internal/javasource"
)

// javaHint is what a filter in Java may be replaced with, by the words that it has.
type javaHint struct {
	words []string // any of which says so, or is the end of a longer word
	texts []string // any of which is in a text, in any case
	why   string
}

// javaNone are words of filters that nothing here replaces.
func javaNone() javaHint {
	return javaHint{words: []string{"ServerHttpRequestDecorator", "ServerHttpResponseDecorator", "DataBufferUtils", "ModifyRequestBodyGatewayFilterFactory", "ModifyResponseBodyGatewayFilterFactory"},
		why: "none: it reads or changes bodies; do that in the service"}
}

// javaHints are in the order in which they count: the first one that holds is told.
func javaHints() []javaHint {
	return []javaHint{
		{words: []string{"Jwts", "JWT", "DecodedJWT", "JwtDecoder", "SignedJWT", "JwtParser", "ReactiveJwtDecoder", "JWTUtil", "JwtUtil", "JwtUtils"}, why: "the filter jwt checks tokens, and writes claims into headers; docs/filters.md"},
		{words: []string{"TOO_MANY_REQUESTS", "RateLimiter", "RedisRateLimiter", "Bucket4j"}, why: "the filter rate-limit, alone or with Redis; docs/filters.md"},
		{words: []string{"getRemoteAddress", "XForwardedRemoteAddressResolver"}, why: "the filter addresses lets clients pass by their address; docs/filters.md"},
		{texts: []string{"access-control-allow"}, why: "the filter cors, or globalcors of the gateway; docs/filters.md"},
		{words: []string{"UNAUTHORIZED", "FORBIDDEN"}, why: "the filter external-auth: have a service decide what it decides, and answer 2xx, 401 or 403; docs/filters.md"},
		{words: []string{"ReactiveLoadBalancer", "ReactorServiceInstanceLoadBalancer", "ServiceInstance"}, why: "lanes choose instances by their metadata; docs/gray-release-gateway.md"},
		{words: []string{"WebClient", "RestTemplate", "ReactiveRedisTemplate", "ReactiveStringRedisTemplate", "StringRedisTemplate", "RedisTemplate", "JdbcTemplate", "R2dbcEntityTemplate", "FeignClient"},
			why: "the filter external-auth: have a service ask what it asks, and tell what comes of it in headers; docs/filters.md"},
		{words: []string{"rewritePath", "GATEWAY_REQUEST_URL_ATTR", "addOriginalRequestUrl"}, why: "the filters rewrite-path, set-path, strip-prefix and prefix-path; docs/filters.md"},
		{words: []string{"mutate"}, why: "the filter request-headers, where what it writes follows from the request alone; docs/filters.md"},
		{words: []string{"getResponse"}, why: "the filter response-headers, where what it writes follows from the request alone; docs/filters.md"},
		{words: []string{"currentTimeMillis", "nanoTime", "Stopwatch", "StopWatch", "MeterRegistry"}, why: "the access log and /metrics have times and counts of each request; docs/access-log.md, docs/metrics.md"},
		{words: []string{"log", "logger", "LOG", "LOGGER"}, why: "the access log; docs/access-log.md"},
	}
}

func (h *javaHint) holds(d *javasource.Declaration) bool {
	if slices.ContainsFunc(h.words, func(w string) bool { return slices.Contains(d.Words, w) }) {
		return true
	}
	return slices.ContainsFunc(d.Texts, func(text string) bool {
		text = strings.ToLower(text)
		return slices.ContainsFunc(h.texts, func(part string) bool { return strings.Contains(text, part) })
	})
}

// Java finds the filters that an application has in Java and says of each what may replace it, or that nothing does. Nothing of them is
// imported, so that each is lost until somebody has replaced it.
func Java(dir string) ([]Finding, error) {
	all, err := javasource.Scan(dir)
	if err != nil {
		return nil, err
	}
	out := make([]Finding, 0, len(all))
	for i := range all {
		d := &all[i]
		f := Finding{Verdict: Verdict{Kind: string(d.Kind), Name: strings.TrimSuffix(d.Name, "GatewayFilterFactory"), Verdict: Unsupported}, File: d.File, Line: d.Line}
		f.Why = "none is known: look what it does; what it decides may be a call of external-auth, docs/filters.md"
		for _, h := range append([]javaHint{javaNone()}, javaHints()...) {
			if h.holds(d) {
				f.Why = h.why
				if !strings.HasPrefix(h.why, "none") {
					f.Why = "it may be replaced: " + h.why
				}
				break
			}
		}
		out = append(out, f)
	}
	return out, nil
}
