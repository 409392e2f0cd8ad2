package grpc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// watching notes what a server sees of its calls.
type watching struct {
	testgrpc.TestServiceServer
	begun, ended chan string
	deadline     atomic.Int64 // of the last call, from its begin
}

func newWatching() *watching {
	return &watching{TestServiceServer: interop.NewTestServer(), begun: make(chan string, 100), ended: make(chan string, 100)}
}

// UnaryCall waits until its client has gone.
func (w *watching) UnaryCall(ctx context.Context, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	if r.GetFillUsername() { // the mark of calls that wait
		if d, ok := ctx.Deadline(); ok {
			w.deadline.Store(int64(time.Until(d)))
		}
		w.begun <- "unary"
		<-ctx.Done()
		w.ended <- ctx.Err().Error()
		return nil, ctx.Err()
	}
	return w.TestServiceServer.UnaryCall(ctx, r)
}

// StreamingInputCall sends nothing and waits.
func (w *watching) StreamingInputCall(s testgrpc.TestService_StreamingInputCallServer) error {
	w.begun <- "stream"
	<-s.Context().Done()
	w.ended <- s.Context().Err().Error()
	return s.Context().Err()
}

// TestDeadlinesAndCancellation reach the server.
func TestDeadlinesAndCancellation(t *testing.T) {
	w := newWatching()
	s := start(t, serve(t, w).addr)
	c := testgrpc.NewTestServiceClient(s.dial())
	ended := func() {
		t.Helper()
		select {
		case <-w.ended:
		case <-time.After(10 * time.Second):
			t.Fatal("the server is not told")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if _, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{FillUsername: true}); status.Code(err) != codes.DeadlineExceeded {
		t.Error(err)
	}
	ended()
	if d := time.Duration(w.deadline.Load()); d <= 0 || d > 300*time.Millisecond {
		t.Errorf("the server's deadline is in %v", d)
	}
	<-w.begun
	ctx, cancel = context.WithCancel(context.Background())
	stream, err := c.StreamingInputCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&testgrpc.StreamingInputCallRequest{}); err != nil {
		t.Fatal(err)
	}
	<-w.begun
	cancel()
	ended()
	if _, err := c.EmptyCall(context.Background(), &testgrpc.Empty{}); err != nil { // the connection is as good as before
		t.Error(err)
	}
}

// TestMessages: large ones, many of them, and what metadata may be.
func TestMessages(t *testing.T) {
	s := start(t, serve(t, interop.NewTestServer()).addr)
	c := testgrpc.NewTestServiceClient(s.dial())
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	r, err := c.UnaryCall(context.Background(), &testgrpc.SimpleRequest{ResponseSize: 16 << 20, Payload: &testgrpc.Payload{Body: body}})
	if err != nil || len(r.GetPayload().GetBody()) != 16<<20 {
		t.Errorf("%d bytes, %v", len(r.GetPayload().GetBody()), err)
	}

	stream, err := c.FullDuplexCall(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		want := i * 37 % 5000
		if err := stream.Send(&testgrpc.StreamingOutputCallRequest{ResponseParameters: []*testgrpc.ResponseParameters{{Size: int32(want)}}}); err != nil {
			t.Fatal(err)
		}
		if m, err := stream.Recv(); err != nil || len(m.GetPayload().GetBody()) != want {
			t.Fatalf("%d: %d bytes, %v", i, len(m.GetPayload().GetBody()), err)
		}
	}
	_ = stream.CloseSend()
	if _, err := stream.Recv(); err != io.EOF {
		t.Error(err)
	}

	var header, trailer metadata.MD
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-grpc-test-echo-initial", strings.Repeat("v", 20_000), "x-grpc-test-echo-trailing-bin", string([]byte{0, 1, 255, 10, 13}))
	if _, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{}, grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
		t.Error(err)
	}
	if len(header.Get("x-grpc-test-echo-initial")[0]) != 20_000 || trailer.Get("x-grpc-test-echo-trailing-bin")[0] != string([]byte{0, 1, 255, 10, 13}) {
		t.Errorf("%v %v", header, trailer)
	}
}

