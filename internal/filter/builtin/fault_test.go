package builtin

import (
	"testing"
	"time"

	"paifang/internal/filter"
)

func TestFault(t *testing.T) {
	for _, c := range []struct {
		config string
		fields []string
		status int
		waits  time.Duration
	}{
		{`{"abort":503}`, nil, 503, 0},
		{`{"abort":418,"abortPercent":0}`, nil, 0, 0},
		{`{"delay":"20ms"}`, nil, 0, 20 * time.Millisecond},
		{`{"delay":"1m","delayPercent":0}`, nil, 0, 0},
		{`{"delay":"20ms","abort":500}`, nil, 500, 20 * time.Millisecond},
		{`{"abort":500,"header":"X-Fault"}`, nil, 0, 0},
		{`{"abort":500,"header":"X-Fault"}`, []string{"X-Fault: no matter"}, 500, 0},
		{`{"abort":500,"header":"X-Fault","value":"yes"}`, []string{"X-Fault: no"}, 0, 0},
		{`{"abort":500,"header":"X-Fault","value":"yes"}`, []string{"X-Fault: no", "X-Fault: yes"}, 500, 0},
	} {
		p := newPolicy(t, filter.NewShared(), specOf("fault", c.config))
		x := &filter.Exchange{Waiter: &engine{}}
		began := time.Now()
		if p.again(x, "192.0.2.1", "GET /", c.fields...); x.Response.Status != c.status || c.status != 0 && x.Code != CodeFault {
			t.Errorf("%s of %v: %d %s", c.config, c.fields, x.Response.Status, x.Code)
		}
		if took := time.Since(began); took < c.waits || took > c.waits+5*time.Second {
			t.Errorf("%s took %v", c.config, took)
		}
	}
	p := newPolicy(t, filter.NewShared(), specOf("fault", `{"abort":500,"abortPercent":20}`))
	n := 0
	for range 5000 {
		if p.ask("192.0.2.1", "GET /").Response.Status == 500 {
			n++
		}
	}
	if n < 850 || n > 1150 { // five times the standard deviation
		t.Errorf("20 percent of 5000 are %d", n)
	}
	for _, bad := range []string{`{}`, `{"abort":200}`, `{"delay":"2m"}`, `{"abort":500,"abortPercent":101}`, `{"abort":500,"value":"x"}`, `{"abort":500,"header":"a b"}`, `{"delay":"1s","delayPercent":-1}`} {
		if _, err := Kinds().Check(specOf("fault", bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
