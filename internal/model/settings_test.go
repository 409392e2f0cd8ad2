package model

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
)

func TestSettingsOfUpstreamsAreChecked(t *testing.T) {
	good := Upstream{ID: "u", Endpoints: []EndpointsID{{Keeper: "static", Name: "x"}}}
	header := []HashPart{{From: HashHeader, Name: "X-User"}}
	for _, c := range []struct {
		field  string // that is at fault; empty = none is
		change func(*Upstream)
	}{
		{"", func(*Upstream) {}},
		{"", func(u *Upstream) {
			u.Balance = Balance{Kind: RingHash, Hash: append(header, HashPart{From: HashText, Text: "-"}, HashPart{From: HashURI})}
		}},
		{"balance.kind", func(u *Upstream) { u.Balance.Kind = "Random" }},
		{"balance.hash", func(u *Upstream) { u.Balance.Kind = Maglev }},
		{"balance.hash", func(u *Upstream) { u.Balance.Hash = header }},
		{"balance.hash[0].from", func(u *Upstream) { u.Balance = Balance{Kind: Maglev, Hash: []HashPart{{From: "Moon"}}} }},
		{"balance.hash[1].name", func(u *Upstream) { u.Balance = Balance{Kind: Maglev, Hash: append(header, HashPart{From: HashCookie})} }},
		{"balance.hash[0].name", func(u *Upstream) { u.Balance = Balance{Kind: Maglev, Hash: []HashPart{{From: HashPath, Name: "x"}}} }},
		{"balance.hash[0].text", func(u *Upstream) { u.Balance = Balance{Kind: Maglev, Hash: []HashPart{{From: HashText}}} }},
		{"balance.hash[0].text", func(u *Upstream) { u.Balance = Balance{Kind: Maglev, Hash: []HashPart{{From: HashPath, Text: "x"}}} }},
		{"balance.decay", func(u *Upstream) { u.Balance.Decay = time.Second }},
		{"balance.decay", func(u *Upstream) { u.Balance = Balance{Kind: PeakEWMA, Decay: -1} }},
		{"balance.panic", func(u *Upstream) { u.Balance.Panic = 101 }},
		{"", func(u *Upstream) {
			u.Affinity = Affinity{Mode: Balanced, Cookie: "s_id", Path: "/a b", Domain: "shop.test"}
		}},
		{"affinity.mode", func(u *Upstream) { u.Affinity.Cookie = "sid" }},
		{"affinity.mode", func(u *Upstream) { u.Affinity.Mode = "Sticky" }},
		{"affinity.cookie", func(u *Upstream) { u.Affinity = Affinity{Mode: Balanced, Cookie: "a;b"} }},
		{"affinity.cookie", func(u *Upstream) { u.Affinity = Affinity{Mode: Balanced, Cookie: "a\r\nSet-Cookie: b"} }},
		{"", func(u *Upstream) { u.Affinity = Affinity{Mode: Persistent, Cookie: "sid", PerService: true} }},
		{"affinity.perService", func(u *Upstream) { u.Affinity = Affinity{Mode: Persistent, PerService: true} }},
		{"affinity.perService", func(u *Upstream) { u.Affinity = Affinity{Mode: Balanced, Cookie: "sid", PerService: true} }},
		{"affinity.path", func(u *Upstream) { u.Affinity = Affinity{Mode: Balanced, Path: "shop"} }},
		{"affinity.path", func(u *Upstream) { u.Affinity = Affinity{Mode: Balanced, Path: "/; Domain=evil.test"} }},
		{"affinity.domain", func(u *Upstream) { u.Affinity = Affinity{Mode: Balanced, Domain: "a.test\r\n"} }},
		{"affinity.maxAge", func(u *Upstream) { u.Affinity = Affinity{Mode: Balanced, MaxAge: -1} }},
		{"affinity.sameSite", func(u *Upstream) { u.Affinity = Affinity{Mode: Balanced, SameSite: "lax"} }},
		{"affinity.secure", func(u *Upstream) { u.Affinity = Affinity{Mode: Balanced, Secure: "true"} }},
		{"zones.enough", func(u *Upstream) { u.Zones.Enough = 101 }},
		{"zones.least", func(u *Upstream) { u.Zones.Least = -1 }},
		{"slowStart.window", func(u *Upstream) { u.SlowStart.Aggression = 100 }},
		{"slowStart.window", func(u *Upstream) { u.SlowStart.Window = -1 }},
		{"slowStart.aggression", func(u *Upstream) { u.SlowStart = SlowStart{Window: 1, Aggression: 1001} }},
		{"slowStart.minimum", func(u *Upstream) { u.SlowStart = SlowStart{Window: 1, Minimum: 101} }},
		{"health.kind", func(u *Upstream) { u.Health.Kind = "ICMP" }},
		{"health.interval", func(u *Upstream) { u.Health = HealthCheck{Kind: HealthTCP, Interval: 1} }},
		{"health.timeout", func(u *Upstream) { u.Health = HealthCheck{Kind: HealthTCP, Timeout: -1} }},
		{"ejection.most", func(u *Upstream) { u.Ejection = Ejection{Most: time.Microsecond} }},
		{"health.path", func(u *Upstream) { u.Health = HealthCheck{Kind: HealthTCP, Path: "/"} }},
		{"health.path", func(u *Upstream) { u.Health = HealthCheck{Kind: HealthHTTP, Path: "/ HTTP/1.1\r\nX: y"} }},
		{"health.host", func(u *Upstream) { u.Health = HealthCheck{Kind: HealthHTTP, Host: "a b"} }},
		{"health.headers", func(u *Upstream) { u.Health = HealthCheck{Kind: HealthTCP, Headers: []Tag{{"a", "b"}}} }},
		{"health.headers[0]", func(u *Upstream) { u.Health = HealthCheck{Kind: HealthHTTP, Headers: []Tag{{"a b", "c"}}} }},
		{"health.headers[1]", func(u *Upstream) {
			u.Health = HealthCheck{Kind: HealthHTTP, Headers: []Tag{{"a", "b"}, {"HOST", "shop.test"}}}
		}},
		{"health.headers[0]", func(u *Upstream) { u.Health = HealthCheck{Kind: HealthHTTP, Headers: []Tag{{"Content-Length", "5"}}} }},
		{"health.headers[0]", func(u *Upstream) {
			u.Health = HealthCheck{Kind: HealthHTTP, Headers: []Tag{{"transfer-encoding", "chunked"}}}
		}},
		{"health.headers[0]", func(u *Upstream) { u.Health = HealthCheck{Kind: HealthGRPC, Headers: []Tag{{"a", "b\r\nc"}}} }},
		{"health.expect", func(u *Upstream) { u.Health = HealthCheck{Kind: HealthGRPC, Expect: []StatusRange{{200, 200}}} }},
		{"health.expect[0]", func(u *Upstream) { u.Health = HealthCheck{Kind: HealthHTTP, Expect: []StatusRange{{300, 200}}} }},
		{"health.service", func(u *Upstream) { u.Health = HealthCheck{Kind: HealthHTTP, Service: "x"} }},
		{"health.jitter", func(u *Upstream) { u.Health = HealthCheck{Kind: HealthHTTP, Jitter: 101} }},
		{"health.interval", func(u *Upstream) { u.Health = HealthCheck{Kind: HealthHTTP, Interval: -1} }},
		{"health", func(u *Upstream) { u.Health = HealthCheck{Kind: HealthHTTP, Fall: -1} }},
		{"", func(u *Upstream) { u.Ejection.Failures = -1 }},
		{"ejection.gatewayErrors", func(u *Upstream) { u.Ejection.GatewayErrors = -1 }},
		{"ejection.serverErrors", func(u *Upstream) { u.Ejection.ServerErrors = -1 }},
		{"ejection.interval", func(u *Upstream) { u.Ejection.Interval = -1 }},
		{"ejection.base", func(u *Upstream) { u.Ejection.Base = -1 }},
		{"ejection.most", func(u *Upstream) { u.Ejection.Most = -1 }},
		{"ejection.percent", func(u *Upstream) { u.Ejection.Percent = 101 }},
		{"ejection.successRate.on", func(u *Upstream) { u.Ejection.SuccessRate.Requests = 5 }},
		{"ejection.successRate", func(u *Upstream) { u.Ejection.SuccessRate = SuccessRate{On: true, Requests: -5} }},
		{"ejection", func(u *Upstream) { u.Ejection.Failures = 1 << 20 }},
		{"limits.requests", func(u *Upstream) { u.Limits.Requests = -1 }},
		{"limits.pending", func(u *Upstream) { u.Limits = Limits{Pending: 5, Retries: 3} }},
		{"limits.wait", func(u *Upstream) { u.Limits = Limits{Requests: 5, Wait: 1} }},
		{"limits.wait", func(u *Upstream) { u.Limits = Limits{Requests: 5, Pending: 1, Wait: -1} }},
	} {
		u := good
		c.change(&u)
		err := u.Validate()
		var f *FieldError
		switch {
		case c.field == "" && err != nil:
			t.Errorf("%s: %v", u.Settings(), err)
		case c.field != "" && (!errors.As(err, &f) || f.Field != c.field):
			t.Errorf("%s: %v, want a fault of %s", u.Settings(), err, c.field)
		}
	}
}