// TestManyCalls: several hundred at a time, on a few connections.
func TestManyCalls(t *testing.T) {
	s := start(t, serve(t, interop.NewTestServer()).addr)
	var wg sync.WaitGroup
	for range 3 {
		c := testgrpc.NewTestServiceClient(s.dial())
		for i := range 150 {
			wg.Go(func() {
				for range 5 {
					r, err := c.UnaryCall(context.Background(), &testgrpc.SimpleRequest{ResponseSize: int32(100 * i), Payload: &testgrpc.Payload{Body: make([]byte, 50*i)}})
					if err != nil || len(r.GetPayload().GetBody()) != 100*i {
						t.Errorf("%v", err)
					}
				}
			})
		}
	}
	wg.Wait()
}

// TestNobodyAnswers: what gRPC's clients make of answers that are Paifang's own.
func TestNobodyAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		addrs []string
		code  codes.Code
	}{"no endpoint": {nil, codes.Unavailable}, "no server there": {free(t, 1), codes.Unavailable}} {
		t.Run(name, func(t *testing.T) {
			s := start(t, c.addrs...)
			_, err := testgrpc.NewTestServiceClient(s.dial()).EmptyCall(context.Background(), &testgrpc.Empty{})
			if status.Code(err) != c.code || !strings.Contains(status.Convert(err).Message(), "The service behind this address") {
				t.Error(err)
			}
			if _, err := testgrpc.NewUnimplementedServiceClient(s.dial()).UnimplementedCall(context.Background(), &testgrpc.Empty{}); status.Code(err) != codes.Unimplemented {
				t.Error(err)
			}
		})
	}
}

// TestServerDies: a call to a server that is killed ends, and is not left hanging.
func TestServerDies(t *testing.T) {
	w := newWatching()
	srv := serve(t, w)
	s := start(t, srv.addr)
	stream, err := testgrpc.NewTestServiceClient(s.dial()).StreamingInputCall(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&testgrpc.StreamingInputCallRequest{}); err != nil {
		t.Fatal(err)
	}
	<-w.begun
	srv.Stop()
	if _, err := stream.CloseAndRecv(); status.Code(err) != codes.Unavailable && status.Code(err) != codes.Canceled {
		t.Error(err)
	}
}

// TestServersComeAndGo: one of two servers is replaced again and again under load, and asks its clients to go each time. No
// call fails.
func TestServersComeAndGo(t *testing.T) {
	stays, goes := serve(t, interop.NewTestServer()), serve(t, interop.NewTestServer())
	s := start(t, stays.addr, goes.addr)
	stop := make(chan struct{})
	var done atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		c := testgrpc.NewTestServiceClient(s.dial())
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := c.UnaryCall(context.Background(), &testgrpc.SimpleRequest{ResponseSize: 100, Payload: &testgrpc.Payload{Body: make([]byte, 100)}}); err != nil {
					t.Errorf("after %d calls: %v", done.Load(), err)
				}
				done.Add(1)
			}
		})
	}
	for range 10 {
		n := done.Load()
		eventually(t, func() bool { return done.Load() > n+200 })
		next := serve(t, interop.NewTestServer())
		s.routes(1, stays.addr, next.addr)
		goes.GracefulStop()
		goes = next
	}
	close(stop)
	wg.Wait()
	t.Logf("%d calls", done.Load())
}

// TestRoutesChange: a stream goes on while routes come and go, its own among those that stay.
func TestRoutesChange(t *testing.T) {
	srv := serve(t, interop.NewTestServer())
	s := start(t, srv.addr)
	stream, err := testgrpc.NewTestServiceClient(s.dial()).FullDuplexCall(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	say := func() {
		t.Helper()
		if err := stream.Send(&testgrpc.StreamingOutputCallRequest{ResponseParameters: []*testgrpc.ResponseParameters{{Size: 10}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	client := &http.Client{Timeout: 5 * time.Second}
	for i := range 20 {
		n := 2 + i%3
		s.routes(n, srv.addr)
		eventually(t, func() bool { // the last one is there, and the one behind it is not
			say()
			return served(client, s.clear, n-1) && !served(client, s.clear, n)
		})
	}
	_ = stream.CloseSend()
	if _, err := stream.Recv(); err != io.EOF {
		t.Error(err)
	}
}

// served tells whether a route answers.
func served(c *http.Client, addr string, i int) bool {
	resp, err := c.Get(fmt.Sprintf("http://%s/other/%d", addr, i))
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.Header.Get("X-Paifang-Reason") != "no-route"
}
