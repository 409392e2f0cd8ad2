package nacosapi

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// session is a client that has set up its connection: what it publishes and what it subscribes to. It lasts as long
// as the stream.
type session struct {
	conn     *connection
	registry *registry.Registry
	owner    *registry.Connection
	watcher  *registry.Watcher
	last     atomic.Int64 // when the client was heard last, since start
	start    time.Time

	mu      sync.Mutex
	subs    map[registry.Key]*subscription
	pending map[registry.Key]*subscription // those with something to send or to wait for
	acks    map[string]registry.Key        // pushes on their way, by request ID
	poke    chan struct{}                  // a subscription is new
}

func (x *session) active() { x.last.Store(int64(time.Since(x.start))) }

func (x *session) heard() time.Time { return x.start.Add(time.Duration(x.last.Load())) }

// abilities are what the server tells clients since Nacos 2.3 that it can do beyond the basic protocol: none of these.
func abilities() map[string]bool {
	return map[string]bool{"supportPersistentInstanceByGrpc": false, "fuzzyWatch": false, "lock": false, "mcp": false}
}

// errSilent ends the stream of a client that gives no sign of life.
var errSilent = errors.New("the client is silent")

// stream serves the stream of a connection: one goroutine reads, this one writes. It returns, and everything that the
// connection published is gone, when the client or the network ends it, when the client is silent, or when the registry
// or the server ends.
func (s *Server) stream(stream grpc.ServerStream) error {
	c := connectionOf(stream.Context())
	if c == nil {
		return status.Error(codes.Internal, "no connection")
	}
	x, setup, err := s.setup(c, stream)
	if err != nil {
		return err
	}
	defer x.end()

	in := make(chan received)
	ended := make(chan struct{})
	stop := make(chan struct{})
	s.work.Go(func() {
		defer close(ended)
		for {
			var p nacoswire.Payload
			if stream.RecvMsg(&p) != nil {
				return
			}
			x.active()
			if m, ok := decodeAnswer(&p); ok {
				select {
				case in <- m:
				case <-stop:
					return
				}
			}
		}
	})
	err = s.write(x, stream, setup, in, ended)
	close(stop)
	if errors.Is(err, errSilent) {
		s.log.warn("stream", c.client, err)
		c.cut() // nothing that is written now would arrive
	}
	return err
}

// setup reads the first message and makes the connection a session.
func (s *Server) setup(c *connection, stream grpc.ServerStream) (*session, nacoswire.ConnectionSetupRequest, error) {
	var none nacoswire.ConnectionSetupRequest
	late := time.AfterFunc(s.cfg.Detect, c.cut)
	var p nacoswire.Payload
	err := stream.RecvMsg(&p)
	if !late.Stop() || err != nil {
		return nil, none, status.Error(codes.Canceled, "no ConnectionSetupRequest came")
	}
	if p.Type != nacoswire.TypeConnectionSetup {
		return nil, none, status.Errorf(codes.FailedPrecondition, "want ConnectionSetupRequest first, not %.64q", p.Type)
	}
	setup, err := nacoswire.Decode[nacoswire.ConnectionSetupRequest](&p)
	if err != nil {
		return nil, none, status.Error(codes.InvalidArgument, err.Error())
	}
	r, ok := s.provider.Current()
	if !ok {
		return nil, none, status.Error(codes.Unavailable, "the registry is not running")
	}
	owner, err := r.Connect()
	if err != nil {
		return nil, none, status.Error(codes.Unavailable, err.Error())
	}
	x := &session{
		conn: c, registry: r, owner: owner, watcher: r.Watch(), start: time.Now(),
		subs: map[registry.Key]*subscription{}, pending: map[registry.Key]*subscription{}, acks: map[string]registry.Key{},
		poke: make(chan struct{}, 1),
	}
	if !c.session.CompareAndSwap(nil, x) {
		x.close()
		return nil, none, status.Error(codes.AlreadyExists, "this connection has a stream")
	}
	return x, setup, nil
}

// end takes everything back.
func (x *session) end() {
	x.conn.session.CompareAndSwap(x, nil)
	x.close()
}

func (x *session) close() {
	x.owner.Close()
	x.watcher.Close()
}

// received is an answer of the client to something the server sent on the stream.
type received struct {
	typ string
	nacoswire.Response
}

// decodeAnswer reads what a client says on the stream after the setup. What cannot be read, and requests, which belong
// to the unary method, are passed over.
func decodeAnswer(p *nacoswire.Payload) (received, bool) {
	if !strings.HasSuffix(p.Type, "Response") {
		return received{}, false
	}
	r, err := nacoswire.Decode[nacoswire.Response](p)
	return received{p.Type, r}, err == nil
}

// write sends on the stream: the acknowledgement of the setup, pushes, and questions for a sign of life.
func (s *Server) write(x *session, stream grpc.ServerStream, setup nacoswire.ConnectionSetupRequest, in <-chan received, ended <-chan struct{}) error {
	var seq uint64
	send := func(typ string, make func(id string) (*nacoswire.Payload, error)) error {
		seq++
		p, err := make(fmt.Sprint(seq))
		if err != nil {
			return err
		}
		// A client that does not read stops SendMsg when its window is full; only the end of the connection frees it.
		stuck := time.AfterFunc(s.cfg.Detect+s.cfg.Ack, x.conn.cut)
		defer stuck.Stop()
		return stream.SendMsg(p)
	}
	if setup.AbilityTable != nil {
		err := send(nacoswire.TypeSetupAck, func(id string) (*nacoswire.Payload, error) {
			ack := nacoswire.SetupAckRequest{AbilityTable: abilities()}
			ack.RequestID = id
			return nacoswire.NewPayload(nacoswire.TypeSetupAck, ack)
		})
		if err != nil {
			return err
		}
	}
	var asked time.Time // when the client was asked for a sign of life; zero: it need not be
	timer := time.NewTimer(s.cfg.Idle)
	defer timer.Stop()
	for {
		now := time.Now()
		due, next := x.due(now, s.cfg)
		for _, key := range due {
			err := send(nacoswire.TypeNotifySubscriber, func(id string) (*nacoswire.Payload, error) { return x.push(key, id, now, s.cfg) })
			if err != nil {
				return err
			}
		}
		heard := x.heard()
		if !asked.IsZero() && heard.After(asked) {
			asked = time.Time{}
		}
		switch {
		case !asked.IsZero() && now.Sub(asked) >= s.cfg.Detect:
			return errSilent
		case !asked.IsZero():
			next = earlier(next, asked.Add(s.cfg.Detect))
		case now.Sub(heard) >= s.cfg.Idle:
			err := send(nacoswire.TypeClientDetection, func(id string) (*nacoswire.Payload, error) {
				return nacoswire.NewPayload(nacoswire.TypeClientDetection, nacoswire.Request{RequestID: id, Module: "internal"})
			})
			if err != nil {
				return err
			}
			asked = now
			next = earlier(next, now.Add(s.cfg.Detect))
		default:
			next = earlier(next, heard.Add(s.cfg.Idle))
		}
		timer.Reset(max(time.Until(next), 0))
		select {
		case <-x.watcher.C():
			x.changed(x.watcher.Take())
		case <-x.poke:
		case m := <-in:
			if m.typ == nacoswire.TypeNotifyAnswer {
				x.acked(m, time.Now(), s.cfg)
			}
		case <-timer.C:
		case <-ended:
			return nil
		case <-x.registry.Done():
			return status.Error(codes.Unavailable, "the registry has stopped")
		case <-s.closing:
			return status.Error(codes.Unavailable, "the server is closing")
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