func TestEffectsOfRoutesAreChecked(t *testing.T) {
	for _, c := range []struct {
		field    string
		retry    Retry
		timeouts Timeouts
	}{
		{"", Retry{On: []RetryOn{RetryConnect, RetryServer}, Statuses: []StatusRange{{404, 404}}, Attempts: -1, Backoff: Backoff{Base: -1}}, Timeouts{Request: -1}},
		{"forward.retry.on[1]", Retry{On: []RetryOn{RetryConnect, "never"}}, Timeouts{}},
		{"forward.retry.statuses[0]", Retry{Statuses: []StatusRange{{200, 500}}}, Timeouts{}},
		{"forward.retry.attempts", Retry{Attempts: 21}, Timeouts{}},
		{"forward.retry.perTry", Retry{PerTry: -1}, Timeouts{}},
		{"forward.retry.backoff", Retry{Backoff: Backoff{Most: time.Minute}}, Timeouts{}},
		{"forward.retry.backoff.factor", Retry{Backoff: Backoff{Factor: 101}}, Timeouts{}},
		{"forward.retry.backoff.spread", Retry{Backoff: Backoff{Spread: 101}}, Timeouts{}},
		{"forward.retry.budget.least", Retry{Budget: RetryBudget{Least: -1}}, Timeouts{}},
		{"forward.retry.budget.percent", Retry{Budget: RetryBudget{Percent: 200}}, Timeouts{}},
		{"timeouts.connect", Retry{}, Timeouts{Connect: -1}},
		{"timeouts.response", Retry{}, Timeouts{Response: -1}},
		{"timeouts.idle", Retry{}, Timeouts{Idle: -1}},
		{"timeouts.connect", Retry{}, Timeouts{Connect: time.Microsecond}},
		{"timeouts.request", Retry{}, Timeouts{Request: 1}},
		{"forward.retry.within", Retry{Within: 1}, Timeouts{}},
		{"forward.retry.methods[1]", Retry{Methods: []string{"GET", "POST "}}, Timeouts{}},
		{"forward.retry.methods[1]", Retry{Methods: []string{"POST", "get"}}, Timeouts{}},
	} {
		err := Route{Action: Forward{Retry: c.retry}, Timeouts: c.timeouts}.ValidateEffect()
		var f *FieldError
		switch {
		case c.field == "" && err != nil:
			t.Errorf("%+v: %v", c, err)
		case c.field != "" && (!errors.As(err, &f) || f.Field != c.field):
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestStatusRanges(t *testing.T) {
	for text, want := range map[string]StatusRange{`200`: {200, 200}, `"200"`: {200, 200}, `"200-399"`: {200, 399}, `"500-599"`: {500, 599}, `"5xx"`: {500, 599}, `"2XX"`: {200, 299}, `"1xx"`: {100, 199}} {
		var r StatusRange
		if err := json.Unmarshal([]byte(text), &r); err != nil || r != want {
			t.Errorf("%s: %v, %v", text, r, err)
		}
		out, err := json.Marshal(r)
		var again StatusRange
		if err2 := json.Unmarshal(out, &again); err != nil || err2 != nil || again != r {
			t.Errorf("%s is printed as %s: %v, %v", text, out, err, err2)
		}
	}
	for _, text := range []string{`99`, `600`, `"300-200"`, `"6xx"`, `"0xx"`, `"xx"`, `"x"`, `"20x"`, `"2-3xx"`, `"-1xx"`, `" 2xx"`, `"200-"`, `""`, `true`, `"200-300-400"`, `2e2`} {
		var r StatusRange
		if err := json.Unmarshal([]byte(text), &r); err == nil {
			t.Errorf("%s is %v", text, r)
		}
	}
	if r := (StatusRange{200, 299}); !r.Contains(200) || !r.Contains(299) || r.Contains(300) || r.Contains(199) {
		t.Error("its ends are wrong")
	}
}

func TestRetryAgain(t *testing.T) {
	for _, c := range []struct {
		r    Retry
		yes  []int
		noes []int
	}{
		{Retry{}, nil, []int{200, 429, 500, 502, 503, 504}},
		{Retry{On: []RetryOn{RetryGateway}}, []int{502, 503, 504}, []int{200, 429, 500, 501, 505}},
		{Retry{On: []RetryOn{RetryServer}}, []int{500, 501, 503, 599}, []int{200, 429}},
		{Retry{Statuses: []StatusRange{{404, 404}, {429, 500}}}, []int{404, 429, 500}, []int{403, 501, 503}},
	} {
		for _, s := range c.yes {
			if !c.r.Again(s) {
				t.Errorf("%+v: not %d", c.r, s)
			}
		}
		for _, s := range c.noes {
			if c.r.Again(s) {
				t.Errorf("%+v: %d", c.r, s)
			}
		}
	}
}
