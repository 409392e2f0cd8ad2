package nacos

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"paifang/internal/nacoswire"
)

// foreign is a server that does what a test tells it: what other servers do, and what none should.
type foreign struct {
	addr   string
	answer func(*nacoswire.Payload) *nacoswire.Payload
	stream func(grpc.ServerStream) error
}

func (f *foreign) start(t *testing.T) {
	t.Helper()
	g := grpc.NewServer(grpc.ForceServerCodecV2(nacoswire.Codec{}))
	g.RegisterService(&grpc.ServiceDesc{ServiceName: nacoswire.RequestService, HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: nacoswire.RequestMethod,
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var p nacoswire.Payload
			if err := decode(&p); err != nil {
				return nil, err
			}
			return f.answer(&p), nil
		},
	}}}, f)
	g.RegisterService(&grpc.ServiceDesc{ServiceName: nacoswire.StreamService, HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{{
		StreamName: nacoswire.StreamMethod, ServerStreams: true, ClientStreams: true,
		Handler: func(_ any, s grpc.ServerStream) error { return f.stream(s) },
	}}}, f)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	f.addr = l.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); _ = g.Serve(l) }()
	t.Cleanup(func() { g.Stop(); <-done })
}

func made[M any](typ string, m M) *nacoswire.Payload {
	p, err := nacoswire.NewPayload(typ, m)
	if err != nil {
		panic(err)
	}
	return p
}

// usual answers as a server does that has one service with one instance and knows no abilities.
func usual(p *nacoswire.Payload) *nacoswire.Payload {
	switch p.Type {
	case nacoswire.TypeServerCheck:
		return made(nacoswire.TypeServerCheckAnswer, nacoswire.ServerCheckResponse{Response: nacoswire.OK(""), ConnectionID: "c"})
	case nacoswire.TypeServiceList:
		return made(nacoswire.TypeServiceListAnswer, nacoswire.ServiceListResponse{Response: nacoswire.OK(""), Count: 1, ServiceNames: []string{"order"}})
	case nacoswire.TypeSubscribeService:
		return made(nacoswire.TypeSubscribeAnswer, nacoswire.ServiceResponse{Response: nacoswire.OK(""), ServiceInfo: &nacoswire.ServiceInfo{
			LastRefTime: 1, Hosts: []nacoswire.Instance{nacoswire.NewInstance("10.0.0.1", 80)},
		}})
	}
	return made(nacoswire.TypeHealthCheckAnswer, nacoswire.OK(""))
}

func hold(s grpc.ServerStream) error {
	<-s.Context().Done()
	return nil
}

// Servers before Nacos 2.3 do not acknowledge the setup, and answer 301 until they have read it.
func TestOldServer(t *testing.T) {
	var early atomic.Int32
	f := &foreign{stream: hold, answer: func(p *nacoswire.Payload) *nacoswire.Payload {
		if p.Type == nacoswire.TypeHealthCheck && early.Add(1) < 4 {
			return made(nacoswire.TypeErrorAnswer, nacoswire.Fail("", nacoswire.ErrorUnregistered, "Connection is unregistered."))
		}
		return usual(p)
	}}
	f.start(t)
	out, _ := run(t, t.Context(), New(Config{All: true, Servers: []string{f.addr}}))
	if u := next(t, out); text(u) != "public/DEFAULT_GROUP/order: 10.0.0.1:80 ready; " || early.Load() != 4 {
		t.Fatal(text(u))
	}
}

func TestServerFaults(t *testing.T) {
	push := func(body string) func(grpc.ServerStream) error {
		return func(s grpc.ServerStream) error {
			_ = s.SendMsg(&nacoswire.Payload{Type: nacoswire.TypeNotifySubscriber, Body: []byte(body)})
			return hold(s)
		}
	}
	refuse := func(typ string, code int) func(*nacoswire.Payload) *nacoswire.Payload {
		return func(p *nacoswire.Payload) *nacoswire.Payload {
			if p.Type == typ {
				return made(nacoswire.TypeErrorAnswer, nacoswire.Fail("", code, "refused"))
			}
			return usual(p)
		}
	}
	for name, c := range map[string]struct {
		foreign
		err string
	}{
		"starting":       {foreign{answer: refuse(nacoswire.TypeServerCheck, 300), stream: hold}, "300"},
		"not registered": {foreign{answer: refuse(nacoswire.TypeSubscribeService, 301), stream: hold}, "301"},
		"lists refused":  {foreign{answer: refuse(nacoswire.TypeServiceList, 403), stream: hold}, "403"},
		"broken answer": {foreign{answer: func(p *nacoswire.Payload) *nacoswire.Payload {
			return &nacoswire.Payload{Type: p.Type, Body: []byte("{")}
		}, stream: hold}, "decode"},
		"broken push": {foreign{answer: usual, stream: push(`{"serviceInfo":7}`)}, "decode"},
		"stream ends": {foreign{answer: usual, stream: func(grpc.ServerStream) error { return nil }}, "connection lost"},
		"reset": {foreign{answer: usual, stream: func(s grpc.ServerStream) error {
			_ = s.SendMsg(made(nacoswire.TypeConnectReset, nacoswire.Request{}))
			return hold(s)
		}}, "asked to connect again"},
		"hangs": {foreign{answer: func(*nacoswire.Payload) *nacoswire.Payload {
			time.Sleep(400 * time.Millisecond)
			return usual(&nacoswire.Payload{})
		}, stream: hold}, "deadline"}, // as the client or the end of the stream says it
		"many answers": {foreign{answer: refuse(nacoswire.TypeHealthCheck, 301), stream: hold}, "301"},
	} {
		t.Run(name, func(t *testing.T) {
			f := c.foreign
			f.start(t)
			out, ended := run(t, t.Context(), New(Config{All: true, Servers: []string{f.addr}, Timeout: 200 * time.Millisecond, Poll: 10 * time.Millisecond}))
			for {
				select {
				case u := <-out:
					if got := text(u); got != "public/DEFAULT_GROUP/order: 10.0.0.1:80 ready; " {
						t.Fatal(got)
					}
					continue
				case err := <-ended:
					if err == nil || !strings.Contains(strings.ToLower(err.Error()), c.err) {
						t.Fatalf("%v, want %s", err, c.err)
					}
				case <-time.After(10 * time.Second):
					t.Fatal("Run goes on")
				}
				break
			}
		})
	}
}

