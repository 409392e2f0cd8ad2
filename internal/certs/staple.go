package certs

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ocsp"

	"paifang/internal/model"
)

// Bounds of what responders are asked.
const (
	stapleFetches   = 8 // at once
	staplePerHost   = 2 // of them, so that one responder that hangs does not hold up the others
	stapleAgain     = time.Minute
	stapleAgainMost = time.Hour // after failures, each of which doubles the wait
)

// StaplerConfig is what a Stapler works with. Every zero field has a default.
type StaplerConfig struct {
	Loopback bool             // responders at loopback addresses are asked
	Log      *slog.Logger     // default: none
	Now      func() time.Time // default time.Now
}

// Stapler keeps the OCSP responses (RFC 6960) of certificates that name a responder, so that handshakes can staple them (RFC 6066 section
// 8). It asks when a certificate comes and again at half of a response's time. Handshakes read what is there and never wait.
type Stapler struct {
	cfg    StaplerConfig
	client responders
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}
	woken  chan struct{} // there may be something to ask
	counts [3]atomic.Uint64

	mu      sync.Mutex
	staples map[[sha256.Size]byte]*staple // by the digest of the chain: one for all hosts and Secrets that have it
	asking  map[string]int                // by host of responders
	fetches int
}

// staple is what is known of the revocation of one certificate. Only its state is read without the lock of the Stapler.
type staple struct {
	pair   *tls.Certificate
	issuer *x509.Certificate // nil: it was not needed yet
	urls   []*url.URL        // of responders; none: there is nobody to ask
	state  atomic.Pointer[stapleState]
	due    time.Time
	asked  bool // a fetch is under way
	tries  int  // that came to nothing, since the last that did not
}

// stapleState is never changed.
type stapleState struct {
	pair    *tls.Certificate // with the response; nil: there is none
	until   time.Time        // the response counts
	revoked bool
	problem string // why there is no response, or no newer one
}

// NewStapler returns one that keeps nothing yet. Close ends it.
func NewStapler(c StaplerConfig) *Stapler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Stapler{cfg: c, client: newResponders(c.Loopback), ended: make(chan struct{}), woken: make(chan struct{}, 1), asking: map[string]int{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	go s.run()
	return s
}

// Close returns when nobody is asked any more.
func (s *Stapler) Close() {
	s.cancel()
	<-s.ended
}

// Keep has the responses of all certificates of these stores kept, and of no others.
func (s *Stapler) Keep(stores []*Store) {
	s.mu.Lock()
	before := s.staples
	s.staples = map[[sha256.Size]byte]*staple{}
	for _, store := range stores {
		for _, p := range store.index.Load().all {
			st := s.staples[p.digest]
			if st == nil {
				if st = before[p.digest]; st == nil {
					st = newStaple(p, s.cfg.Now())
				}
				s.staples[p.digest] = st
			}
			p.staple.Store(st)
		}
	}
	s.mu.Unlock()
	s.wake()
}

// newStaple does little, as publishing waits for it: the issuer is looked for when somebody is to be asked.
func newStaple(p *parsed, now time.Time) *staple {
	st := &staple{pair: p.pair, due: now}
	first := stapleState{}
	for _, text := range p.leaf.OCSPServer {
		if u, err := url.Parse(text); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil {
			st.urls = append(st.urls, u)
		}
	}
	if len(st.urls) == 0 && len(p.leaf.OCSPServer) > 0 {
		first.problem = fmt.Sprintf("%q is no address of a responder", p.leaf.OCSPServer[0])
	}
	st.state.Store(&first)
	return st
}

func (s *Stapler) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// run is the one goroutine that decides when somebody is asked.
func (s *Stapler) run() {
	defer close(s.ended)
	var fetches sync.WaitGroup
	defer fetches.Wait()
	timer := time.NewTimer(stapleAgainMost)
	defer timer.Stop()
	for {
		timer.Reset(s.start(&fetches))
		select {
		case <-s.ctx.Done():
			return
		case <-s.woken:
		case <-timer.C:
		}
	}
}

// start begins the fetches that are due and have room, and returns when the next one is due. Those without room are looked at again when
// a fetch ends.
func (s *Stapler) start(fetches *sync.WaitGroup) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, next := s.cfg.Now(), stapleAgainMost
	for _, st := range s.staples {
		if st.asked || len(st.urls) == 0 {
			continue
		}
		if wait := st.due.Sub(now); wait > 0 {
			next = min(next, wait)
			continue
		}
		at := st.urls[st.tries%len(st.urls)]
		if s.fetches == stapleFetches || s.asking[at.Host] == staplePerHost {
			continue
		}
		st.asked = true
		s.fetches++
		s.asking[at.Host]++
		fetches.Go(func() {
			r, err := s.ask(st, at)
			s.take(st, at, r, err)
		})
	}
	return next
}

var errNoIssuer = errors.New("its chain does not have the certificate of its issuer, which a response is checked against")

// ask is the fetch of one response.
func (s *Stapler) ask(st *staple, at *url.URL) (*ocsp.Response, error) {
	if st.issuer == nil {
		var chain []*x509.Certificate
		for _, der := range st.pair.Certificate[1:] {
			if c, err := x509.ParseCertificate(der); err == nil {
				chain = append(chain, c)
			}
		}
		if st.issuer = issuer(st.pair.Leaf, chain); st.issuer == nil {
			return nil, errNoIssuer
		}
	}
	return s.client.ask(s.ctx, at, st.pair.Leaf, st.issuer, s.cfg.Now)
}

