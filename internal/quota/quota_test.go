package quota

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/quota/quotatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func opened(t testing.TB, address string) *Store {
	t.Helper()
	s := Open(Config{Addresses: []string{address}, Timeout: 2 * time.Second})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func ask(s *Store, key string, r Rate, want int) Loan {
	got := make(chan Loan, 1)
	s.Ask(key, r, want, func(l Loan) { got <- l })
	return <-got
}

func TestLoans(t *testing.T) {
	s := opened(t, quotatest.New(t).Addr().String())
	r := Rate{Every: time.Hour, Depth: 5}
	if l := ask(s, "a", r, 3); l.Requests != 3 || l.Err != nil {
		t.Errorf("%+v", l)
	}
	if l := ask(s, "a", r, 3); l.Requests != 2 {
		t.Errorf("the rest: %+v", l)
	}
	if l := ask(s, "a", r, 3); l.Requests != 0 || l.Wait < 59*time.Minute || l.Wait > time.Hour || l.Err != nil {
		t.Errorf("nothing is left: %+v", l)
	}
	if l := ask(s, "b", r, 1); l.Requests != 1 {
		t.Errorf("another key: %+v", l)
	}
}

// TestQuestionsShareOneWord: those that come while one is asked go together.
func TestQuestionsShareOneWord(t *testing.T) {
	f := quotatest.New(t)
	s := opened(t, f.Addr().String())
	var wg sync.WaitGroup
	var lent atomic.Int64
	for i := range 1000 {
		wg.Add(1)
		s.Ask(fmt.Sprint("k", i%10), Rate{Every: time.Hour, Depth: 50}, 1, func(l Loan) {
			defer wg.Done()
			lent.Add(int64(l.Requests))
			if l.Err != nil {
				t.Error(l.Err)
			}
		})
	}
	wg.Wait()
	if n := lent.Load(); n != 500 {
		t.Errorf("%d were lent", n)
	}
}

// TestAway: what cannot be asked is told soon, for a while at once, and then asked again.
func TestAway(t *testing.T) {
	f := quotatest.New(t)
	s := Open(Config{Addresses: []string{f.Addr().String()}, Timeout: 50 * time.Millisecond})
	defer s.Close()
	r := Rate{Every: time.Millisecond, Depth: 10}
	f.Mute(true)
	if l := ask(s, "a", r, 1); !errors.Is(l.Err, ErrDown) {
		t.Errorf("%+v", l)
	}
	at := false
	s.Ask("a", r, 1, func(l Loan) { at = errors.Is(l.Err, ErrDown) })
	if !at {
		t.Error("it is asked again at once")
	}
	f.Mute(false)
	for end := time.Now().Add(10 * time.Second); ask(s, "a", r, 1).Err != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is not asked again")
		}
	}
	f.Restart() // it was restarted
	if l := ask(s, "a", r, 1); l.Err != nil {
		t.Errorf("%+v", l)
	}
}

// TestWhyIsTold: what Redis says goes with the error, and what a server quotes of a password does not.
func TestWhyIsTold(t *testing.T) {
	f := quotatest.New(t)
	f.Need(quotatest.Needs{Username: "permissions", Password: "right"})
	s := Open(Config{Addresses: []string{f.Addr().String()}, Password: "permissions", Timeout: 2 * time.Second})
	defer s.Close()
	for range 2 { // the second one is told at once
		l := ask(s, "a", Rate{Every: time.Second, Depth: 1}, 1)
		if !errors.Is(l.Err, ErrDown) || !strings.Contains(l.Err.Error(), "NOPERM") || strings.Contains(l.Err.Error(), "permissions") {
			t.Errorf("%v", l.Err)
		}
	}
}

// TestCloseTellsEverybody who waits.
func TestCloseTellsEverybody(t *testing.T) {
	f := quotatest.New(t)
	f.Mute(true)
	s := Open(Config{Addresses: []string{f.Addr().String()}, Timeout: time.Minute})
	var told atomic.Int64
	const asked = maxWaiting + 1000
	for range asked {
		s.Ask("a", Rate{Every: time.Second, Depth: 1}, 1, func(l Loan) {
			if l.Err != nil {
				told.Add(1)
			}
		})
	}
	began := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v: somebody waited for an answer", took)
	}
	if n := told.Load(); n != asked {
		t.Errorf("%d of %d were told", n, asked)
	}
}

func TestKey(t *testing.T) {
	if Key("a", "bc") == Key("ab", "c") || Key("a", "") == Key("a") || Key("1:a") == Key("a") {
		t.Error("two lists have one key")
	}
}
