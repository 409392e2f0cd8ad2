package nacos

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
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
	Log       *slog.Logger  // says when the registry is lost and there again; default: nothing is logged
}

// prepare checks the options and sets what is not given.
func (o *Options) prepare() error {
	if len(o.Servers) == 0 {
		return errors.New("nacos: connect: no servers are given")
	}
	if len(o.GRPC) == 0 {
		for _, s := range o.Servers {
			g, err := above(s)
			if err != nil {
				return err
			}
			o.GRPC = append(o.GRPC, g)
		}
	}
	o.Namespace = cmp.Or(o.Namespace, nacoswire.PublicNamespace)
	o.Timeout = cmp.Or(o.Timeout, 3*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Client is a connection to a registry, made again whenever it is lost. It is used by any number of goroutines.
type Client struct {
	opt    Options
	tokens *nacosconn.Tokens
	end    context.CancelFunc
	done   chan struct{} // closed when the client's goroutine has returned
	stale  chan struct{} // a configuration that is followed has changed
	moves  chan struct{} // the server asks to connect elsewhere

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
	version int64         // for lists: the server's lastRefTime
	news    chan struct{} // closed and replaced with every value
	users   int
}

func (f *followed[T]) set(v T) {
	f.value, f.known = v, true
	close(f.news)
	f.news = make(chan struct{})
}

// Times of the connection.
const (
	again = time.Second     // before all servers are tried again
	pulse = 5 * time.Second // between questions whether the server is there; of two that fail the second one is no chance
)

// Connect connects to the first server that answers, and fails when none does. The client lives until Close.
func Connect(ctx context.Context, opt Options) (*Client, error) {
	if err := opt.prepare(); err != nil {
		return nil, err
	}
	var login *nacosconn.Login
	if opt.Username != "" {
		login = &nacosconn.Login{Servers: opt.Servers, Username: opt.Username, Password: opt.Password}
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	c := &Client{
		opt: opt, tokens: nacosconn.NewTokens(login, opt.TLS), end: end, done: make(chan struct{}), stale: make(chan struct{}, 1), moves: make(chan struct{}, 1), changed: make(chan struct{}),
		published: map[Service][]Instance{}, lists: map[Service]*followed[[]Instance]{}, configs: map[Config]*followed[string]{}, asked: map[Config]bool{},
	}
	stop := context.AfterFunc(ctx, end) // while it connects for the first time
	conn, err := c.dial(life, "")
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

// dial tries each server once, and those that come behind one which sends its clients away before that one.
func (c *Client) dial(ctx context.Context, behind string) (*nacosconn.Conn, error) {
	first := slices.Index(c.opt.GRPC, behind) + 1
	var errs []error
	for _, server := range slices.Concat(c.opt.GRPC[first:], c.opt.GRPC[:first]) {
		conn, err := nacosconn.Dial(ctx, nacosconn.Config{
			Server: server, Namespace: c.opt.Namespace, TLS: c.opt.TLS, Tokens: c.tokens, Timeout: c.opt.Timeout, Handle: c.handle,
			Leave: func() {
				select {
				case c.moves <- struct{}{}:
				default: // it has been asked already
				}
			},
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
	for refused := error(nil); ; {
		if c.serve(ctx, conn, refused) {
			if next, no := c.connectAgain(ctx, conn.Server()); next != nil {
				c.opt.Log.Info("nacos: the registry sent its clients elsewhere", "from", conn.Server(), "to", next.Server())
				c.use(next)
				conn.Close()
				conn, refused = next, no
				continue
			}
			conn.End(errors.New("nacos: the server asked to connect elsewhere, and no other one answers"))
		}
		c.use(nil)
		conn.Close()
		select {
		case <-c.moves: // what the lost server asked for is not said by the next one
		default:
		}
		if ctx.Err() != nil {
			return
		}
		c.opt.Log.Warn("nacos: the registry is lost, trying again", "error", context.Cause(conn.Context()))
		for {
			if conn, refused = c.connectAgain(ctx, ""); conn != nil {
				break
			}
			select {
			case <-time.After(again):
			case <-ctx.Done():
				return
			}
		}
		c.opt.Log.Info("nacos: the registry is there again")
		c.use(conn)
	}
}

// connectAgain returns a connection that knows everything but what the server refuses; nil where there is none.
func (c *Client) connectAgain(ctx context.Context, behind string) (conn *nacosconn.Conn, refused error) {
	conn, err := c.dial(ctx, behind)
	if err != nil {
		return nil, nil
	}
	if refused, err = c.redo(ctx, conn); err != nil {
		conn.Close()
		return nil, nil
	}
	return conn, refused
}

// serve waits for the end of a connection, reads configurations that have changed meanwhile, and asks whether the server is there.
// What the server has refused to know is tried again. It returns whether the connection stands and the server asks to connect elsewhere: what is
// registered by a connection goes with it, so there must be another one first.
func (c *Client) serve(ctx context.Context, conn *nacosconn.Conn, refused error) (elsewhere bool) {
	beat := time.NewTicker(pulse)
	defer beat.Stop()
	for failed := false; ; {
		select {
		case <-c.stale:
			if err := c.readStale(ctx, conn); err != nil {
				conn.End(err)
			}
		case <-beat.C:
			_, err := nacosconn.Call[nacoswire.Response](conn.Context(), conn, nacoswire.TypeHealthCheck, nacoswire.Request{})
			if err == nil && refused != nil {
				refused, err = c.redo(ctx, conn)
			}
			if err != nil && (failed || !errors.Is(err, context.DeadlineExceeded)) {
				conn.End(err)
			}
			failed = err != nil
		case <-c.moves:
			return true
		case <-conn.Context().Done():
			return false
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

// redo has a new connection know everything. What the server refuses leaves the rest as it is.
func (c *Client) redo(ctx context.Context, conn *nacosconn.Conn) (refused, err error) {
	c.mu.Lock()
	var published []Service
	for s := range c.published {
		published = append(published, s)
	}
	var follow []Service
	for s, list := range c.lists {
		list.version = 0 // versions are the server's, and the clock of this one may be behind
		follow = append(follow, s)
	}
	var listen []Config
	for id := range c.configs {
		listen = append(listen, id)
	}
	c.mu.Unlock()
	var tasks []func() error
	for _, s := range published {
		tasks = append(tasks, func() error { return c.publish(ctx, conn, s) })
	}
	for _, s := range follow {
		tasks = append(tasks, func() error { return c.subscribe(ctx, conn, s) })
	}
	for _, id := range listen {
		tasks = append(tasks, func() error { return c.listen(ctx, conn, id, true) })
	}
	var said []error
	for _, task := range tasks {
		err := task()
		if no := (*nacosconn.ServerError)(nil); err != nil && (lost(err, conn) || !errors.As(err, &no)) {
			return nil, err
		}
		said = append(said, err)
	}
	if refused = errors.Join(said...); refused != nil {
		c.opt.Log.Warn("nacos: the registry refuses what it is to know, trying again", "error", refused)
	}
	return refused, nil
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
			c.offer(Service{q.ServiceInfo.Name, q.ServiceInfo.GroupName}.plain(), q.ServiceInfo, pushed)
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
