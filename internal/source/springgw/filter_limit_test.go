package springgw

import (
	"fmt"
	"strings"
	"testing"

	"paifang/internal/model"
)

// limited is what a route with a RequestRateLimiter of these arguments comes to, in an application that says more.
func limited(t *testing.T, c Config, args, more string) (model.Objects, model.FilterSpec) {
	t.Helper()
	o := load(t, c, routes("      - {id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: [{name: RequestRateLimiter, args: {"+args+"}}]}\n")+more)
	if len(o.Routes) != 1 {
		t.Fatalf("%v", o.Diagnostics)
	}
	if len(o.Routes[0].Filters) == 0 {
		return o, model.FilterSpec{}
	}
	return o, o.Routes[0].Filters[0]
}

func TestRateLimiterInRedis(t *testing.T) {
	const args = `redis-rate-limiter.replenishRate: 10, redis-rate-limiter.burstCapacity: 20, key-resolver: "#{@ipKeyResolver}"`
	for more, want := range map[string]string{
		"    \nspring.data.redis: {host: r.test, port: 7000, password: secret, database: 2, ssl.enabled: true}\n": `"redis":{"addresses":["r.test:7000"],"tls":true,"database":2}`,
		"    \nspring.data.redis.password: secret\n":                                                              `"redis":{"addresses":["localhost:6379"]}`,
		"    \nspring.redis: {password: secret, cluster: {nodes: 'a:1, b:2'}}\n":                                  `"redis":{"addresses":["a:1","b:2"],"cluster":true}`,
	} {
		_, f := limited(t, Config{}, args, more)
		if !strings.Contains(string(f.Config), want) || !strings.HasPrefix(string(f.Config), `{"requests":10,"burst":19,"key":{"by":"address"},"tell":"spring"`) {
			t.Errorf("%s: %s", more, f.Config)
		}
		if v, _ := f.Data.Get("password"); v.Reveal() != "secret" {
			t.Errorf("%s: the password is %q", more, v.Reveal())
		}
	}
	o, f := limited(t, Config{}, args, "")
	if strings.Contains(string(f.Config), "redis") || !strings.Contains(fmt.Sprint(o.Diagnostics), "each gateway counts for itself") {
		t.Errorf("without Redis: %s %v", f.Config, o.Diagnostics)
	}
	for _, more := range []string{"spring.data.redis.url: http://x\n", "spring.data.redis.url: 'redis://a b'\n", "spring.data.redis.url: redis://:6379\n", "spring.data.redis.sentinel.master: m\n", "spring.data.redis: {database: x}\n", "spring.data.redis: {password: '${P}'}\n"} {
		if o, f := limited(t, Config{}, args, "\n"+more); f.Kind != "" || !strings.Contains(fmt.Sprint(o.Diagnostics), "spring.data.redis") {
			t.Errorf("%s: %s %v", more, f.Config, o.Diagnostics)
		}
	}
}

func TestRedisURL(t *testing.T) {
	const args = `redis-rate-limiter.replenishRate: 1, key-resolver: "#{@ipKeyResolver}"`
	for url, want := range map[string][3]string{
		"redis://cache.test":              {`"redis":{"addresses":["cache.test:6379"]}`, "", "kept"}, // what it does not say stays
		"redis://only@cache.test:7000":    {`"redis":{"addresses":["cache.test:7000"]}`, "", "only"},
		"redis://ann:p%40ss@[::1]:7000/4": {`"redis":{"addresses":["[::1]:7000"],"database":4}`, "ann", "p@ss"},
		"rediss://ann:secret@cache.test/": {`"redis":{"addresses":["cache.test:6379"],"tls":true}`, "ann", "secret"},
	} {
		o, f := limited(t, Config{}, args, "\nspring.data.redis: {password: kept, host: other.test, url: '"+url+"'}\n")
		user, _ := f.Data.Get("username")
		password, _ := f.Data.Get("password")
		if !strings.Contains(string(f.Config), want[0]) || user.Reveal() != want[1] || password.Reveal() != want[2] {
			t.Errorf("%s: %s %q %q %v", url, f.Config, user.Reveal(), password.Reveal(), o.Diagnostics)
		}
	}
}

