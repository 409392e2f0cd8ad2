package nacosapi

import (
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "8"); err != nil { // those that are parallel wait, which no processor is needed for
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

var order = registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: "order"}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually polls until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// fixture is a server on real sockets with its registry.
type fixture struct {
	*Server
	handle     registry.Handle
	base, grpc string
}

func serve(t *testing.T, cfg Config, opt registry.Options) *fixture {
	t.Helper()
	f := &fixture{}
	must(t, f.handle.Start(opt))
	f.Server = New(cfg, &f.handle)
	h, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	g, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	f.base, f.grpc = "http://"+h.Addr().String()+contextPath, g.Addr().String()
	f.Start(h, g)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := f.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		f.handle.Stop()
		http.DefaultClient.CloseIdleConnections()
	})
	return f
}

func (f *fixture) registry() *registry.Registry {
	r, _ := f.handle.Current()
	return r
}

// curl makes a request and returns status and body.
func (f *fixture) curl(t *testing.T, method, path string, params url.Values) (int, string) {
	t.Helper()
	q, err := http.NewRequest(method, f.base+path+"?"+params.Encode(), nil)
	must(t, err)
	return do(t, q)
}

func do(t *testing.T, q *http.Request) (int, string) {
	t.Helper()
	p, err := http.DefaultClient.Do(q)
	must(t, err)
	defer p.Body.Close()
	b, err := io.ReadAll(p.Body)
	must(t, err)
	return p.StatusCode, string(b)
}

// client is a gRPC client that does what it is told and nothing by itself.
type client struct {
	t    *testing.T
	conn *grpc.ClientConn
	ctx  context.Context
	grpc.ClientStream
	pushes chan *nacoswire.Payload
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(nacoswire.Codec{})))
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return &client{t: t, conn: conn, ctx: ctx}
}

// setup opens the stream and waits for the acknowledgement.
func (c *client) setup() *client {
	c.t.Helper()
	c.open(map[string]bool{})
	if p := c.next(); p.Type != nacoswire.TypeSetupAck {
		c.t.Fatalf("the answer to the setup is %s", p.Type)
	}
	return c
}

func (c *client) open(table map[string]bool) {
	c.t.Helper()
	var err error
	c.ClientStream, err = c.conn.NewStream(c.ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, nacoswire.FullStreamMethod)
	must(c.t, err)
	c.send(nacoswire.TypeConnectionSetup, nacoswire.ConnectionSetupRequest{ClientVersion: "test", Tenant: "public", AbilityTable: table})
	c.pushes = make(chan *nacoswire.Payload, 1000)
	go func(stream grpc.ClientStream, pushes chan<- *nacoswire.Payload) {
		defer close(pushes)
		for {
			p := new(nacoswire.Payload)
			if stream.RecvMsg(p) != nil {
				return
			}
			pushes <- p
		}
	}(c.ClientStream, c.pushes)
}

func (c *client) send(typ string, m any) {
	c.t.Helper()
	p, err := nacoswire.NewPayload(typ, m)
	must(c.t, err)
	must(c.t, c.SendMsg(p))
}

// next waits for a message of the server; nil at the end of the stream.
func (c *client) next() *nacoswire.Payload {
	c.t.Helper()
	select {
	case p := <-c.pushes:
		return p
	case <-time.After(10 * time.Second):
		c.t.Fatal("the server says nothing")
		return nil
	}
}

// push waits for a push and acknowledges it.
func (c *client) push() *nacoswire.ServiceInfo {
	c.t.Helper()
	q := c.pushed()
	c.send(nacoswire.TypeNotifyAnswer, nacoswire.OK(q.RequestID))
	return q.ServiceInfo
}

func (c *client) pushed() nacoswire.NotifySubscriberRequest {
	c.t.Helper()
	p := c.next()
	if p == nil || p.Type != nacoswire.TypeNotifySubscriber {
		c.t.Fatalf("want a push, got %+v", p)
	}
	q, err := nacoswire.Decode[nacoswire.NotifySubscriberRequest](p)
	must(c.t, err)
	return q
}

func (c *client) request(typ string, m any) *nacoswire.Payload {
	c.t.Helper()
	p, err := nacoswire.NewPayload(typ, m)
	must(c.t, err)
	return c.call(p)
}

func (c *client) call(p *nacoswire.Payload) *nacoswire.Payload {
	c.t.Helper()
	var out nacoswire.Payload
	must(c.t, c.conn.Invoke(c.ctx, nacoswire.FullRequestMethod, p, &out))
	return &out
}

func answerOf[A any](c *client, typ string, p *nacoswire.Payload) A {
	c.t.Helper()
	if p.Type != typ {
		c.t.Fatalf("want %s, got %s %s", typ, p.Type, p.Body)
	}
	a, err := nacoswire.Decode[A](p)
	must(c.t, err)
	return a
}

func (c *client) subscribe(clusters string) *nacoswire.ServiceInfo {
	c.t.Helper()
	p := c.request(nacoswire.TypeSubscribeService, nacoswire.SubscribeServiceRequest{ServiceRef: ref("order"), Subscribe: true, Clusters: clusters})
	return answerOf[nacoswire.ServiceResponse](c, nacoswire.TypeSubscribeAnswer, p).ServiceInfo
}

func (c *client) register(service, ip string) nacoswire.InstanceResponse {
	c.t.Helper()
	p := c.request(nacoswire.TypeInstance, nacoswire.InstanceRequest{
		ServiceRef: ref(service), Type: nacoswire.RegisterInstance, Instance: nacoswire.NewInstance(ip, 80),
	})
	return answerOf[nacoswire.InstanceResponse](c, nacoswire.TypeInstanceAnswer, p)
}

func ref(service string) nacoswire.ServiceRef {
	return nacoswire.ServiceRef{Namespace: "", ServiceName: service, GroupName: "DEFAULT_GROUP"}
}

func hosts(info *nacoswire.ServiceInfo) string {
	var ips []string
	for _, h := range info.Hosts {
		ips = append(ips, h.IP)
	}
	return strings.Join(ips, " ")
}

func instances(v *registry.View) string {
	var ips []string
	for _, in := range v.Instances {
		ips = append(ips, in.Addr.Addr().String())
	}
	return strings.Join(ips, " ")
}

func instance(addr string) registry.Instance {
	return registry.Instance{Addr: netip.MustParseAddrPort(addr), Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
}
