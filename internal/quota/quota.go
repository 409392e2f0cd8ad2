// Package quota takes requests out of budgets that several processes share in Redis. Whoever asks is lent several at a time, so that
// most requests need no word with Redis, and those who ask at the same time share one.
package quota

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Config says where the budgets are kept.
type Config struct {
	Addresses []string // host:port, one at least; of a cluster several, in any order
	Cluster   bool     // they are of a cluster
	TLS       bool     // with the name of the host that is asked
	Username  string   // of Redis 6 and newer
	// Dial connects, below TLS; it says which addresses may be asked. Default: any.
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Password string        // "" = none
	Database int           // not in a cluster
	Timeout  time.Duration // of a question, connecting included
}

// Bounds of what waits to be asked, and of one question.
const (
	maxWaiting = 4096
	maxBatch   = 256
	askers     = 2 // questions at the same time
)

// downFor is how long nobody asks after a question has failed.
const downFor = 500 * time.Millisecond

// Errors of a Loan. One that is ErrDown says why.
var (
	ErrBusy = errors.New("quota: too many questions wait")
	ErrDown = errors.New("quota: redis cannot be asked")
)

// Rate is a budget: requests at an even pace, of which so many may come at once.
type Rate struct {
	Every time.Duration // between two requests, above 0
	Depth int           // requests that may come at once after a pause, 1 or more
}

// Loan is what a question came to.
type Loan struct {
	Requests int           // that may be let past; 0: none
	Left     int           // that the budget has room for beside these
	Wait     time.Duration // without any: until there is one
	Err      error         // nobody could be asked
}

// Store asks one Redis. Its goroutines end with Close.
type Store struct {
	client  redis.UniversalClient
	timeout time.Duration
	secret  string // that no error may hold
	waiting chan question
	cancel  context.CancelFunc
	ended   sync.WaitGroup
	outage  atomic.Pointer[outage] // the last one; nil = there was none
}

// outage is why nobody asks, and until when.
type outage struct {
	until time.Time
	err   error
}

type question struct {
	key  string
	rate Rate
	want int
	tell func(Loan)
}

// Open returns a store. It connects when something is asked.
func Open(cfg Config) *Store {
	redis.SetLogger(silence{})
	ctx, cancel := context.WithCancel(context.Background())
	s := &Store{client: cfg.client(), timeout: cfg.Timeout, secret: cfg.Password, waiting: make(chan question, maxWaiting), cancel: cancel}
	for range askers {
		s.ended.Go(func() { s.run(ctx) })
	}
	return s
}

// manyConns is the size of the pool that the library is told, of which no more than a few are ever made: after so many failures in a row
// it would begin to try by itself, in a goroutine that outlives the store.
const manyConns = 4096

// client makes few connections, tries each once, and repeats nothing: a question that was not answered may have been carried out.
func (cfg *Config) client() redis.UniversalClient {
	var over *tls.Config
	if cfg.TLS {
		over = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if cfg.Cluster {
		return redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: cfg.Addresses, Username: cfg.Username, Password: cfg.Password, TLSConfig: over, Dialer: cfg.dialer(over),
			DialTimeout: cfg.Timeout, ReadTimeout: cfg.Timeout, WriteTimeout: cfg.Timeout, PoolTimeout: cfg.Timeout, ContextTimeoutEnabled: true,
			PoolSize: manyConns, MaxActiveConns: 2 * askers, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true,
		})
	}
	return redis.NewClient(&redis.Options{
		Addr: cfg.Addresses[0], Username: cfg.Username, Password: cfg.Password, DB: cfg.Database, TLSConfig: over, Dialer: cfg.dialer(over),
		DialTimeout: cfg.Timeout, ReadTimeout: cfg.Timeout, WriteTimeout: cfg.Timeout, PoolTimeout: cfg.Timeout, ContextTimeoutEnabled: true,
		PoolSize: manyConns, MaxActiveConns: 2 * askers, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true,
	})
}

// dialer connects by Dial, and over TLS where that is asked for, which the library leaves to it; nil: the library connects.
func (cfg *Config) dialer(over *tls.Config) func(context.Context, string, string) (net.Conn, error) {
	if cfg.Dial == nil {
		return nil
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
		defer cancel()
		c, err := cfg.Dial(ctx, network, address)
		if err != nil || over == nil {
			return c, err
		}
		named := over.Clone()
		if named.ServerName, _, err = net.SplitHostPort(address); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		secure := tls.Client(c, named)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return secure, nil
	}
}

// silence is where the library's log goes: what it says is told to those who ask.
type silence struct{}

// Printf does nothing.
func (silence) Printf(context.Context, string, ...any) {}