func TestRateLimiterKeys(t *testing.T) {
	c := Config{KeyResolvers: map[string]string{"byUser": "{user}", "byKey": "{header.X-Key}", "byTenant": "{host}-{query.t}", "ipKeyResolver": "{header.X-Real-IP}"}}
	for bean, want := range map[string]string{
		"byUser": `{"by":"user","without":"refuse"}`, "byKey": `{"by":"header","header":"X-Key","without":"refuse"}`, "byTenant": `{"by":"text","text":"{host}-{query.t}","without":"refuse"}`,
		"remoteAddrKeyResolver": `{"by":"address"}`, "ipKeyResolver": `{"by":"header","header":"X-Real-IP","without":"refuse"}`,
	} {
		if o, f := limited(t, c, `redis-rate-limiter.replenishRate: 1, key-resolver: "#{@`+bean+`}"`, ""); !strings.Contains(string(f.Config), `"key":`+want+`,`) {
			t.Errorf("%s: %s %v", bean, f.Config, o.Diagnostics)
		}
	}
	for args, want := range map[string]string{
		`redis-rate-limiter.replenishRate: 1`:                                                                                            "principalNameKeyResolver counts by is Java code",
		`redis-rate-limiter.replenishRate: 1, key-resolver: "#{@userKeyResolver}"`:                                                       "userKeyResolver counts by is Java code",
		`redis-rate-limiter.replenishRate: 1, key-resolver: userKeyResolver`:                                                             "is no bean",
		`key-resolver: "#{@ipKeyResolver}"`:                                                                                              "replenishRate is missing",
		`redis-rate-limiter.replenishRate: none, key-resolver: "#{@ipKeyResolver}"`:                                                      "no number above 0",
		`bucket4j-rate-limiter.capacity: 1, key-resolver: "#{@ipKeyResolver}"`:                                                           "refillPeriod is missing",
		`bucket4j-rate-limiter.refillPeriod: 1s, key-resolver: "#{@ipKeyResolver}"`:                                                      "capacity is missing",
		`bucket4j-rate-limiter.refillStyle: INTERVALLY`:                                                                                  "want GREEDY",
		`bucket4j-rate-limiter.refillPeriod: -1s`:                                                                                        "no time above 0",
		`bucket4j-rate-limiter.tokens: 1`:                                                                                                "no argument of the limiter of Bucket4j",
		`bucket4j-rate-limiter: {capacity: 1, refillPeriod: 1s, requestedTokens: 2}, key-resolver: "#{@ipKeyResolver}"`:                  "nothing would ever pass",
		`bucket4j-rate-limiter: {capacity: 1, refillPeriod: 1s}, redis-rate-limiter.replenishRate: 1, key-resolver: "#{@ipKeyResolver}"`: "those of one of them",
		`rate-limiter: "#{@mine}", redis-rate-limiter.replenishRate: 1`:                                                                  "is Java code",
		`redis-rate-limiter.replenishRate: "#{1+1}", key-resolver: "#{@ipKeyResolver}"`:                                                  "expression of Spring",
	} {
		o, f := limited(t, Config{}, args, "")
		if f.Kind != "" || len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, want) {
			t.Errorf("%s: %s %v", args, f.Config, o.Diagnostics)
		}
	}
}

// TestResilience: what is said of a breaker is looked for in its instance, in what that stands on, and in the default.
func TestResilience(t *testing.T) {
	const more = `
resilience4j:
  circuitbreaker:
    configs:
      default: {slidingWindowSize: 7, failureRateThreshold: 30}
      slow: {slowCallDurationThreshold: 2s, slowCallRateThreshold: 80, baseConfig: deep}
      deep: {waitDurationInOpenState: PT5S}
    instances:
      a: {baseConfig: slow, permittedNumberOfCallsInHalfOpenState: 3, minimumNumberOfCalls: 50}
      b: {slidingWindowType: TIME_BASED}
      c: {failureRateThreshold: 0}
      d: {recordExceptions: [java.io.IOException]}
      e: {maxWaitDurationInHalfOpenState: 1s, enableRandomizedWait: true, enableExponentialBackoff: true, ignoreExceptionPredicate: a.B, recordExceptions: [a.C]}
  timelimiter: {configs: {default: {timeoutDuration: 3s}}, instances: {a: {timeoutDuration: 300ms}}}
`
	breaker := func(name, more string) model.Objects {
		return load(t, Config{}, routes("      - {id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: ['CircuitBreaker="+name+"']}\n")+more)
	}
	for name, want := range map[string]string{
		"a": `{"name":"a","failures":30,"slow":"2s","slowRate":80,"window":7,"minimum":7,"open":"5s","trials":3,"statuses":[599]} 300ms []`,
		"x": `{"name":"x","failures":30,"window":7,"minimum":7,"open":"1m0s","statuses":[599]} 3s []`,
	} {
		o := breaker(name, more)
		if got := fmt.Sprintf("%s %v %v", o.Routes[0].Filters[0].Config, o.Routes[0].Timeouts.Request, o.Diagnostics); got != want {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
	}
	for name, want := range map[string]string{"b": "slidingWindowType TIME_BASED", "c": "failureRateThreshold", "d": "recordExceptions has no effect"} {
		if o := breaker(name, more); len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, want) {
			t.Errorf("%s: %v", name, o.Diagnostics)
		}
	}
	o := breaker("e", more)
	var said []string
	for _, d := range o.Diagnostics {
		said = append(said, strings.Fields(d.Message)[3])
	}
	if want := "[recordExceptions ignoreExceptionPredicate enableExponentialBackoff enableRandomizedWait maxWaitDurationInHalfOpenState]"; fmt.Sprint(said) != want {
		t.Errorf("what is said is %v, want %s in this order", said, want)
	}
	if o := breaker("a", "\nspring.cloud.circuitbreaker.resilience4j.disable-time-limiter: true\n"); o.Routes[0].Timeouts.Request != 0 {
		t.Errorf("a time limit of %v", o.Routes[0].Timeouts.Request)
	}
}

// TestLimitOfTries: a breaker's time limit is for all tries, or for each where these are made in front of it.
func TestLimitOfTries(t *testing.T) {
	for filters, want := range map[string]string{
		"'CircuitBreaker=a'":                            "1s 1s",
		"'CircuitBreaker=a', Retry":                     "1s 1s",
		"Retry, 'CircuitBreaker=a'":                     "0s 1s",
		"'CircuitBreaker=b', Retry, 'CircuitBreaker=a'": "3s 1s",
	} {
		o := load(t, Config{}, routes("      - {id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: ["+filters+"]}\n")+"\nresilience4j.timelimiter.instances.b.timeoutDuration: 3s\n")
		r := o.Routes[0]
		if got := fmt.Sprintf("%v %v", r.Timeouts.Request, r.Action.(model.Forward).Retry.PerTry); got != want {
			t.Errorf("%s: %s, want %s", filters, got, want)
		}
	}
}
