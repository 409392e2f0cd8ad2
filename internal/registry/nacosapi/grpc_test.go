package nacosapi

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

func TestHandshake(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	c := dial(t, f.grpc)
	check := answerOf[nacoswire.ServerCheckResponse](c, nacoswire.TypeServerCheckAnswer, c.request(nacoswire.TypeServerCheck, nacoswire.Request{RequestID: "9"}))
	if check.ConnectionID == "" || !check.SupportAbilityNegotiation || !check.Success || check.ResultCode != 200 || check.RequestID != "9" {
		t.Fatalf("%+v", check)
	}
	// Before the setup, nothing is answered but the check.
	for _, typ := range []string{nacoswire.TypeHealthCheck, nacoswire.TypeInstance} {
		if e := answerOf[nacoswire.Response](c, nacoswire.TypeErrorAnswer, c.request(typ, nacoswire.Request{})); e.ErrorCode != 301 || e.Success {
			t.Fatalf("%s: %+v", typ, e)
		}
	}
	c.setup()
	if h := answerOf[nacoswire.Response](c, nacoswire.TypeHealthCheckAnswer, c.request(nacoswire.TypeHealthCheck, nacoswire.Request{RequestID: "1"})); !h.Success {
		t.Fatalf("%+v", h)
	}
	// A second stream on one connection.
	second, err := c.conn.NewStream(c.ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, nacoswire.FullStreamMethod)
	must(t, err)
	p, err := nacoswire.NewPayload(nacoswire.TypeConnectionSetup, nacoswire.ConnectionSetupRequest{})
	must(t, err)
	must(t, second.SendMsg(p))
	if err := second.RecvMsg(new(nacoswire.Payload)); status.Code(err) != codes.AlreadyExists {
		t.Fatalf("second stream: %v", err)
	}
	// An old client, which does not know abilities, is not sent what it cannot read.
	old := dial(t, f.grpc)
	old.open(nil)
	eventually(t, "set up", func() bool {
		return old.request(nacoswire.TypeHealthCheck, nacoswire.Request{}).Type == nacoswire.TypeHealthCheckAnswer
	})
	old.subscribe("")
	must(t, f.registry().Register(order, instance("10.0.0.1:80")))
	if got := hosts(old.push()); got != "10.0.0.1" {
		t.Fatal(got)
	}
}

func TestRegisterAndLose(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	c := dial(t, f.grpc).setup()
	if a := c.register("order", "10.0.0.1"); !a.Success || a.Type != nacoswire.RegisterInstance {
		t.Fatalf("%+v", a)
	}
	// A second registration on one connection replaces the first, whatever its address.
	c.register("order", "10.0.0.2")
	if got := instances(f.registry().View(order)); got != "10.0.0.2" {
		t.Fatal(got)
	}
	batch := nacoswire.BatchInstanceRequest{ServiceRef: ref("order"), Type: nacoswire.BatchRegisterInstance, Instances: []nacoswire.Instance{
		nacoswire.NewInstance("10.0.0.3", 80), nacoswire.NewInstance("10.0.0.4", 80),
	}}
	answerOf[nacoswire.InstanceResponse](c, nacoswire.TypeBatchInstanceAnswer, c.request(nacoswire.TypeBatchInstance, batch))
	if got := instances(f.registry().View(order)); got != "10.0.0.3 10.0.0.4" {
		t.Fatal(got)
	}
	c.register("other", "10.0.0.9")
	list := answerOf[nacoswire.ServiceListResponse](c, nacoswire.TypeServiceListAnswer,
		c.request(nacoswire.TypeServiceList, nacoswire.ServiceListRequest{ServiceRef: ref(""), PageNo: 1, PageSize: 1}))
	if list.Count != 2 || !slices.Equal(list.ServiceNames, []string{"order"}) {
		t.Fatalf("%+v", list)
	}
	query := answerOf[nacoswire.ServiceResponse](c, nacoswire.TypeServiceQueryAnswer,
		c.request(nacoswire.TypeServiceQuery, nacoswire.ServiceQueryRequest{ServiceRef: ref("order")}))
	if query.ServiceInfo.Name != "order" || query.ServiceInfo.GroupName != "DEFAULT_GROUP" || hosts(query.ServiceInfo) != "10.0.0.3 10.0.0.4" {
		t.Fatalf("%+v", query.ServiceInfo)
	}
	// Deregistration does not look at the instance.
	answerOf[nacoswire.InstanceResponse](c, nacoswire.TypeInstanceAnswer, c.request(nacoswire.TypeInstance,
		nacoswire.InstanceRequest{ServiceRef: ref("other"), Type: nacoswire.DeregisterInstance, Instance: nacoswire.NewInstance("1.2.3.4", 5)}))
	if got := instances(f.registry().View(registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: "other"})); got != "" {
		t.Fatal(got)
	}
	// A connection that is lost takes its instances with it at once.
	began := time.Now()
	must(t, c.conn.Close())
	eventually(t, "instances of a lost connection gone", func() bool { return instances(f.registry().View(order)) == "" })
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v", took)
	}
	eventually(t, "sockets forgotten", func() bool { f.conns.mu.Lock(); defer f.conns.mu.Unlock(); return len(f.conns.open) == 0 })
}