// One service that the server refuses does not hold up the others.
func TestServiceRefused(t *testing.T) {
	f := &foreign{stream: hold, answer: func(p *nacoswire.Payload) *nacoswire.Payload {
		switch {
		case p.Type == nacoswire.TypeServiceList:
			return made(nacoswire.TypeServiceListAnswer, nacoswire.ServiceListResponse{Response: nacoswire.OK(""), Count: 4, ServiceNames: []string{"order", "secret", "a b", ""}})
		case strings.Contains(string(p.Body), "secret"):
			return made(nacoswire.TypeErrorAnswer, nacoswire.Fail("", 403, "not allowed"))
		}
		return usual(p)
	}}
	f.start(t)
	out, ended := run(t, t.Context(), New(Config{All: true, Servers: []string{f.addr}, Poll: 10 * time.Millisecond}))
	if u := next(t, out); text(u) != "public/DEFAULT_GROUP/order: 10.0.0.1:80 ready; " || !u.Full {
		t.Fatal(text(u))
	}
	select {
	case err := <-ended:
		t.Fatal(err)
	case u := <-out:
		t.Fatal(text(u))
	case <-time.After(100 * time.Millisecond):
	}
}

// A server tells a watch of 500 services and of no further one. Where there are more, they are looked for.
func TestMoreServicesThanTheServerTellsOf(t *testing.T) {
	for _, before := range []int{followed - 1, followed + 1} {
		t.Run(fmt.Sprint(before), func(t *testing.T) {
			var services atomic.Int64
			services.Store(int64(before))
			tell := make(chan struct{})
			f := &foreign{stream: func(s grpc.ServerStream) error {
				if err := s.SendMsg(made(nacoswire.TypeSetupAck, nacoswire.SetupAckRequest{AbilityTable: map[string]bool{"fuzzyWatch": true}})); err != nil {
					return err
				}
				for {
					select {
					case <-tell:
						if err := s.SendMsg(made(nacoswire.TypeFuzzyChange, nacoswire.FuzzyChangeRequest{})); err != nil {
							return err
						}
					case <-s.Context().Done():
						return nil
					}
				}
			}, answer: func(p *nacoswire.Payload) *nacoswire.Payload {
				switch p.Type {
				case nacoswire.TypeServerCheck:
					return made(nacoswire.TypeServerCheckAnswer, nacoswire.ServerCheckResponse{Response: nacoswire.OK(""), ConnectionID: "c", SupportAbilityNegotiation: true})
				case nacoswire.TypeServiceList:
					a := nacoswire.ServiceListResponse{Response: nacoswire.OK(""), Count: int(services.Load())}
					for i := range a.Count {
						a.ServiceNames = append(a.ServiceNames, fmt.Sprint("s", i))
					}
					return made(nacoswire.TypeServiceListAnswer, a)
				}
				return usual(p)
			}}
			f.start(t)
			out, _ := run(t, t.Context(), New(Config{Servers: []string{f.addr}, Poll: 20 * time.Millisecond}))
			if u := next(t, out); len(u.Groups) != before || !u.Full {
				t.Fatalf("%d groups", len(u.Groups))
			}
			for n := before + 1; n <= followed+3; n++ {
				services.Store(int64(n))
				if n <= followed {
					tell <- struct{}{}
				}
				want := fmt.Sprintf("public/DEFAULT_GROUP/s%d: unread; ", n-1)
				if u := next(t, out); text(u) != want {
					t.Fatalf("%q, want %q", text(u), want)
				}
			}
		})
	}
}
