package builtin

import (
	"fmt"
	"testing"
	"time"

	"paifang/internal/filter"
	"paifang/internal/quota/quotatest"
)

func sharedLimit(address, more string) string {
	return fmt.Sprintf(`{"requests":5,"per":"1h","burst":4,"key":{"by":"header","header":"X-Key"},"redis":{"addresses":[%q],"timeout":"2s"%s}}`, address, more)
}

func (p *policy) limited(key string) *filter.Exchange {
	p.t.Helper()
	x := &filter.Exchange{Waiter: &engine{}}
	p.again(x, "192.0.2.1", "GET /", "X-Key: "+key)
	return x
}

// TestSharedLimit: two gateways let as many past together as one would alone.
func TestSharedLimit(t *testing.T) {
	redis := quotatest.New(t)
	one := newPolicy(t, filter.NewShared(), specOf("rate-limit", sharedLimit(redis.Addr().String(), "")))
	two := newPolicy(t, filter.NewShared(), specOf("rate-limit", sharedLimit(redis.Addr().String(), "")))
	passed := 0
	for range 10 {
		for _, p := range []*policy{one, two} {
			x := p.limited("a")
			switch x.Response.Status {
			case 0:
				passed++
			case 429:
				f := &x.Response.Fields
				if x.Code != CodeRateLimit || f.Get("Retry-After") == "" || f.Get("RateLimit-Limit") != "5" || f.Get("RateLimit-Remaining") != "0" || f.Get("RateLimit-Reset") != f.Get("Retry-After") {
					t.Errorf("%+v", x.Response)
				}
			default:
				t.Errorf("%d %s", x.Response.Status, x.Code)
			}
		}
	}
	if passed != 5 {
		t.Errorf("%d of 20 passed, want 5", passed)
	}
	if x := two.limited("b"); x.Response.Status != 0 {
		t.Errorf("another key: %d", x.Response.Status)
	}
}

// TestSharedLimitAway: what a limit does while Redis is away is for its configuration to choose.
func TestSharedLimitAway(t *testing.T) {
	local := newPolicy(t, filter.NewShared(), specOf("rate-limit", sharedLimit("127.0.0.1:1", "")))
	refuse := newPolicy(t, filter.NewShared(), specOf("rate-limit", sharedLimit("127.0.0.1:1", `,"onFailure":"refuse"`)))
	passed := 0
	for range 10 {
		if local.limited("a").Response.Status == 0 {
			passed++
		}
		if x := refuse.limited("a"); x.Response.Status != 503 || x.Code != CodeLimitAway {
			t.Errorf("refuse: %d %s", x.Response.Status, x.Code)
		}
	}
	if passed != 5 {
		t.Errorf("%d of 10 passed, want 5", passed)
	}
	// One that is there and says nothing costs a request twice the timeout, and no more.
	redis := quotatest.New(t)
	redis.Mute(true)
	mute := newPolicy(t, filter.NewShared(), specOf("rate-limit", `{"requests":1,"redis":{"addresses":["`+redis.Addr().String()+`"],"timeout":"20ms"}}`))
	began := time.Now()
	if x := mute.limited("a"); x.Response.Status != 0 {
		t.Errorf("%d %s", x.Response.Status, x.Code)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestSharedLimitIsChecked(t *testing.T) {
	for _, bad := range []string{
		`{}`, `{"addresses":["a"]}`, `{"addresses":["a:1","b:1"]}`, `{"addresses":["a:1"],"cluster":true,"database":1}`, `{"addresses":["a:1"],"timeout":"6s"}`,
		`{"addresses":["a:1"],"onFailure":"pass"}`, `{"addresses":["a:1"],"prefix":"a\nb"}`, `{"addresses":["a:1"],"password":"x"}`,
	} {
		if _, err := Kinds().Check(specOf("rate-limit", `{"requests":1,"redis":`+bad+`}`)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestRedisOutside: a Redis on this machine is not asked where the limit says that it is none.
func TestRedisOutside(t *testing.T) {
	redis := quotatest.New(t)
	for more, want := range map[string]int{`,"onFailure":"refuse"`: 0, `,"onFailure":"refuse","outside":true`: 503} {
		p := newPolicy(t, filter.NewShared(), specOf("rate-limit", sharedLimit(redis.Addr().String(), more)))
		if x := p.limited("a"); x.Response.Status != want {
			t.Errorf("%s: %d %s, want %d", more, x.Response.Status, x.Code, want)
		}
	}
}