func TestPush(t *testing.T) {
	f := serve(t, Config{Confirm: time.Hour}, registry.Options{})
	c := dial(t, f.grpc).setup()
	first := c.subscribe("")
	if first.Hosts == nil || len(first.Hosts) != 0 || first.LastRefTime == 0 {
		t.Fatalf("%+v", first)
	}
	last := first.LastRefTime
	for i, step := range []struct {
		method, ip, want string
	}{
		{"POST", "10.0.0.1", "10.0.0.1"}, {"POST", "10.0.0.2", "10.0.0.1 10.0.0.2"},
		{"DELETE", "10.0.0.1", "10.0.0.2"}, {"DELETE", "10.0.0.2", ""}, // the empty list is pushed too
	} {
		f.curl(t, step.method, "/v1/ns/instance", params("serviceName", "order", "ip", step.ip, "port", "80"))
		began := time.Now()
		info := c.push()
		if hosts(info) != step.want || info.LastRefTime <= last || info.Hosts == nil {
			t.Fatalf("step %d: %+v after %d", i, info, last)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("step %d: pushed %v after the answer", i, took)
		}
		last = info.LastRefTime
	}
	// Unsubscribed: silence.
	c.request(nacoswire.TypeSubscribeService, nacoswire.SubscribeServiceRequest{ServiceRef: ref("order")})
	must(t, f.registry().Register(order, instance("10.0.0.1:80")))
	c.subscribe("")
	must(t, f.registry().Register(order, instance("10.0.0.3:80")))
	if got := hosts(c.push()); got != "10.0.0.1 10.0.0.3" {
		t.Fatal(got)
	}
}

func TestPushConfirmsSubscription(t *testing.T) {
	f := serve(t, Config{Confirm: 50 * time.Millisecond}, registry.Options{})
	must(t, f.registry().Register(order, instance("10.0.0.1:80")))
	c := dial(t, f.grpc).setup()
	if a, b := c.subscribe("DEFAULT"), c.push(); hosts(a) != "10.0.0.1" || hosts(b) != "10.0.0.1" || a.LastRefTime != b.LastRefTime || b.Clusters != "DEFAULT" {
		t.Fatalf("%+v, %+v", a, b)
	}
}

// Without acknowledgement a push is repeated with the newest list; never more than one is on its way.
func TestPushRetries(t *testing.T) {
	f := serve(t, Config{Confirm: time.Hour, Ack: 60 * time.Millisecond, Retry: 40 * time.Millisecond}, registry.Options{})
	c := dial(t, f.grpc).setup()
	c.subscribe("")
	must(t, f.registry().Register(order, instance("10.0.0.1:80")))
	one := c.pushed()
	for i := range 50 {
		must(t, f.registry().Register(order, instance(fmt.Sprintf("10.0.1.%d:80", i))))
	}
	two := c.pushed()
	if len(one.ServiceInfo.Hosts) != 1 || len(two.ServiceInfo.Hosts) != 51 || one.RequestID == two.RequestID {
		t.Fatalf("%d, then %d hosts", len(one.ServiceInfo.Hosts), len(two.ServiceInfo.Hosts))
	}
	c.send(nacoswire.TypeNotifyAnswer, nacoswire.Fail(two.RequestID, 500, "no"))
	three := c.pushed()
	c.send(nacoswire.TypeNotifyAnswer, nacoswire.OK(one.RequestID)) // late, for one that was given up
	c.send(nacoswire.TypeNotifyAnswer, nacoswire.OK(three.RequestID))
	if _, err := f.registry().Deregister(order, instance("10.0.0.1:80").Addr); err != nil {
		t.Fatal(err)
	}
	if four := c.push(); len(four.Hosts) != 50 {
		t.Fatalf("%d hosts", len(four.Hosts))
	}
	select {
	case p := <-c.pushes:
		t.Fatalf("one more push: %s", p.Body)
	case <-time.After(200 * time.Millisecond):
	}
}

