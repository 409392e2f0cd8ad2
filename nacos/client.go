package nacos

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"paifang/internal/nacosconn"
	"paifang/internal/nacoswire"
)

// ErrClosed is the error of calls on a client that was closed.
var ErrClosed = errors.New("nacos: the client is closed")

// Options say where the registry is, and as whom the program comes. Servers is required.
type Options struct {
	Servers   []string      // host:port of HTTP; gRPC is expected 1000 above; tried in turn
	GRPC      []string      // host:port of gRPC, where it is elsewhere; as many as Servers
	Namespace string        // default "public"
	Username  string        // default: nobody logs in
	Password  string        //
	TLS       *tls.Config   // default: clear text
	Timeout   time.Duration // of one request; default 3 s
}

// Client is a connection to a registry, made again whenever it is lost. It is used by any number of goroutines.
type Client struct {
	opt    Options
	tokens *nacosconn.Tokens
	end    context.CancelFunc
	done   chan struct{} // closed when the client's goroutine has returned
	stale  chan struct{} // a configuration that is followed has changed

	publishing sync.Mutex // one list is on its way at a time, or the older one might arrive last

	mu        sync.Mutex
	conn      *nacosconn.Conn // nil while there is none
	changed   chan struct{}   // closed when conn becomes another one
	published map[Service][]Instance
	lists     map[Service]*followed[[]Instance]
	configs   map[Config]*followed[string]
	asked     map[Config]bool // configurations to be read again
}

// followed is the newest value of something, and who waits for another one.
type followed[T any] struct {
	value   T
	known   bool
	version int64         // of the server, for lists
	news    chan struct{} // closed and replaced with every value
	users   int
}

func (f *followed[T]) set(v T) {
	f.value, f.known = v, true
	close(f.news)
	f.news = make(chan struct{})
}

// again is how long the client waits before it tries all servers again.
const again = time.Second

