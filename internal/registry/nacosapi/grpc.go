package nacosapi

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"paifang/internal/nacoswire"
)

// maxMessage bounds one message of a client. Nacos allows 10 MiB.
const maxMessage = 8 << 20

// maxStreams is how many requests of one connection are on their way, its stream among them; clients let further ones wait.
const maxStreams = 32

// connBuffer is what a connection reads and writes at once; what is larger takes several calls.
const connBuffer = 4 << 10

func (s *Server) newGRPC() *grpc.Server {
	var secure grpc.ServerOption = grpc.EmptyServerOption{}
	if s.cfg.TLS != nil {
		secure = grpc.Creds(credentials.NewTLS(s.cfg.TLS.Clone()))
	}
	g := grpc.NewServer(
		secure,
		grpc.ForceServerCodecV2(nacoswire.Codec{}),
		grpc.StatsHandler(&s.conns),
		grpc.ConnectionTimeout(5*time.Second),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxConcurrentStreams(maxStreams),
		// A registry has thousands of connections on which little happens: by default each has 64 KiB for it.
		grpc.ReadBufferSize(connBuffer),
		grpc.WriteBufferSize(connBuffer),
		grpc.MaxHeaderListSize(16<<10),
		// Clients ping without streams, the official Go client every 60 s; by default grpc-go takes that for an attack.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		// A connection that never opened its stream is closed; one with a stream is asked by ClientDetectionRequest.
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 5 * time.Minute}),
		grpc.WaitForHandlers(true),
	)
	g.RegisterService(&grpc.ServiceDesc{
		ServiceName: nacoswire.RequestService,
		HandlerType: (*unary)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: nacoswire.RequestMethod,
			Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				var p nacoswire.Payload
				if err := decode(&p); err != nil {
					return nil, err
				}
				defer connectionOf(ctx).room().settle(sizeOf(&p))
				return s.request(ctx, &p)
			},
		}},
		Metadata: "nacos_grpc_service.proto",
	}, s)
	g.RegisterService(&grpc.ServiceDesc{
		ServiceName: nacoswire.StreamService,
		HandlerType: (*unary)(nil),
		Streams: []grpc.StreamDesc{{
			StreamName:    nacoswire.StreamMethod,
			Handler:       func(_ any, stream grpc.ServerStream) error { return s.stream(stream) },
			ServerStreams: true,
			ClientStreams: true,
		}},
		Metadata: "nacos_grpc_service.proto",
	}, s)
	return g
}

// unary is what grpc.Server asks its services to implement.
type unary interface {
	request(context.Context, *nacoswire.Payload) (*nacoswire.Payload, error)
}

var _ unary = (*Server)(nil)

// connection is a TCP connection of a client. Its ID is what the client is told in ServerCheckResponse; requests belong to the
// session that the stream on the same connection began.
type connection struct {
	id      string
	client  string       // address
	tcp     *trackedConn // nil: it is gone already
	session atomic.Pointer[session]
}

// room is what the connection has on its way; nil where it is gone.
func (c *connection) room() *room {
	if c == nil || c.tcp == nil {
		return nil
	}
	return &c.tcp.room
}

// cut closes the TCP connection under everything that runs on it.
func (c *connection) cut() {
	if c.tcp != nil {
		c.tcp.Close()
	}
}

// connections knows the open TCP connections. As a stats.Handler it lays the connection into the context of its calls;
// as a listener it keeps the sockets, because grpc-go has no other way to close one of them.
type connections struct {
	log    *complaints
	places chan struct{} // see room
	mu     sync.Mutex
	open   map[string]*trackedConn // by the client's address
	seq    atomic.Uint64
}

type connectionKey struct{}

func connectionOf(ctx context.Context) *connection {
	c, _ := ctx.Value(connectionKey{}).(*connection)
	return c
}

var _ stats.Handler = (*connections)(nil)

// TagConn is called when a connection has been accepted.
func (cs *connections) TagConn(ctx context.Context, info *stats.ConnTagInfo) context.Context {
	client := info.RemoteAddr.String()
	cs.mu.Lock()
	tcp := cs.open[client]
	if tcp != nil {
		tcp.greeted = true
	}
	cs.mu.Unlock()
	id := strconv.FormatInt(time.Now().UnixMilli(), 10) + "_" + strings.ReplaceAll(client, ":", "_") + "_" +
		strconv.FormatUint(cs.seq.Add(1), 10)
	return context.WithValue(ctx, connectionKey{}, &connection{id: id, client: client, tcp: tcp})
}

// HandleConn has nothing to do: a connection that ends ends its stream.
func (cs *connections) HandleConn(context.Context, stats.ConnStats) {}

// TagRPC has nothing to add.
func (cs *connections) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC counts calls and their heads, and notes messages that cannot be read: gRPC answers these itself.
func (cs *connections) HandleRPC(ctx context.Context, s stats.RPCStats) {
	switch s := s.(type) {
	case *stats.InHeader:
		connectionOf(ctx).room().settle(s.WireLength + frameHead)
	case *stats.Begin:
		connectionOf(ctx).room().call(1)
	case *stats.End:
		c := connectionOf(ctx)
		c.room().call(-1)
		switch status.Code(s.Error) {
		case codes.ResourceExhausted, codes.Internal, codes.Unimplemented, codes.FailedPrecondition, codes.InvalidArgument:
			if c != nil {
				cs.log.warn("gRPC", c.client, s.Error)
			}
		}
	}
}

// cut closes all sockets.
func (cs *connections) cut() { cs.cutThose(func(*trackedConn) bool { return true }) }

// cutMute closes the sockets whose client has not said yet that it speaks HTTP/2; gRPC would wait for it.
func (cs *connections) cutMute() { cs.cutThose(func(c *trackedConn) bool { return !c.greeted }) }

func (cs *connections) cutThose(which func(*trackedConn) bool) {
	cs.mu.Lock()
	var all []net.Conn
	for _, c := range cs.open {
		if which(c) {
			all = append(all, c)
		}
	}
	cs.mu.Unlock()
	for _, c := range all {
		c.Close()
	}
}

func (cs *connections) listen(l net.Listener) net.Listener { return &trackedListener{l, cs} }

type trackedListener struct {
	net.Listener
	all *connections
}

// Accept keeps the socket until it is closed.
func (l *trackedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	t := &trackedConn{Conn: c, all: l.all, room: room{places: l.all.places, gone: make(chan struct{})}}
	l.all.mu.Lock()
	l.all.open[c.RemoteAddr().String()] = t
	l.all.mu.Unlock()
	return t, nil
}

type trackedConn struct {
	net.Conn
	all     *connections
	greeted bool // guarded by the mutex of all
	room    room
}

// Close forgets the socket.
func (c *trackedConn) Close() error {
	key := c.RemoteAddr().String()
	c.all.mu.Lock()
	if c.all.open[key] == c {
		delete(c.all.open, key)
	}
	c.all.mu.Unlock()
	c.room.end()
	return c.Conn.Close()
}