func TestSilentClient(t *testing.T) {
	f := serve(t, Config{Idle: 80 * time.Millisecond, Detect: 80 * time.Millisecond}, registry.Options{})
	c := dial(t, f.grpc).setup()
	c.register("order", "10.0.0.1")
	for range 3 {
		p := c.next()
		if p.Type != nacoswire.TypeClientDetection {
			t.Fatalf("want detection, got %s", p.Type)
		}
		if instances(f.registry().View(order)) == "" {
			t.Fatal("a client that answers was dropped")
		}
		q, err := nacoswire.Decode[nacoswire.Request](p)
		must(t, err)
		c.send(nacoswire.TypeDetectionAnswer, nacoswire.OK(q.RequestID))
	}
	if p := c.next(); p.Type != nacoswire.TypeClientDetection {
		t.Fatalf("want detection, got %s", p.Type)
	}
	if p := c.next(); p != nil {
		t.Fatalf("want the end, got %+v", p)
	}
	eventually(t, "instances of a silent client gone", func() bool { return instances(f.registry().View(order)) == "" })
}

// A client that stops reading is cut off and holds up nobody.
func TestClientThatDoesNotRead(t *testing.T) {
	f := serve(t, Config{Ack: 50 * time.Millisecond, Retry: time.Millisecond, Detect: 300 * time.Millisecond}, registry.Options{})
	for i := range 3000 {
		in := instance(fmt.Sprintf("10.1.%d.%d:80", i/250, i%250))
		must(t, f.registry().Register(order, in))
	}
	// Reads the handshake and nothing after it, acknowledges nothing.
	deaf := dial(t, f.grpc)
	var err error
	deaf.ClientStream, err = deaf.conn.NewStream(deaf.ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, nacoswire.FullStreamMethod)
	must(t, err)
	deaf.send(nacoswire.TypeConnectionSetup, nacoswire.ConnectionSetupRequest{})
	eventually(t, "set up", func() bool { return f.registry().Stats().Connections == 1 })
	deaf.subscribe("")
	eventually(t, "cut off", func() bool {
		must(t, f.registry().Register(order, instance(fmt.Sprintf("10.2.0.1:%d", 1+time.Now().UnixNano()%60000))))
		return f.registry().Stats().Connections == 0
	})
}

