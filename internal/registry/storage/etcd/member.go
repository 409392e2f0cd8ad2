package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/connectivity"

	"paifang/internal/registry/storage"
)

// member is a connection to one member of the cluster. All calls go to one, and to another one as soon as it does not answer while
// others do. A client of all members spreads calls over them and takes 12 s to find one that hangs with its connections open, for grpc-go
// asks every 10 s at most whether a connection is alive: that long its watches stand still, and every third call with them.
type member struct {
	endpoint string
	client   *clientv3.Client
}

// Times of finding one that answers.
const (
	askEvery  = time.Second
	askWithin = 2 * time.Second
	patience  = 700 * time.Millisecond // with the present one, until the others are asked too
	askAgain  = 200 * time.Millisecond // where nobody answered and calls wait
)

// answer is what came of asking a member.
type answer struct {
	member
	err error
}

// open connects to a member. It waits only where there is a password: for a token.
func (s *Store) open(endpoint string) (member, error) {
	client, err := clientv3.New(clientv3.Config{
		Context: s.ctx, Endpoints: []string{endpoint}, TLS: s.cfg.TLS, Username: s.cfg.Username, Password: s.cfg.Password, Logger: zap.NewNop(), // what it says of members is said by the store
		DialTimeout: 3 * time.Second, DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 2 * time.Second,
	})
	return member{endpoint, client}, err
}

func (m member) close() {
	if m.client != nil {
		_ = m.client.Close()
	}
}

// ready is whether calls can be sent.
func (m member) ready() bool {
	return m.client != nil && m.client.ActiveConnection().GetState() == connectivity.Ready
}

// watch asks whether the cluster answers, until the store is closed. A follower does not tell: where no member answers any more, the
// client tries for ever and is silent.
func (s *Store) watch() {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		err := s.choose()
		if s.ctx.Err() != nil {
			return
		}
		s.met(err)
		if err != nil {
			select {
			case <-time.After(askAgain):
			case <-s.ctx.Done():
				return
			}
		}
		select {
		case <-tick.C:
		case <-s.doubts:
		case <-s.ctx.Done():
			return
		}
	}
}

// doubt has the member asked at once.
func (s *Store) doubt() {
	select {
	case s.doubts <- struct{}{}:
	default:
	}
}

// choose asks the present member, and where it fails or is late the others beside it: the first that answers is the one to go on with.
func (s *Store) choose() error {
	ctx, cancel := context.WithTimeout(s.ctx, askWithin)
	present := s.present()
	answers := make(chan answer, len(s.cfg.Endpoints)+1)
	waiting := 0
	ask := func(open func() (member, error)) {
		waiting++
		s.work.Go(func() {
			m, err := open()
			if err == nil {
				_, err = m.client.Get(ctx, s.cfg.Prefix, clientv3.WithKeysOnly()) // no key has this name; asking needs the majority all the same
			}
			answers <- answer{m, err}
		})
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	alive := present.ready()
	if alive {
		ask(func() (member, error) { return present, nil })
	} else {
		late.Reset(0)
	}
	others := func() {
		for _, e := range s.cfg.Endpoints {
			if e != present.endpoint || !alive {
				ask(func() (member, error) { return s.open(e) })
			}
		}
		late.Stop()
	}
	// What was opened and is not taken is closed when it has answered, too.
	defer func() {
		cancel()
		s.work.Go(func() {
			for range waiting {
				if a := <-answers; a.client != present.client {
					a.close()
				}
			}
		})
	}()
	var failed error
	for asked := false; ; {
		select {
		case <-late.C:
			asked = true
			others()
			continue
		case a := <-answers:
			waiting--
			if a.err == nil {
				s.take(present, a.member)
				return nil
			}
			if failed = a.err; a.client != present.client {
				a.close()
			}
		}
		switch {
		case waiting > 0:
		case !asked && len(s.cfg.Endpoints) > 1:
			asked = true
			others()
		default:
			return fmt.Errorf("no member answers: %w", failed)
		}
	}
}

// take has calls go to a member from here on. Those that are under way at another one end.
func (s *Store) take(before, now member) {
	if now.client == before.client {
		return
	}
	s.mu.Lock()
	s.at = now
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if before.client != nil {
		s.cfg.Log.Info("another member of etcd is asked", "from", before.endpoint, "to", now.endpoint)
	}
	before.close()
}

func (s *Store) present() member {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// client is that of the member to call. It waits for one that is connected: what has not been sent may be sent elsewhere.
func (s *Store) client(ctx context.Context, what string) (*clientv3.Client, error) {
	for {
		s.mu.Lock()
		at, changed, contact := s.at, s.changed, s.contact
		s.mu.Unlock()
		if at.ready() {
			return at.client, nil
		}
		s.doubt()
		select {
		case <-changed:
		case <-time.After(20 * time.Millisecond): // it may be connected again
		case <-s.ctx.Done():
			return nil, fmt.Errorf("etcd: %s: %w", what, storage.ErrClosed)
		case <-ctx.Done():
			if contact.Error != "" {
				return nil, s.failed(ctx, what, errors.New(contact.Error))
			}
			return nil, s.failed(ctx, what, ctx.Err())
		}
	}
}

// read asks a member, and the next one where that was given up meanwhile.
func (s *Store) read(ctx context.Context, what, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	for {
		c, err := s.client(ctx, what)
		if err != nil {
			return nil, err
		}
		r, err := c.Get(ctx, key, opts...)
		switch {
		case err == nil:
			return r, nil
		case ctx.Err() != nil || s.ctx.Err() != nil || s.present().client == c:
			return nil, s.failed(ctx, what, err)
		}
	}
}
