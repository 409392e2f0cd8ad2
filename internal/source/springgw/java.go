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
		{words: []string{"CorsConfiguration", "UrlBasedCorsConfigurationSource"}, texts: []string{"access-control-allow"}, why: "the filter cors, or globalcors of the gateway; docs/filters.md"},
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

// JavaRead is how many files of source were looked through.
type JavaRead struct{ Java, Kotlin int }

// Java finds what an application has in Java, or Kotlin, for Spring Cloud Gateway, and says of each what may replace it, or that nothing does.
// Nothing of it is imported, so that each is lost until somebody has replaced it. resolvers are Config.KeyResolvers.
func Java(dir string, resolvers map[string]string) ([]Finding, JavaRead, error) {
	found, err := javasource.Scan(dir)
	if err != nil {
		return nil, JavaRead{}, err
	}
	out := make([]Finding, 0, len(found.Declarations))
	for i := range found.Declarations {
		d := &found.Declarations[i]
		name := strings.TrimSuffix(strings.TrimSuffix(d.Name, "GatewayFilterFactory"), "RoutePredicateFactory")
		f := Finding{Verdict: Verdict{Kind: string(d.Kind), Name: name, Verdict: Unsupported, Why: insteadOfJava(d)}, File: d.File, Line: d.Line}
		if bean := strings.ToLower(d.Name[:1]) + d.Name[1:]; d.Kind == javasource.Resolver && resolvers[bean] != "" {
			f.Verdict.Verdict, f.Why = Differs, "sources.spring.keyResolvers says what it counts by: "+resolvers[bean]
		}
		out = append(out, f)
	}
	return out, JavaRead{found.Java, found.Kotlin}, nil
}

// insteadOfJava says what may replace a declaration.
func insteadOfJava(d *javasource.Declaration) string {
	switch d.Kind {
	case javasource.Predicate:
		return "none: no route can name it; write its routes with the predicates of Spring Cloud Gateway's own, docs/from-spring-cloud-gateway.md"
	case javasource.Routes:
		return "none: routes in code are not read; write them as definitions into a file"
	case javasource.Resolver:
		return "say what it counts by in sources.spring.keyResolvers of the configuration file, and name that with -c"
	case javasource.Security:
		return "it may be replaced: the filters jwt, basic-auth and external-auth say who may ask; docs/filters-access.md"
	}
	for _, h := range append([]javaHint{javaNone()}, javaHints()...) {
		switch {
		case !h.holds(d):
		case strings.HasPrefix(h.why, "none"):
			return h.why
		default:
			return "it may be replaced: " + h.why
		}
	}
	return "none is known: look what it does; what it decides may be a call of external-auth, docs/filters.md"
}
