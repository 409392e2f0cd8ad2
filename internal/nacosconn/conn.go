package nacosconn

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"paifang/internal/nacoswire"
)

// Config says how to connect. Server is required.
type Config struct {
	Server    string        // host:port of gRPC
	Namespace string        // told to the server
	Module    string        // nacoswire.ModuleNaming or ModuleConfig; default the former
	TLS       *tls.Config   // default: clear text
	Tokens    *Tokens       // default: none are asked for
	Timeout   time.Duration // of one request; default 3 s

	// Handle takes a message of the server, other than those of the connection itself, and returns the type of the answer;
	// empty: none. It is called by one goroutine. An error ends the connection.
	Handle func(*nacoswire.Payload) (answer string, err error)

	// Leave is called when the server asks the client to connect elsewhere, by the goroutine of Handle: the owner ends the connection when
	// there is another one. Without it such a connection ends at once.
	Leave func()
}

// maxMessage bounds what a server may send at once; Nacos' own limit.
const maxMessage = 10 << 20

// ServerError is an answer that says no.
type ServerError struct {
	Code    int // nacoswire.ErrorNoRight and its like
	Message string
}

// Error has the code and the server's words.
func (e *ServerError) Error() string { return fmt.Sprintf("the server says %d: %s", e.Code, e.Message) }

// Conn is a connection. Its owner closes it; it ends by itself when it is lost.
type Conn struct {
	cfg    Config
	conn   *grpc.ClientConn
	stream grpc.ClientStream
	ctx    context.Context
	end    context.CancelCauseFunc // what ended it
	work   sync.WaitGroup

	abilities map[string]bool // of the server; set before Dial returns
}

// Dial connects and sets the connection up. It lives no longer than ctx.
func Dial(ctx context.Context, cfg Config) (*Conn, error) {
	cfg.Module = cmp.Or(cfg.Module, nacoswire.ModuleNaming)
	cfg.Timeout = cmp.Or(cfg.Timeout, 3*time.Second)
	if cfg.Tokens == nil {
		cfg.Tokens = NewTokens(nil, nil)
	}
	secure := insecure.NewCredentials()
	if cfg.TLS != nil {
		secure = credentials.NewTLS(cfg.TLS.Clone())
	}
	conn, err := grpc.NewClient("passthrough:///"+cfg.Server,
		grpc.WithTransportCredentials(secure),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(nacoswire.Codec{}), grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute, Timeout: 20 * time.Second}),
	)
	if err != nil {
		return nil, err
	}
	c := &Conn{cfg: cfg, conn: conn}
	c.ctx, c.end = context.WithCancelCause(ctx)
	if err := c.handshake(); err != nil {
		if c.ctx.Err() != nil {
			err = context.Cause(c.ctx) // what ended the connection, rather than what failed for it
		}
		c.Close()
		return nil, err
	}
	return c, nil
}

// Server is what it is connected to, host:port.
func (c *Conn) Server() string { return c.cfg.Server }

// Context ends with the connection; its cause says why.
func (c *Conn) Context() context.Context { return c.ctx }

// End ends the connection for a reason, without waiting.
func (c *Conn) End(why error) { c.end(why) }

// Can tells whether the server has an ability beyond the basic protocol, such as "fuzzyWatch".
func (c *Conn) Can(ability string) bool { return c.abilities[ability] }

// Close ends the connection and waits for its goroutine.
func (c *Conn) Close() {
	c.end(nil)
	_ = c.conn.Close() // fails only when it is closed
	c.work.Wait()
}