func TestGRPCRefuses(t *testing.T) {
	f := serve(t, Config{MaxSubscriptions: 1, MaxPublished: 1, Detect: 100 * time.Millisecond}, registry.Options{})
	c := dial(t, f.grpc).setup()
	loopback := nacoswire.InstanceRequest{ServiceRef: ref("order"), Type: nacoswire.RegisterInstance, Instance: nacoswire.NewInstance("127.0.0.1", 80)}
	named := loopback
	named.Instance.IP = "localhost"
	odd := loopback
	odd.Type = "explode"
	for _, step := range []struct {
		p    *nacoswire.Payload
		code int
	}{
		{&nacoswire.Payload{Type: "MakeCoffeeRequest"}, 302},
		{&nacoswire.Payload{Type: nacoswire.TypeInstance, Body: []byte("{")}, 502},
		{&nacoswire.Payload{Type: nacoswire.TypeInstance, Body: []byte(`{"instance":{"port":"many"}}`)}, 502},
		{&nacoswire.Payload{Type: nacoswire.TypeInstance, Body: []byte(strings.Repeat(`{"headers":`, 20_000))}, 502},
		{&nacoswire.Payload{Type: nacoswire.TypeInstance}, 400},
		{payload(t, nacoswire.TypeInstance, loopback), 400},
		{payload(t, nacoswire.TypeInstance, named), 400},
		{payload(t, nacoswire.TypeInstance, odd), 400},
		{&nacoswire.Payload{Type: nacoswire.TypeBatchInstance, Body: []byte(`{"serviceName":"a","type":"batchRegisterInstance","instances":[{}]}`)}, 400},
		{&nacoswire.Payload{Type: nacoswire.TypeSubscribeService, Body: []byte(`{"subscribe":true,"serviceName":"a b"}`)}, 400},
		{&nacoswire.Payload{Type: nacoswire.TypeServiceQuery, Body: []byte(`null`)}, 400},
	} {
		e := answerOf[nacoswire.Response](c, nacoswire.TypeErrorAnswer, c.call(step.p))
		if e.ErrorCode != step.code || e.ResultCode != 500 || e.Message == "" {
			t.Errorf("%s %.40s: %+v, want %d", step.p.Type, step.p.Body, e, step.code)
		}
	}
	c.subscribe("")
	more := c.request(nacoswire.TypeSubscribeService, nacoswire.SubscribeServiceRequest{ServiceRef: ref("second"), Subscribe: true})
	if e := answerOf[nacoswire.Response](c, nacoswire.TypeErrorAnswer, more); e.ErrorCode != 503 {
		t.Errorf("second subscription: %+v", e)
	}
	c.register("order", "10.0.0.1")
	c.register("order", "10.0.0.2")
	two := nacoswire.InstanceRequest{ServiceRef: ref("second"), Type: nacoswire.RegisterInstance, Instance: nacoswire.NewInstance("10.0.0.1", 80)}
	if e := answerOf[nacoswire.Response](c, nacoswire.TypeErrorAnswer, c.request(nacoswire.TypeInstance, two)); e.ErrorCode != 503 {
		t.Errorf("second service: %+v", e)
	}
	big := &nacoswire.Payload{Type: nacoswire.TypeInstance, Body: make([]byte, maxMessage+1)}
	if err := c.conn.Invoke(c.ctx, nacoswire.FullRequestMethod, big, new(nacoswire.Payload)); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a large message: %v", err)
	}

	// A stream that begins with something else, and one that does not begin.
	odder := dial(t, f.grpc)
	stream, err := odder.conn.NewStream(odder.ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, nacoswire.FullStreamMethod)
	must(t, err)
	must(t, stream.SendMsg(&nacoswire.Payload{Type: nacoswire.TypeHealthCheck}))
	if err := stream.RecvMsg(new(nacoswire.Payload)); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a stream without setup: %v", err)
	}
	stream, err = odder.conn.NewStream(odder.ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, nacoswire.FullStreamMethod)
	must(t, err)
	if err := stream.RecvMsg(new(nacoswire.Payload)); err == nil {
		t.Error("a stream that says nothing lives")
	}
	// Garbage on the socket.
	for _, garbage := range []string{"\x00\x01\x02", "GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		n, err := net.Dial("tcp", f.grpc)
		must(t, err)
		_, err = n.Write([]byte(garbage))
		must(t, err)
		must(t, n.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
		buf := make([]byte, 1024)
		for err == nil {
			_, err = n.Read(buf)
		}
		n.Close()
	}
	if got := instances(f.registry().View(order)); got != "10.0.0.2" {
		t.Errorf("after all that: %q", got)
	}
}

// A registry that is stopped ends its connections; the clients come back to the next one.
func TestRegistryStops(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	c := dial(t, f.grpc).setup()
	c.register("order", "10.0.0.1")
	f.handle.Stop()
	if p := c.next(); p != nil {
		t.Fatalf("%+v", p)
	}
	if e := answerOf[nacoswire.Response](c, nacoswire.TypeErrorAnswer, c.request(nacoswire.TypeServerCheck, nacoswire.Request{})); e.ErrorCode != 300 {
		t.Fatalf("%+v", e)
	}
	must(t, f.handle.Start(registry.Options{}))
	c.setup()
	c.register("order", "10.0.0.1")
	if got := instances(f.registry().View(order)); got != "10.0.0.1" {
		t.Fatal(got)
	}
}

func TestCloseEndsStreams(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	c := dial(t, f.grpc).setup()
	c.register("order", "10.0.0.1")
	idle, err := net.Dial("tcp", f.grpc) // never says a word
	must(t, err)
	defer idle.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	began := time.Now()
	_ = f.Close(ctx)
	if took := time.Since(began); took > 1500*time.Millisecond {
		t.Errorf("closing took %v", took)
	}
	if p := c.next(); p != nil {
		t.Fatalf("%+v", p)
	}
	if got := instances(f.registry().View(order)); got != "" {
		t.Fatal(got)
	}
}

// Many subscribers and many changes: everyone ends with the last list.
func TestFanOut(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	clients := make([]*client, 30)
	for i := range clients {
		clients[i] = dial(t, f.grpc).setup()
		clients[i].subscribe("")
	}
	for i := range 200 {
		must(t, f.registry().Register(order, instance(fmt.Sprintf("10.0.%d.1:80", i))))
	}
	for i, c := range clients {
		for last := int64(0); ; {
			info := c.push()
			if info.LastRefTime < last {
				t.Fatalf("client %d: lastRefTime went back", i)
			}
			if last = info.LastRefTime; len(info.Hosts) == 200 {
				break
			}
		}
	}
}

func payload(t *testing.T, typ string, m any) *nacoswire.Payload {
	p, err := nacoswire.NewPayload(typ, m)
	must(t, err)
	return p
}
