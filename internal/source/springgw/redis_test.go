package springgw

import (
	"fmt"
	"strings"
	"testing"
)

// TestTimeoutOfRedis: how long a question to Redis may take is what the application says, within what a request may wait.
func TestTimeoutOfRedis(t *testing.T) {
	const route = "spring.cloud.gateway.routes:\n- {id: a, uri: \"http://127.0.0.1:1\", predicates: [\"Path=/a\"], filters: [{name: RequestRateLimiter, args: {\"redis-rate-limiter.replenishRate\": 1, key-resolver: \"#{@ipKeyResolver}\"}}]}\n"
	for timeout, want := range map[string]string{"800": `"timeout":"800ms"`, "7s": `"timeout":"5s"`} {
		o := load(t, Config{}, "spring.data.redis: {host: 127.0.0.1, timeout: "+timeout+"}\n"+route)
		if len(o.Routes) != 1 || len(o.Routes[0].Filters) != 1 || !strings.Contains(string(o.Routes[0].Filters[0].Config), want) {
			t.Errorf("%s: %+v %v", timeout, o.Routes, o.Diagnostics)
		}
	}
	o := load(t, Config{}, "spring.data.redis: {host: 127.0.0.1, timeout: 0}\n"+route)
	if len(o.Routes) != 1 || len(o.Routes[0].Filters) != 1 || strings.Contains(string(o.Routes[0].Filters[0].Config), "timeout") {
		t.Errorf("0: %+v %v", o.Routes, o.Diagnostics)
	}
	o = load(t, Config{}, "spring.data.redis: {host: 127.0.0.1, timeout: soon}\n"+route)
	if !strings.Contains(fmt.Sprint(o.Diagnostics), "spring.data.redis.timeout \"soon\"") {
		t.Errorf("%v", o.Diagnostics)
	}
}