// handshake checks the server, opens the stream and waits until the server has taken note of it.
func (c *Conn) handshake() error {
	ctx := c.ctx
	check, err := Call[nacoswire.ServerCheckResponse](ctx, c, nacoswire.TypeServerCheck, nacoswire.Request{})
	if err != nil {
		return err
	}
	c.stream, err = c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, nacoswire.FullStreamMethod)
	if err != nil {
		return err
	}
	err = c.send(nacoswire.TypeConnectionSetup, nacoswire.ConnectionSetupRequest{
		Request:       nacoswire.Request{Module: c.cfg.Module},
		ClientVersion: userAgent,
		Tenant:        c.cfg.Namespace,
		Labels:        map[string]string{"source": "sdk", "module": c.cfg.Module, "AppName": "paifang"},
		AbilityTable:  map[string]bool{"fuzzyWatch": true},
	})
	if err != nil {
		return fmt.Errorf("connection lost: %w", err)
	}
	ready := make(chan map[string]bool, 1)
	c.work.Go(func() { c.end(c.receive(ready)) })
	if check.SupportAbilityNegotiation {
		// Servers acknowledge since 2.3. One that does not is asked below.
		select {
		case c.abilities = <-ready:
		case <-time.After(c.cfg.Timeout):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	var no *ServerError
	for end := time.Now().Add(c.cfg.Timeout); ; {
		_, err := Call[nacoswire.Response](ctx, c, nacoswire.TypeHealthCheck, nacoswire.Request{})
		if !errors.As(err, &no) || no.Code != nacoswire.ErrorUnregistered || time.Now().After(end) {
			return err
		}
		select { // older servers answer before they have read the setup
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Call makes a unary request. An answer without success is a ServerError; none within Config.Timeout is context.DeadlineExceeded.
func Call[A, Q any](ctx context.Context, c *Conn, typ string, q Q) (A, error) {
	var none A
	p, err := nacoswire.NewPayload(typ, q)
	if err != nil {
		return none, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	token, err := c.cfg.Tokens.Get(ctx)
	if err != nil {
		return none, err
	}
	if token != "" {
		p.Headers = map[string]string{"accessToken": token}
	}
	var out nacoswire.Payload
	if err := c.conn.Invoke(ctx, nacoswire.FullRequestMethod, p, &out); err != nil {
		if ctx.Err() != nil { // gRPC's error hides it
			err = context.Cause(ctx)
		}
		return none, fmt.Errorf("%s: %w", typ, err)
	}
	head, err := nacoswire.Decode[nacoswire.Response](&out)
	if err != nil {
		return none, err
	}
	if head.ErrorCode == nacoswire.ErrorNoRight {
		c.cfg.Tokens.Drop(token) // the next request logs in again
	}
	if head.ResultCode != nacoswire.ResultOK {
		return none, fmt.Errorf("%s: %w", typ, &ServerError{head.ErrorCode, head.Message})
	}
	return nacoswire.Decode[A](&out)
}

// send writes to the stream; only the handshake and then the receiver do.
func (c *Conn) send(typ string, m any) error {
	p, err := nacoswire.NewPayload(typ, m)
	if err != nil {
		return err
	}
	return c.stream.SendMsg(p)
}

// receive takes what the server sends, and acknowledges it, until the connection ends. It returns why.
func (c *Conn) receive(ready chan<- map[string]bool) error {
	for {
		var p nacoswire.Payload
		if err := c.stream.RecvMsg(&p); err != nil {
			return fmt.Errorf("nacos: %s: connection lost: %w", c.cfg.Server, err)
		}
		head, err := nacoswire.Decode[nacoswire.Request](&p)
		if err != nil {
			return fmt.Errorf("nacos: %s: %w", c.cfg.Server, err)
		}
		answer, reset := "", false
		switch p.Type {
		case nacoswire.TypeSetupAck:
			q, err := nacoswire.Decode[nacoswire.SetupAckRequest](&p)
			if err != nil {
				return fmt.Errorf("nacos: %s: %w", c.cfg.Server, err)
			}
			select {
			case ready <- q.AbilityTable:
			default: // it was said before
			}
		case nacoswire.TypeClientDetection:
			answer = nacoswire.TypeDetectionAnswer
		case nacoswire.TypeConnectReset:
			answer, reset = nacoswire.TypeConnectResetAnswer, true
		default:
			if c.cfg.Handle == nil {
				continue
			}
			if answer, err = c.cfg.Handle(&p); err != nil {
				return fmt.Errorf("nacos: %s: %w", c.cfg.Server, err)
			}
		}
		if answer == "" {
			continue
		}
		if err := c.send(answer, nacoswire.OK(head.RequestID)); err != nil {
			return fmt.Errorf("nacos: %s: connection lost: %w", c.cfg.Server, err)
		}
		switch {
		case reset && c.cfg.Leave != nil:
			c.cfg.Leave()
		case reset:
			return fmt.Errorf("nacos: %s: the server asked to connect again", c.cfg.Server)
		}
	}
}
