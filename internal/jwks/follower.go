package jwks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Config says where a set is published, and how it is followed.
type Config struct {
	URL       string
	Transport http.RoundTripper // it bounds connections; redirects are not followed
	Refresh   time.Duration     // how often the set is asked for
	Stale     time.Duration     // how long a set holds that cannot be asked for any more
	Timeout   time.Duration     // of one question
	Now       func() time.Time
	// Told is called after each question: with nil where the set was read, else with until when the last set holds; the zero time:
	// there is none, or not any more. Nobody waits for it who needs keys. It may be nil.
	Told func(err error, until time.Time)
}

// How often a publisher is asked at most: after a failure, and for tokens that name a key which is not in the set.
const (
	retryAfter = 5 * time.Second
	askAfter   = 10 * time.Second
	maxBody    = 1 << 20
)

// ErrAway says that there is no set: it was never read, or cannot be asked for since longer than Stale.
var ErrAway = errors.New("jwks: the key set cannot be asked for")

// Follower keeps the set of one publisher. Its goroutine ends with Close.
type Follower struct {
	cfg    Config
	cancel context.CancelFunc
	ended  sync.WaitGroup
	want   chan struct{} // the set is asked for before its time

	mu      sync.Mutex
	set     *Set // nil until there is one
	version uint64
	read    time.Time     // when it was last
	asked   time.Time     // when it was last tried
	busy    chan struct{} // closed when the question that runs, or comes next, has ended
	running bool
}

// Follow begins to follow a set, and asks for it at once.
func Follow(cfg Config) *Follower {
	ctx, cancel := context.WithCancel(context.Background())
	f := &Follower{cfg: cfg, cancel: cancel, want: make(chan struct{}, 1), busy: make(chan struct{}), running: true}
	f.ended.Go(func() { f.run(ctx) })
	return f
}

// Close ends following.
func (f *Follower) Close() error {
	f.cancel()
	f.ended.Wait()
	return nil
}

func (f *Follower) run(ctx context.Context) {
	for {
		err := f.ask(ctx)
		wait := f.cfg.Refresh
		if err != nil {
			wait = min(retryAfter, wait)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-f.want:
			timer.Stop()
		case <-timer.C:
		}
		f.mu.Lock()
		f.running = true
		f.mu.Unlock()
	}
}

// ask asks once, and lets those go on who wait for that.
func (f *Follower) ask(ctx context.Context) error {
	set, err := f.fetch(ctx)
	until := f.note(set, err)
	if f.cfg.Told != nil && ctx.Err() == nil { // a question that Close has ended came to nothing
		f.cfg.Told(err, until)
	}
	return err
}

// note takes in what came of a question, and returns until when there is a set that holds.
func (f *Follower) note(set *Set, err error) (until time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = f.cfg.Now()
	if err == nil {
		f.read = f.asked
		if !set.Same(f.set) {
			f.set = set
			f.version++
		}
	}
	f.running = false
	close(f.busy)
	f.busy = make(chan struct{})
	if f.set != nil && !f.read.Add(f.cfg.Stale).Before(f.asked) {
		until = f.read.Add(f.cfg.Stale)
	}
	return until
}

func (f *Follower) fetch(ctx context.Context) (*Set, error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.cfg.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("jwks: ask for key set: %w", err)
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := f.cfg.Transport.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("jwks: ask for key set: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("jwks: ask for key set: the answer has status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = fmt.Errorf("the answer has more than %d bytes", maxBody)
	}
	if err != nil {
		return nil, fmt.Errorf("jwks: read key set: %w", err)
	}
	return Parse(body)
}

// Keys returns the set and its version, which is another one when its keys are. It fails with ErrAway.
func (f *Follower) Keys() (*Set, uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.set == nil || f.cfg.Now().Sub(f.read) > f.cfg.Stale {
		return nil, 0, ErrAway
	}
	return f.set, f.version, nil
}

// Ask returns what ends with the question that runs, or with one that is made now: for a set that is not there, and for a token whose
// key is not in it. nil where it was asked a moment ago, so that nobody can have a publisher asked again and again.
func (f *Follower) Ask() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	least := askAfter
	if f.set == nil {
		least = time.Second
	}
	if !f.running {
		if since := f.cfg.Now().Sub(f.asked); since >= 0 && since < least {
			return nil
		}
		f.running = true
		select {
		case f.want <- struct{}{}:
		default:
		}
	}
	return f.busy
}
