package builtin

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"paifang/internal/filter"
	"paifang/internal/model"
	"paifang/internal/quota/quotatest"
)

// journal is a log that is kept.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// told is a table of shared values whose log is kept.
func told() (*filter.Shared, *journal) {
	j := &journal{}
	s := filter.NewShared()
	s.Log = slog.New(slog.NewTextHandler(j, nil))
	return s, j
}

// lines are those of a log that have all of the words.
func lines(log *journal, words ...string) int {
	n := 0
next:
	for line := range strings.Lines(log.String()) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue next
			}
		}
		n++
	}
	return n
}

// TestRedisAwayIsTold: once where a limit is counted by each process alone, once where Redis is back, with a number meanwhile; and what
// it is, for a wrong password too, which nobody is shown.
func TestRedisAwayIsTold(t *testing.T) {
	redis := quotatest.New(t)
	redis.Need(quotatest.Needs{Password: "right"})
	shared, log := told()
	limit := specOf("rate-limit", strings.Replace(sharedLimit(redis.Addr().String(), ""), `"burst":4`, `"burst":400,"keys":4`, 1))
	limit.Secret, limit.Data = "shop/redis", model.NewSecretData(map[string]string{"password": "wr0ng"})
	p := newPolicy(t, shared, limit)
	for i := range 20 {
		if x := p.limited(fmt.Sprint("a", i%2)); x.Response.Status != 0 {
			t.Fatalf("%d %s", x.Response.Status, x.Code)
		}
	}
	if n := lines(log, "level=WARN", "filter=rate-limit", "address="+redis.Addr().String(), "NOPERM", "onFailure: local"); n != 1 || lines(log) != 1 {
		t.Errorf("%d lines:\n%s", n, log)
	}
	if strings.Contains(log.String(), "wr0ng") {
		t.Error("the password is in the log")
	}
	d := shared.Dependencies()
	if len(d) != 1 || !d[0].Away || d[0].Failures < 10 || d[0].Address != redis.Addr().String() || !strings.Contains(d[0].Meanwhile, "each process") || !strings.Contains(d[0].Error, "NOPERM") {
		t.Errorf("%+v", d)
	}
	redis.Need(quotatest.Needs{Password: "wr0ng"})
	for end := time.Now().Add(10 * time.Second); shared.Dependencies()[0].Away; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is not back:\n%s", log)
		}
		p.turn(settles)
		p.limited("b")
	}
	if lines(log) != 2 || lines(log, "level=INFO", "well again", "filter=rate-limit") != 1 {
		t.Errorf("%s", log)
	}
}

// TestDependencySettles: one that fails every other time is away, and is not told of every other time.
func TestDependencySettles(t *testing.T) {
	s := newAuthService(t)
	shared, log := told()
	p := s.policy(t, `{"url":"URL/check?token=s3cret","loopback":true,"failStatus":502}`, shared)
	x := &filter.Exchange{Waiter: &engine{}}
	for range 10 {
		p.again(x, "192.0.2.1", "GET /", "X-Want: 500")
		p.again(x, "192.0.2.1", "GET /", "X-Want: 200")
		p.again(x, "192.0.2.1", "GET /", "X-Want: 401")
		p.now = p.now.Add(time.Second)
	}
	if lines(log) != 1 || lines(log, "level=WARN", "filter=external-auth", "address="+s.URL+"/check", "status 500", "answered 502") != 1 || strings.Contains(log.String(), "s3cret") {
		t.Errorf("%s", log)
	}
	p.now = p.now.Add(settles)
	p.again(x, "192.0.2.1", "GET /", "X-Want: 200")
	if lines(log) != 2 || lines(log, "level=INFO", "well again", "address="+s.URL+"/check") != 1 {
		t.Errorf("%s", log)
	}
	if d := shared.Dependencies(); len(d) != 1 || d[0].Away || d[0].Failures != 10 || d[0].Error != "" {
		t.Errorf("%+v", d)
	}
}

// TestDependencySettlesUnasked: one that has answered last is back in time, though nobody asks it again.
func TestDependencySettlesUnasked(t *testing.T) {
	s := newAuthService(t)
	shared, log := told()
	p := s.policy(t, `{"url":"URL/check","loopback":true}`, shared)
	x := &filter.Exchange{Waiter: &engine{}}
	p.again(x, "192.0.2.1", "GET /", "X-Want: 500")
	p.now = p.now.Add(time.Hour)
	if d := shared.Dependencies(); !d[0].Away {
		t.Errorf("it has not answered: %+v", d)
	}
	p.again(x, "192.0.2.1", "GET /", "X-Want: 500")
	p.now = p.now.Add(time.Second)
	p.again(x, "192.0.2.1", "GET /", "X-Want: 200")
	if d := shared.Dependencies(); !d[0].Away {
		t.Errorf("it has failed a moment ago: %+v", d)
	}
	p.now = p.now.Add(settles)
	if d := shared.Dependencies(); d[0].Away || lines(log, "level=INFO", "well again") != 1 {
		t.Errorf("%+v\n%s", d, log)
	}
}

// TestLeavingIsNoFailure: that a client went away says nothing of the service that was asked for it.
func TestLeavingIsNoFailure(t *testing.T) {
	s := newAuthService(t)
	shared, log := told()
	p := s.policy(t, `{"url":"URL/check?hang","loopback":true}`, shared)
	p.again(&filter.Exchange{Waiter: &engine{over: true}}, "192.0.2.1", "GET /")
	if d := shared.Dependencies(); len(d) != 1 || d[0].Away || d[0].Failures != 0 || log.String() != "" {
		t.Errorf("%+v\n%s", d, log)
	}
}

// TestKeysAwayAreTold: that the last keys are used and until when, that there are none any more, and that they are there again.
func TestKeysAwayAreTold(t *testing.T) {
	i := newIssuer(t, jose.ES256)
	srv := httptest.NewServer(i)
	defer srv.Close()
	stranger := newIssuer(t, jose.ES256)
	stranger.rotate("two")
	shared, log := told()
	spec := specOf("jwt", fmt.Sprintf(`{"issuer":"https://login.test","url":%q,"loopback":true,"stale":"1m"}`, srv.URL+"/keys?key=s3cret"))
	p := newPolicy(t, shared, spec)
	// asks has a token of a key that is not in the set, so that it is asked for, until what is said of that has come.
	asks := func(want int, words ...string) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			p.bearing(stranger.token(p.Now(), nil))
			if n := lines(log, words...); n == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%q:\n%s", words, log)
			}
			p.turn(time.Second)
		}
	}
	if x := p.bearing(i.token(p.Now(), nil)); x.Response.Status != 0 {
		t.Fatalf("%d %s", x.Response.Status, x.Code)
	}
	i.away.Store(true)
	asks(1, "level=WARN", "filter=jwt", "address="+srv.URL+"/keys", "status 503", "the last keys hold until 1970-01-12T13:47")
	asks(1, "level=WARN", "filter=jwt", "there are no keys")
	if x := p.bearing(i.token(p.Now(), nil)); x.Response.Status != 503 {
		t.Errorf("%d %s", x.Response.Status, x.Code)
	}
	i.away.Store(false)
	asks(1, "level=INFO", "filter=jwt", "well again")
	if lines(log) != 3 || strings.Contains(log.String(), "s3cret") {
		t.Errorf("%s", log)
	}
}
