package nacos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/source"
)

// session is one connection to one server.
type session struct {
	src    *Source
	server string
	conn   *grpc.ClientConn
	stream grpc.ClientStream
	end    context.CancelCauseFunc // of the session's context: what went wrong
	work   sync.WaitGroup
	services
}

// maxMessage bounds what a server may send at once; Nacos' own limit.
const maxMessage = 10 << 20

// serverError is an answer that says no.
type serverError struct {
	code    int
	message string
}

func (e *serverError) Error() string { return fmt.Sprintf("the server says %d: %s", e.code, e.message) }

// open connects and sets the connection up. The context it returns ends with the session, and says why.
func (s *Source) open(ctx context.Context, server string) (context.Context, *session, error) {
	secure := insecure.NewCredentials()
	if s.cfg.TLS != nil {
		secure = credentials.NewTLS(s.cfg.TLS.Clone())
	}
	conn, err := grpc.NewClient("passthrough:///"+server,
		grpc.WithTransportCredentials(secure),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(nacoswire.Codec{}), grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute, Timeout: 20 * time.Second}),
	)
	if err != nil {
		return nil, nil, err
	}
	x := &session{src: s, server: server, conn: conn}
	x.services.init()
	ctx, x.end = context.WithCancelCause(ctx)
	if err := x.handshake(ctx); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // what ended the session, rather than what failed for it
		}
		x.close()
		return nil, nil, err
	}
	return ctx, x, nil
}

// close ends the connection and waits for the session's goroutines.
func (x *session) close() {
	x.end(nil)
	_ = x.conn.Close() // fails only when it is closed
	x.work.Wait()
}

// handshake checks the server, opens the stream and waits until the server has taken note of it.
func (x *session) handshake(ctx context.Context) error {
	check, err := call[nacoswire.ServerCheckResponse](ctx, x, nacoswire.TypeServerCheck, nacoswire.Request{})
	if err != nil {
		return err
	}
	x.stream, err = x.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, nacoswire.FullStreamMethod)
	if err != nil {
		return err
	}
	err = x.send(nacoswire.TypeConnectionSetup, nacoswire.ConnectionSetupRequest{
		Request:       nacoswire.Request{Module: nacoswire.ModuleNaming},
		ClientVersion: "Paifang",
		Tenant:        x.src.cfg.Namespace,
		Labels:        map[string]string{"source": "sdk", "module": nacoswire.ModuleNaming, "AppName": "paifang"},
		AbilityTable:  map[string]bool{},
	})
	if err != nil {
		return fmt.Errorf("connection lost: %w", err)
	}
	ready := make(chan struct{})
	x.work.Go(func() { x.end(x.receive(ready)) })
	if check.SupportAbilityNegotiation {
		// Servers acknowledge since 2.3. One that does not is asked below.
		select {
		case <-ready:
		case <-time.After(x.src.cfg.Timeout):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	var no *serverError
	for end := time.Now().Add(x.src.cfg.Timeout); ; {
		_, err := call[nacoswire.Response](ctx, x, nacoswire.TypeHealthCheck, nacoswire.Request{})
		if !errors.As(err, &no) || no.code != nacoswire.ErrorUnregistered || time.Now().After(end) {
			return err
		}
		select { // older servers answer before they have read the setup
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// call makes a unary request. An ErrorResponse, or an answer without success, is an error.
func call[A, Q any](ctx context.Context, x *session, typ string, q Q) (A, error) {
	var none A
	p, err := nacoswire.NewPayload(typ, q)
	if err != nil {
		return none, err
	}
	ctx, cancel := context.WithTimeout(ctx, x.src.cfg.Timeout)
	defer cancel()
	token, err := x.src.tokens.get(ctx)
	if err != nil {
		return none, err
	}
	if token != "" {
		p.Headers = map[string]string{"accessToken": token}
	}
	var out nacoswire.Payload
	if err := x.conn.Invoke(ctx, nacoswire.FullRequestMethod, p, &out); err != nil {
		return none, fmt.Errorf("%s: %w", typ, err)
	}
	head, err := nacoswire.Decode[nacoswire.Response](&out)
	if err != nil {
		return none, err
	}
	if head.ErrorCode == nacoswire.ErrorNoRight {
		x.src.tokens.drop(token) // the next request logs in again
	}
	if head.ResultCode != nacoswire.ResultOK {
		return none, fmt.Errorf("%s: %w", typ, &serverError{head.ErrorCode, head.Message})
	}
	return nacoswire.Decode[A](&out)
}

// send writes to the stream; only the handshake and then the receiver do.
func (x *session) send(typ string, m any) error {
	p, err := nacoswire.NewPayload(typ, m)
	if err != nil {
		return err
	}
	return x.stream.SendMsg(p)
}

// receive takes what the server sends, and acknowledges it, until the connection ends. It returns why.
func (x *session) receive(ready chan<- struct{}) error {
	for {
		var p nacoswire.Payload
		if err := x.stream.RecvMsg(&p); err != nil {
			return fmt.Errorf("nacos: %s: connection lost: %w", x.server, err)
		}
		head, err := nacoswire.Decode[nacoswire.Request](&p)
		if err != nil {
			return fmt.Errorf("nacos: %s: %w", x.server, err)
		}
		answer, reset := "", false
		switch p.Type {
		case nacoswire.TypeSetupAck:
			if ready != nil {
				close(ready)
				ready = nil
			}
			continue
		case nacoswire.TypeNotifySubscriber:
			q, err := nacoswire.Decode[nacoswire.NotifySubscriberRequest](&p)
			if err != nil {
				return fmt.Errorf("nacos: %s: %w", x.server, err)
			}
			if q.ServiceInfo != nil {
				x.offer(keyOf(q.ServiceRef), q.ServiceInfo, pushed)
			}
			answer = nacoswire.TypeNotifyAnswer
		case nacoswire.TypeClientDetection:
			answer = nacoswire.TypeDetectionAnswer
		case nacoswire.TypeConnectReset:
			answer, reset = nacoswire.TypeConnectResetAnswer, true
		default:
			continue // something newer than this client; it did not say that it can do it
		}
		if err := x.send(answer, nacoswire.OK(head.RequestID)); err != nil {
			return fmt.Errorf("nacos: %s: connection lost: %w", x.server, err)
		}
		if reset {
			return fmt.Errorf("nacos: %s: the server asked to connect again", x.server)
		}
	}
}

// run lists, subscribes and sends until the session ends.
func (x *session) run(ctx context.Context, out chan<- source.Update) error {
	if err := x.look(ctx); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return err
	}
	x.work.Go(func() { x.end(x.watch(ctx)) })
	first, _ := x.take()
	updates := []source.Update{{Groups: first, Full: true, Doubt: registry.Doubt}}
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

// watch looks for services again and again. One look that fails may be chance; the second one is not.
func (x *session) watch(ctx context.Context) error {
	tick := time.NewTicker(x.src.cfg.Poll)
	defer tick.Stop()
	for failed := false; ; {
		select {
		case <-tick.C:
		case <-x.src.used:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		err := x.look(ctx)
		if err != nil && (failed || !errors.Is(err, context.DeadlineExceeded)) {
			return err
		}
		failed = err != nil
	}
}
