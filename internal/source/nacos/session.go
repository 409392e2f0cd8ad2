package nacos

import (
	"context"
	"errors"
	"sync"
	"time"

	"paifang/internal/nacosconn"
	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/source"
)

// session is one connection to one server.
type session struct {
	src  *Source
	conn *nacosconn.Conn
	work sync.WaitGroup
	came chan struct{} // the server says that services came or went
	services
}

func (s *Source) open(ctx context.Context, server string) (*session, error) {
	x := &session{src: s, came: make(chan struct{}, 1)}
	x.services.init()
	var err error
	x.conn, err = nacosconn.Dial(ctx, nacosconn.Config{
		Server: server, Namespace: s.cfg.Namespace, TLS: s.cfg.TLS, Tokens: s.tokens, Timeout: s.cfg.Timeout, Handle: x.handle,
	})
	return x, err
}

// close ends the connection and waits for the session's goroutines.
func (x *session) close() {
	x.conn.Close()
	x.work.Wait()
}

// handle takes what the server sends.
func (x *session) handle(p *nacoswire.Payload) (string, error) {
	switch p.Type {
	case nacoswire.TypeNotifySubscriber:
		q, err := nacoswire.Decode[nacoswire.NotifySubscriberRequest](p)
		if err != nil {
			return "", err
		}
		if q.ServiceInfo != nil {
			x.offer(x.src.keyOf(q.ServiceInfo.GroupName, q.ServiceInfo.Name), q.ServiceInfo, pushed)
		}
		return nacoswire.TypeNotifyAnswer, nil
	case nacoswire.TypeFuzzySync:
		x.lookAgain()
		return nacoswire.TypeFuzzySyncAnswer, nil
	case nacoswire.TypeFuzzyChange:
		x.lookAgain()
		return nacoswire.TypeFuzzyChangeAnswer, nil
	}
	return "", nil // something newer than this client; it did not say that it can do it
}

// lookAgain has the list of services looked at again: what the server tells of is a hint, and the list is the truth.
func (x *session) lookAgain() {
	select {
	case x.came <- struct{}{}:
	default:
	}
}

// follow asks the server to tell of services that come and go, and returns how often to look all the same.
func (x *session) follow(ctx context.Context) time.Duration {
	if !x.conn.Can("fuzzyWatch") {
		return x.src.cfg.Poll
	}
	cfg := &x.src.cfg
	_, err := nacosconn.Call[nacoswire.Response](ctx, x.conn, nacoswire.TypeFuzzyWatch, nacoswire.FuzzyWatchRequest{
		Namespace: cfg.Namespace, Pattern: nacoswire.FuzzyPattern{Namespace: cfg.Namespace, Group: cfg.Group, Name: "*"}.String(),
		WatchType: nacoswire.FuzzyWatch, Received: []string{}, Initializing: true,
	})
	if err != nil { // more services than it tells of, or a server that says more than it can do
		return cfg.Poll
	}
	return lookAnyhow
}

// How often the list is looked at where the server tells of changes, and of how many services it does.
const (
	lookAnyhow = 30 * time.Second
	followed   = 500 // Nacos tells of no further one
)

// pace is how often to look, given what follow said: where there are more services than the server tells of, as though it told of none.
func (x *session) pace(every time.Duration) time.Duration {
	if len(x.named) >= followed {
		return x.src.cfg.Poll
	}
	return every
}

// run lists, subscribes and sends until the session ends.
func (x *session) run(ctx context.Context, out chan<- source.Update) error {
	if err := x.look(ctx); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return err
	}
	x.work.Go(func() { x.conn.End(x.watch(ctx)) })
	read, named := x.take()
	updates := []source.Update{{Groups: append(named, read...), Full: true, Doubt: registry.Doubt}}
	for {
		for _, u := range updates {
			select {
			case out <- u:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		select {
		case <-x.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		updates = updates[:0]
		doubtful, certain := x.take()
		if len(certain) > 0 {
			updates = append(updates, source.Update{Groups: certain})
		}
		if len(doubtful) > 0 {
			updates = append(updates, source.Update{Groups: doubtful, Doubt: registry.Doubt})
		}
	}
}

// pulse is how often a server is asked whether it is there, where nothing else is asked of it as often. One that hangs is
// noticed within three times of it.
const pulse = 3 * time.Second

// alive asks the server whether it is there.
func (x *session) alive(ctx context.Context) error {
	_, err := nacosconn.Call[nacoswire.Response](ctx, x.conn, nacoswire.TypeHealthCheck, nacoswire.Request{})
	return err
}

// watch looks for services again and again, and whether the server is there. One question that fails may be chance; the second
// one is not.
func (x *session) watch(ctx context.Context) error {
	every := x.follow(ctx)
	pace := x.pace(every)
	tick := time.NewTicker(pace)
	defer tick.Stop()
	leave := time.NewTicker(x.src.cfg.Leave)
	defer leave.Stop()
	var beat <-chan time.Time
	if every > pulse {
		t := time.NewTicker(pulse)
		defer t.Stop()
		beat = t.C
	}
	for failed := false; ; {
		ask := x.look
		select {
		case <-tick.C:
		case <-beat:
			ask = x.alive
		case <-x.src.used:
			ask = x.arrange
		case <-leave.C:
			ask = x.arrange
		case <-x.came:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		err := ask(ctx)
		if err != nil && (failed || !errors.Is(err, context.DeadlineExceeded)) {
			return err
		}
		failed = err != nil
		if now := x.pace(every); now != pace {
			pace = now
			tick.Reset(pace)
		}
	}
}