// take notes what a responder has said.
func (s *Stapler) take(st *staple, at *url.URL, r *ocsp.Response, err error) {
	if s.ctx.Err() != nil {
		return
	}
	defer s.wake()
	s.mu.Lock()
	defer s.mu.Unlock()
	st.asked = false
	s.fetches--
	if s.asking[at.Host]--; s.asking[at.Host] == 0 {
		delete(s.asking, at.Host)
	}
	now := s.cfg.Now()
	before := st.state.Load()
	next := *before
	switch {
	case errors.Is(err, errNoIssuer): // nobody was asked, nor will be
		next.problem, st.urls = err.Error(), nil
	case err != nil: // a response that still counts is as good as it was
		next.problem = fmt.Sprintf("%s: %v", at, err)
		st.due = now.Add(min(stapleAgain<<min(st.tries, 10), stapleAgainMost))
		st.tries++
		s.counts[stapleFailed].Add(1)
	case r.Status == ocsp.Revoked:
		next = stapleState{revoked: true, problem: fmt.Sprintf("its issuer has revoked it on %s", r.RevokedAt.UTC().Format(time.RFC3339))}
		st.due, st.tries = now.Add(stapleAgainMost), 0
		s.counts[stapleRevoked].Add(1)
	default:
		pair := *st.pair
		pair.OCSPStaple = r.Raw
		next = stapleState{pair: &pair, until: r.NextUpdate}
		st.due, st.tries = renewal(r, now), 0
		s.counts[stapleGood].Add(1)
	}
	st.state.Store(&next)
	if (before.problem == "") == (next.problem == "") && before.revoked == next.revoked {
		return
	}
	if name := st.pair.Leaf.Subject.String(); next.problem == "" {
		s.cfg.Log.Info("the OCSP response of a certificate comes again", "certificate", name, "until", next.until)
	} else {
		s.cfg.Log.Warn("the OCSP response of a certificate does not come", "certificate", name, "error", next.problem)
	}
}

// renewal is when a response is asked for again: at half of its time. Responders give out old ones too, of which more than half is over:
// then it is half of what is left, an hour at most.
func renewal(r *ocsp.Response, now time.Time) time.Time {
	half := r.ThisUpdate.Add(r.NextUpdate.Sub(r.ThisUpdate) / 2)
	soon := now.Add(max(min(r.NextUpdate.Sub(now)/2, stapleAgainMost), stapleAgain))
	if half.Before(soon) {
		return soon
	}
	return half
}

// shown is the certificate as a handshake shows it by now.
func (p *parsed) shown(now time.Time) *tls.Certificate {
	if st := p.staple.Load(); st != nil {
		if s := st.state.Load(); s.pair != nil && now.Before(s.until) {
			return s.pair
		}
	}
	return p.pair
}

// The results of asking.
const (
	stapleGood = iota
	stapleRevoked
	stapleFailed
)

// StapleCounts are how often responders were asked, by what they said.
type StapleCounts struct{ Good, Revoked, Failed uint64 }

// Counts returns how often responders were asked.
func (s *Stapler) Counts() StapleCounts {
	return StapleCounts{s.counts[stapleGood].Load(), s.counts[stapleRevoked].Load(), s.counts[stapleFailed].Load()}
}

// Staple is how it stands with the OCSP response of a certificate.
type Staple struct {
	Certificate model.CertificateID
	Origin      model.Origin
	Until       time.Time // of the response that is stapled; zero: none is
	Revoked     bool
	Needed      bool   // the certificate tells clients to insist on a response (RFC 7633)
	Problem     string // why there is no response, or no newer one; "" = nothing is wrong
}

// Staples are the certificates that have a response, that should have one, or that need one; by ID. stapling tells whether there is a
// listener that would staple it.
func (s *Store) Staples(stapling bool, now time.Time) []Staple {
	var out []Staple
	for _, p := range s.index.Load().all {
		o := Staple{Certificate: p.source.ID, Origin: p.source.Origin, Needed: insists(p.leaf)}
		st := p.staple.Load()
		switch {
		case !stapling && o.Needed:
			o.Problem = "no listener that has it staples responses: set staple in the section tls of its listeners"
		case !stapling || st == nil:
		default:
			state := st.state.Load()
			o.Revoked, o.Problem = state.revoked, state.problem
			if state.pair != nil && now.Before(state.until) {
				o.Until = state.until
			}
			if o.Needed && len(p.leaf.OCSPServer) == 0 {
				o.Problem = "it names no responder"
			}
		}
		if !o.Until.IsZero() || o.Problem != "" {
			out = append(out, o)
		}
	}
	return out
}

// insists tells whether a certificate has the extension that is called must-staple (RFC 7633).
func insists(c *x509.Certificate) bool {
	const statusRequest = 5 // RFC 6066
	for _, e := range c.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}) {
			var features []int
			rest, err := asn1.Unmarshal(e.Value, &features)
			return err == nil && len(rest) == 0 && slices.Contains(features, statusRequest)
		}
	}
	return false
}
