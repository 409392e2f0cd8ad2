package nacosapi

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/config"
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

	mu         sync.Mutex
	pushes     deliveries[registry.Key]
	clusters   map[registry.Key]string // of the subscriptions
	services   fuzzyWatches[registry.Key]
	names      *registry.Watcher // nil until there is a fuzzy watch of services
	contents   fuzzyWatches[config.ID]
	allConfigs *config.Watcher // nil until there is one of configurations
	notices    deliveries[config.ID]
	tenants    map[config.ID]listening // what it listens to
	configs    *config.Watcher         // nil until it listens to something

	poke  chan struct{}                      // there is something new to send
	reset chan nacoswire.ConnectResetRequest // the client is to connect elsewhere
	told  atomic.Int64                       // when it was told so last, since start; 0: never
}

// obeys is how long after it was told to connect elsewhere the end of a client's connection is taken for that.
const obeys = 10 * time.Second

func newSession(c *connection, r *registry.Registry, owner *registry.Connection, configs *config.Store) *session {
	return &session{
		conn: c, registry: r, owner: owner, watcher: r.Watch(), start: time.Now(),
		pushes: newDeliveries[registry.Key](), clusters: map[registry.Key]string{},
		services: newFuzzyWatches(fuzzyServices{r}, nacoswire.ModuleNaming, nacoswire.TypeFuzzyWatchAnswer),
		contents: newFuzzyWatches(fuzzyConfigs{configs}, nacoswire.ModuleConfig, nacoswire.TypeConfigFuzzyWatchAnswer),
		notices:  newDeliveries[config.ID](), tenants: map[config.ID]listening{},
		poke: make(chan struct{}, 1), reset: make(chan nacoswire.ConnectResetRequest, 1),
	}
}

// rouse has the writer look for what is to be sent.
func (x *session) rouse() {
	select {
	case x.poke <- struct{}{}:
	default:
	}
}

func (x *session) active() { x.last.Store(int64(time.Since(x.start))) }

func (x *session) heard() time.Time { return x.start.Add(time.Duration(x.last.Load())) }

// abilities are what the server tells clients since Nacos 2.3 that it can do beyond the basic protocol.
func abilities() map[string]bool {
	return map[string]bool{"supportPersistentInstanceByGrpc": true, "fuzzyWatch": true, "lock": false, "mcp": false}
}

// errSilent ends the stream of a client that gives no sign of life.
var errSilent = errors.New("the client is silent")

// stream serves the stream of a connection: one goroutine reads, this one writes. It returns, and everything that the
// connection published is gone unless the client was told to connect elsewhere, when the client or the network ends it, when the client is silent, or when the registry
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
	defer s.sessions.remove(x)

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
			c.room().settle(sizeOf(&p))
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
	err = (&writer{Server: s, x: x, stream: stream}).run(setup, in, ended)
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
	c.room().settle(sizeOf(&p))
	if p.Type != nacoswire.TypeConnectionSetup {
		return nil, none, status.Errorf(codes.FailedPrecondition, "want ConnectionSetupRequest first, not %.64q", p.Type)
	}
	setup, err := nacoswire.Decode[nacoswire.ConnectionSetupRequest](&p)
	if err != nil {
		return nil, none, status.Error(codes.InvalidArgument, err.Error())
	}
	if s.draining.Load() {
		return nil, none, status.Error(codes.Unavailable, "the server is about to end")
	}
	r, ok := s.provider.Current()
	if !ok {
		return nil, none, status.Error(codes.Unavailable, "the registry is not running")
	}
	owner, err := r.Connect()
	if err != nil {
		return nil, none, status.Error(codes.Unavailable, err.Error())
	}
	x := newSession(c, r, owner, s.cfg.Configs)
	if !c.session.CompareAndSwap(nil, x) {
		x.close()
		return nil, none, status.Error(codes.AlreadyExists, "this connection has a stream")
	}
	s.sessions.add(x, setup)
	return x, setup, nil
}

// watchers are those that a session has only when it needs them.
func (x *session) watchers() (names *registry.Watcher, configs, all *config.Watcher) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.names, x.configs, x.allConfigs
}

// end takes everything back.
func (x *session) end() {
	x.conn.session.CompareAndSwap(x, nil)
	x.close()
}

func (x *session) close() {
	if told := x.told.Load(); told > 0 && time.Since(x.start)-time.Duration(told) < obeys {
		x.owner.Leave()
	} else {
		x.owner.Close()
	}
	x.watcher.Close()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.names != nil {
		x.names.Close()
	}
	for _, w := range []*config.Watcher{x.configs, x.allConfigs} {
		if w != nil {
			w.Close()
		}
	}
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