// Close ends asking. Who waits is told ErrDown.
func (s *Store) Close() error {
	s.cancel()
	err := s.client.Close() // who waits for an answer hears of its connection, and not of the context
	s.ended.Wait()
	for {
		select {
		case q := <-s.waiting:
			q.tell(Loan{Err: ErrDown})
			continue
		default:
		}
		return err
	}
}

// Ask asks to be lent up to so many requests of a budget. tell is called once, with ErrBusy or ErrDown perhaps at once, otherwise by
// a goroutine of the store: it must not wait.
func (s *Store) Ask(key string, rate Rate, want int, tell func(Loan)) {
	if o := s.outage.Load(); o != nil && time.Now().Before(o.until) {
		tell(Loan{Err: o.err})
		return
	}
	select {
	case s.waiting <- question{key, rate, want, tell}:
	default:
		tell(Loan{Err: ErrBusy})
	}
}

func (s *Store) run(ctx context.Context) {
	batch := make([]question, 0, maxBatch)
	for {
		select {
		case <-ctx.Done():
			return
		case q := <-s.waiting:
			batch = append(batch[:0], q)
		}
		for len(batch) < maxBatch {
			select {
			case q := <-s.waiting:
				batch = append(batch, q)
				continue
			default:
			}
			break
		}
		s.ask(ctx, batch)
		clear(batch)
	}
}

// lend is the budget (GCRA): a key holds when, in microseconds of Redis' clock, all that was lent will have drained. It does not
// exist where that is past.
const lend = `
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local every, depth, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full = tonumber(redis.call('GET', KEYS[1]) or now)
if full < now then full = now end
local room = math.floor((now - full) / every + depth + 0.001)
if room < 1 then
  return {0, math.ceil(full - now - (depth - 1) * every), 0}
end
local lent = math.min(room, want)
full = full + lent * every
redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil((full - now) / 1000) + 1)
return {lent, 0, room - lent}
`

// ask asks several questions in one go.
func (s *Store) ask(ctx context.Context, batch []question) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	script := redis.NewScript(lend)
	answers, err := s.pipe(ctx, batch, func(p redis.Pipeliner, keys []string, args ...any) *redis.Cmd {
		return script.EvalSha(ctx, p, keys, args...)
	})
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") { // it was restarted, or another of a cluster: nothing of the batch was done where it says so
		answers, err = s.again(ctx, batch, answers, script)
	}
	if err != nil {
		s.outage.Store(&outage{time.Now().Add(downFor), s.downBy(err)})
	}
	for i, q := range batch {
		q.tell(s.loanOf(answers[i]))
	}
}

// again asks those questions with the script itself which its digest was of no use for.
func (s *Store) again(ctx context.Context, batch []question, answers []*redis.Cmd, script *redis.Script) ([]*redis.Cmd, error) {
	var rest []question
	var at []int
	for i, a := range answers {
		if redis.HasErrorPrefix(a.Err(), "NOSCRIPT") {
			rest, at = append(rest, batch[i]), append(at, i)
		}
	}
	more, err := s.pipe(ctx, rest, func(p redis.Pipeliner, keys []string, args ...any) *redis.Cmd {
		return script.Eval(ctx, p, keys, args...)
	})
	for i, a := range more {
		answers[at[i]] = a
	}
	return answers, err
}

func (s *Store) pipe(ctx context.Context, batch []question, call func(p redis.Pipeliner, keys []string, args ...any) *redis.Cmd) ([]*redis.Cmd, error) {
	answers := make([]*redis.Cmd, len(batch))
	p := s.client.Pipeline()
	for i, q := range batch {
		every := fmt.Sprintf("%.3f", float64(q.rate.Every)/float64(time.Microsecond))
		answers[i] = call(p, []string{q.key}, every, q.rate.Depth, q.want)
	}
	_, err := p.Exec(ctx)
	return answers, err
}

func (s *Store) loanOf(answer *redis.Cmd) Loan {
	list, err := answer.Int64Slice()
	if err != nil {
		return Loan{Err: s.downBy(err)}
	}
	if len(list) != 3 || list[0] < 0 || list[0] > math.MaxInt32 || list[2] < 0 || list[2] > math.MaxInt32 {
		return Loan{Err: ErrDown}
	}
	return Loan{Requests: int(list[0]), Left: int(list[2]), Wait: max(time.Duration(list[1])*time.Microsecond, 0)}
}

// downBy says why nobody could be asked. A server may quote the command that it does not know, password and all.
func (s *Store) downBy(err error) error {
	text := err.Error()
	if s.secret != "" {
		text = strings.ReplaceAll(text, s.secret, "…")
	}
	return fmt.Errorf("%w: %s", ErrDown, text)
}

// Key makes one name of several parts, so that no two lists of parts have the same.
func Key(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "%d:%s", len(p), p)
	}
	return b.String()
}