// Connect connects to the first server that answers, and fails when none does. The client lives until Close.
func Connect(ctx context.Context, opt Options) (*Client, error) {
	if len(opt.Servers) == 0 {
		return nil, errors.New("nacos: connect: no servers are given")
	}
	if len(opt.GRPC) == 0 {
		for _, s := range opt.Servers {
			g, err := above(s)
			if err != nil {
				return nil, err
			}
			opt.GRPC = append(opt.GRPC, g)
		}
	}
	opt.Namespace = cmp.Or(opt.Namespace, nacoswire.PublicNamespace)
	opt.Timeout = cmp.Or(opt.Timeout, 3*time.Second)
	var login *nacosconn.Login
	if opt.Username != "" {
		login = &nacosconn.Login{Servers: opt.Servers, Username: opt.Username, Password: opt.Password}
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	c := &Client{
		opt: opt, tokens: nacosconn.NewTokens(login, opt.TLS), end: end, done: make(chan struct{}), stale: make(chan struct{}, 1), changed: make(chan struct{}),
		published: map[Service][]Instance{}, lists: map[Service]*followed[[]Instance]{}, configs: map[Config]*followed[string]{}, asked: map[Config]bool{},
	}
	stop := context.AfterFunc(ctx, end) // while it connects for the first time
	conn, err := c.dial(life)
	if !stop() && err == nil {
		conn.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		end()
		return nil, err
	}
	c.conn = conn
	go c.keep(life, conn)
	return c, nil
}

// above is the gRPC address of a server of which the HTTP address is known.
func above(server string) (string, error) {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		return "", fmt.Errorf("nacos: server %q: want host:port: %w", server, err)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n+nacoswire.GRPCPortOffset > 65535 {
		return "", fmt.Errorf("nacos: server %q: port %q: want 1 to %d", server, port, 65535-nacoswire.GRPCPortOffset)
	}
	return net.JoinHostPort(host, strconv.Itoa(n+nacoswire.GRPCPortOffset)), nil
}

// Close ends the connection, and with it everything that was registered by it; calls that wait return. It returns when no goroutine
// is left.
func (c *Client) Close() {
	c.end()
	<-c.done
}

// dial tries each server once.
func (c *Client) dial(ctx context.Context) (*nacosconn.Conn, error) {
	var errs []error
	for _, server := range c.opt.GRPC {
		conn, err := nacosconn.Dial(ctx, nacosconn.Config{
			Server: server, Namespace: c.opt.Namespace, TLS: c.opt.TLS, Tokens: c.tokens, Timeout: c.opt.Timeout, Handle: c.handle,
		})
		if err == nil {
			return conn, nil
		}
		errs = append(errs, fmt.Errorf("nacos: connect %s: %w", server, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// keep has a connection until ctx ends, and has it know what the client registers and follows.
func (c *Client) keep(ctx context.Context, conn *nacosconn.Conn) {
	defer close(c.done)
	for {
		c.serve(ctx, conn)
		c.use(nil)
		conn.Close()
		for {
			if ctx.Err() != nil {
				return
			}
			var err error
			if conn, err = c.dial(ctx); err == nil {
				break
			}
			select {
			case <-time.After(again):
			case <-ctx.Done():
				return
			}
		}
		if err := c.redo(ctx, conn); err != nil {
			conn.End(err)
		}
		c.use(conn)
	}
}

// serve waits for the end of a connection, and reads configurations that have changed meanwhile.
func (c *Client) serve(ctx context.Context, conn *nacosconn.Conn) {
	for {
		select {
		case <-c.stale:
			if err := c.readStale(ctx, conn); err != nil {
				conn.End(err)
			}
		case <-conn.Context().Done():
			return
		}
	}
}

func (c *Client) use(conn *nacosconn.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	close(c.changed)
	c.changed = make(chan struct{})
}

// redo has a new connection know everything.
func (c *Client) redo(ctx context.Context, conn *nacosconn.Conn) error {
	c.mu.Lock()
	var published []Service
	for s := range c.published {
		published = append(published, s)
	}
	var follow []Service
	for s := range c.lists {
		follow = append(follow, s)
	}
	var listen []Config
	for id := range c.configs {
		listen = append(listen, id)
	}
	c.mu.Unlock()
	for _, s := range published {
		if err := c.publish(ctx, conn, s); err != nil {
			return err
		}
	}
	for _, s := range follow {
		if err := c.subscribe(ctx, conn, s); err != nil {
			return err
		}
	}
	for _, id := range listen {
		if err := c.listen(ctx, conn, id, true); err != nil {
			return err
		}
	}
	return nil
}

// do makes a request on the present connection, and on the next one where that is lost. It fails when ctx ends, when the server
// says no, and when the client is closed.
func (c *Client) do(ctx context.Context, f func(*nacosconn.Conn) error) error {
	for {
		c.mu.Lock()
		conn, changed := c.conn, c.changed
		c.mu.Unlock()
		if conn != nil {
			err := f(conn)
			if err == nil || !lost(err, conn) {
				return err
			}
			conn.End(err)
		}
		select {
		case <-changed:
		case <-c.done:
			return ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// lost tells whether a request failed for its connection, and not for what it asks.
func lost(err error, conn *nacosconn.Conn) bool {
	if no := (*nacosconn.ServerError)(nil); errors.As(err, &no) {
		return no.Code == nacoswire.ErrorUnregistered || no.Code == nacoswire.ErrorStarting
	}
	return conn.Context().Err() != nil
}

// handle takes what the server sends.
func (c *Client) handle(p *nacoswire.Payload) (string, error) {
	switch p.Type {
	case nacoswire.TypeNotifySubscriber:
		q, err := nacoswire.Decode[nacoswire.NotifySubscriberRequest](p)
		if err != nil {
			return "", err
		}
		if q.ServiceInfo != nil {
			c.offer(serviceOf(q.ServiceRef), q.ServiceInfo)
		}
		return nacoswire.TypeNotifyAnswer, nil
	case nacoswire.TypeConfigChange:
		q, err := nacoswire.Decode[nacoswire.ConfigChangeRequest](p)
		if err != nil {
			return "", err
		}
		c.ask(configOf(q.ConfigRef))
		return nacoswire.TypeConfigChangeAnswer, nil
	}
	return "", nil
}
