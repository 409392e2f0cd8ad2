package registry

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var order = Key{"public", "DEFAULT_GROUP", "order"}

func at(s string) Instance {
	return Instance{Addr: netip.MustParseAddrPort(s), Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
}

func open(t *testing.T, opt Options) *Registry {
	t.Helper()
	r := New(opt)
	t.Cleanup(r.Close)
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// text is a view in short: "10.0.0.1:80 healthy, ...".
func text(v *View) string {
	var b strings.Builder
	for i, in := range v.Instances {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, in.Addr)
		if !in.Healthy {
			b.WriteString(" unhealthy")
		}
		if !in.Enabled {
			b.WriteString(" disabled")
		}
		if in.Weight != 1 {
			fmt.Fprintf(&b, " weight %v", in.Weight)
		}
	}
	return b.String()
}

func want(t *testing.T, r *Registry, key Key, list string) {
	t.Helper()
	if got := text(r.View(key)); got != list {
		t.Fatalf("%s has %q, want %q", key, got, list)
	}
}

// Registered and never beaten: unhealthy after 15 s, gone after 30 s, the service 60 s later.
func TestLeaseRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		defer r.Close()
		must(t, r.Register(order, at("10.0.0.1:80")))
		for _, step := range []struct {
			wait time.Duration
			list string
		}{
			{0, "10.0.0.1:80"},
			{14900 * time.Millisecond, "10.0.0.1:80"},
			{200 * time.Millisecond, "10.0.0.1:80 unhealthy"},
			{14800 * time.Millisecond, "10.0.0.1:80 unhealthy"},
			{200 * time.Millisecond, ""},
		} {
			time.Sleep(step.wait)
			synctest.Wait()
			want(t, r, order, step.list)
		}
		if v := r.View(order); !v.Known {
			t.Fatal("the empty service went at once")
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if v := r.View(order); v.Known || len(r.Keys()) != 0 || r.leases.first() != nil {
			t.Fatalf("the empty service stays: %+v", v)
		}
	})
}

func TestBeatKeepsAndHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		defer r.Close()
		in := at("10.0.0.1:80")
		in.Metadata = model.NewTags(map[string]string{metaInterval: "1000", metaUnhealthy: "3000", metaDelete: "6000"})
		must(t, r.Register(order, in))
		for range 20 {
			time.Sleep(2 * time.Second)
			next, known, err := r.Beat(order, in.Addr)
			if err != nil || !known || next != time.Second {
				t.Fatalf("beat: %v, %v, %v", next, known, err)
			}
		}
		before := r.View(order)
		time.Sleep(3500 * time.Millisecond)
		synctest.Wait()
		want(t, r, order, "10.0.0.1:80 unhealthy")
		if _, known, _ := r.Beat(order, in.Addr); !known {
			t.Fatal("an unhealthy instance is unknown")
		}
		want(t, r, order, "10.0.0.1:80")
		if v := r.View(order); v.Revision != before.Revision+2 || v.LastRef <= before.LastRef || !v.Instances[0].Since.Equal(before.Instances[0].Since) {
			t.Fatalf("before %+v, after %+v", before, v)
		}
		time.Sleep(3500 * time.Millisecond)
		synctest.Wait()
		want(t, r, order, "10.0.0.1:80 unhealthy")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		want(t, r, order, "")
		if _, known, err := r.Beat(order, in.Addr); known || err != nil {
			t.Fatalf("beat of one that is gone: %v, %v", known, err)
		}
	})
}

// A process that was stopped does not take its own silence for that of its clients.
func TestStoppedProcessForgives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		defer r.Close()
		must(t, r.Register(order, at("10.0.0.1:80")))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		r.mu.Lock() // as if it had been stopped 60 s ago
		r.awake = r.awake.Add(-time.Minute)
		for _, p := range r.services[order].beating {
			p.beat = p.beat.Add(-time.Minute)
			r.leases.put(&p.lapse, p.next())
		}
		r.mu.Unlock()
		r.nudge()
		synctest.Wait()
		want(t, r, order, "10.0.0.1:80")
		time.Sleep(5100 * time.Millisecond)
		synctest.Wait()
		want(t, r, order, "10.0.0.1:80 unhealthy")
	})
}

func TestRegisterAgain(t *testing.T) {
	r := open(t, Options{})
	must(t, r.Register(order, at("10.0.0.1:80")))
	v := r.View(order)
	must(t, r.Register(order, at("[::ffff:10.0.0.1]:80")))
	if r.View(order) != v {
		t.Error("the same registration made another view")
	}
	in := at("10.0.0.1:80")
	in.Weight, in.Cluster = 2, "b"
	must(t, r.Register(order, in))
	want(t, r, order, "10.0.0.1:80 weight 2")
	if len(v.Instances) != 1 || v.Instances[0].Weight != 1 {
		t.Error("an earlier view has changed")
	}
	gone, err := r.Deregister(order, in.Addr)
	if !gone || err != nil {
		t.Fatalf("deregister: %v, %v", gone, err)
	}
	want(t, r, order, "")
	if gone, err = r.Deregister(order, in.Addr); gone || err != nil {
		t.Fatalf("deregister again: %v, %v", gone, err)
	}
}

func TestConnections(t *testing.T) {
	r := open(t, Options{})
	a, err := r.Connect()
	must(t, err)
	b, err := r.Connect()
	must(t, err)
	must(t, a.Publish(order, []Instance{at("10.0.0.1:80"), at("10.0.0.2:80"), at("10.0.0.2:80")}))
	want(t, r, order, "10.0.0.1:80, 10.0.0.2:80")
	must(t, a.Publish(order, []Instance{at("10.0.0.3:80")})) // replaces
	want(t, r, order, "10.0.0.3:80")

	// A client that comes back on a new connection keeps its instance when the old one is found dead.
	v := r.View(order)
	in := at("10.0.0.3:80")
	in.Weight = 2
	must(t, b.Publish(order, []Instance{in}))
	want(t, r, order, "10.0.0.3:80 weight 2")
	a.Close()
	want(t, r, order, "10.0.0.3:80 weight 2")
	if err := a.Publish(order, []Instance{in}); !errors.Is(err, ErrClosed) {
		t.Errorf("publish on a closed connection: %v", err)
	}
	must(t, r.Register(order, at("10.0.0.9:80")))
	if gone, _ := r.Deregister(order, in.Addr); gone {
		t.Error("a heartbeat client deregistered the instance of a connection")
	}
	b.Close()
	b.Close()
	want(t, r, order, "10.0.0.9:80")
	if w := r.View(order); w.Revision <= v.Revision || w.LastRef <= v.LastRef {
		t.Errorf("revision %d, lastRef %d do not grow", w.Revision, w.LastRef)
	}
	if s := r.Stats(); s.Connections != 0 || s.Instances != 1 || s.Beating != 1 || s.Services != 1 {
		t.Errorf("%+v", s)
	}
}

// What an operator says wins, and survives a registration that follows soon.
func TestUpdateWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		defer r.Close()
		c, err := r.Connect()
		must(t, err)
		must(t, c.Publish(order, []Instance{at("10.0.0.1:80")}))
		off, half := false, 0.5
		must(t, r.Update(order, netip.MustParseAddrPort("10.0.0.1:80"), "", Patch{Enabled: &off}))
		must(t, r.Update(order, netip.MustParseAddrPort("10.0.0.1:80"), "", Patch{Weight: &half}))
		want(t, r, order, "10.0.0.1:80 disabled weight 0.5")
		must(t, c.Withdraw(order))
		time.Sleep(30 * time.Second)
		must(t, c.Publish(order, []Instance{at("10.0.0.1:80")}))
		want(t, r, order, "10.0.0.1:80 disabled weight 0.5")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		want(t, r, order, "10.0.0.1:80 disabled weight 0.5")
		must(t, c.Publish(Key{"public", "g", "other"}, []Instance{at("10.0.0.9:80")}))
		must(t, r.Register(order, at("10.0.0.2:80"))) // the service stays
		must(t, c.Withdraw(order))
		for range 7 {
			time.Sleep(10 * time.Second)
			_, _, err := r.Beat(order, netip.MustParseAddrPort("10.0.0.2:80"))
			must(t, err)
		}
		synctest.Wait()
		must(t, c.Publish(order, []Instance{at("10.0.0.1:80")}))
		want(t, r, order, "10.0.0.1:80, 10.0.0.2:80")
		if err := r.Update(order, netip.MustParseAddrPort("10.0.0.7:80"), "", Patch{Enabled: &off}); !errors.Is(err, ErrUnknown) {
			t.Errorf("update of an unknown instance: %v", err)
		}
	})
}

func TestRefused(t *testing.T) {
	r := open(t, Options{
		MaxInstances: 2, MaxServices: 2, MaxMetadata: 10,
		Addresses: AddressRule{
			Also: []netip.Prefix{netip.MustParsePrefix("127.1.0.0/16")},
			Within: []netip.Prefix{
				netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("64:ff9b::/96"),
				netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("::/96"),
			},
			Refuse: []netip.AddrPort{netip.MustParseAddrPort("10.9.9.9:8088"), netip.MustParseAddrPort("0.0.0.0:8089")},
		},
	})
	for _, a := range []string{"10.1.2.3:80", "127.1.2.3:80", "10.1.2.3:8089", "[2001:db8::1]:80", "[64:ff9b::10.1.2.3]:80"} {
		if _, err := r.opt.Addresses.Check(netip.MustParseAddrPort(a)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, a := range []string{
		"127.0.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80", "0.0.0.0:80", "[::]:80", "169.254.169.254:80", "[fe80::1]:80",
		"127.1.2.3:8089", "[::ffff:127.1.2.3]:8089", "224.0.0.1:80", "255.255.255.255:80", "10.0.0.1:0", "192.168.1.1:80", "10.9.9.9:8088", "[::ffff:10.9.9.9]:8088",
		"[fe80::1%eth0]:80", "[fd00:ec2::254]:80", "100.100.100.200:80",
		"[64:ff9b::169.254.169.254]:80", "[64:ff9b::127.0.0.1]:80", "[2002:a9fe:a9fe::1]:80", "[::127.0.0.1]:80", "[64:ff9b::100.100.100.200]:80",
	} {
		if err := r.Register(order, at(a)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", a, err)
		}
	}
	bad := func(change func(*Instance)) Instance {
		in := at("10.0.0.1:80")
		change(&in)
		return in
	}
	for name, in := range map[string]Instance{
		"weight":   bad(func(i *Instance) { i.Weight = -1 }),
		"NaN":      bad(func(i *Instance) { i.Weight = math.NaN() }),
		"heavy":    bad(func(i *Instance) { i.Weight = 10_001 }),
		"cluster":  bad(func(i *Instance) { i.Cluster = "a b" }),
		"metadata": bad(func(i *Instance) { i.Metadata = model.Tags{{Name: "12345", Value: "678901"}} }),
		"zero":     {},
	} {
		if err := r.Register(order, in); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, k := range []Key{
		{}, {"public", "g", ""}, {"pub lic", "g", "s"}, {"public", "g/h", "s"}, {"public", "", "s"}, {"public", "g", "a@@b"},
		{"public", "g", "a b"}, {"public", "g", "../x"}, {"public", "g", "<script>"}, {"public", "g", "a\nb"},
		{"public", "g", strings.Repeat("x", 513)}, {strings.Repeat("n", 65), "g", "s"}, {"public", strings.Repeat("g", 129), "s"},
	} {
		if err := r.Register(k, at("10.0.0.1:80")); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", k, err)
		}
	}
	if len(r.Keys()) != 0 {
		t.Errorf("refused registrations left %v", r.Keys())
	}
	must(t, r.Register(order, at("10.0.0.1:80")))
	must(t, r.Register(order, at("10.0.0.2:80")))
	if err := r.Register(order, at("10.0.0.3:80")); !errors.Is(err, ErrLimit) {
		t.Errorf("third instance: %v", err)
	}
	c, err := r.Connect()
	must(t, err)
	defer c.Close()
	other := Key{"public", "g", "other"}
	if err := c.Publish(other, []Instance{at("10.0.0.1:1"), at("10.0.0.1:2"), at("10.0.0.1:3")}); !errors.Is(err, ErrLimit) {
		t.Errorf("batch of three: %v", err)
	}
	if r.View(other).Known {
		t.Error("a refused batch left its service")
	}
	must(t, c.Publish(other, []Instance{at("10.0.0.1:1")}))
	if err := r.Register(Key{"public", "g", "third"}, at("10.0.0.1:80")); !errors.Is(err, ErrLimit) {
		t.Errorf("third service: %v", err)
	}
}

func TestKeys(t *testing.T) {
	r := open(t, Options{})
	for _, k := range []Key{{"public", "g", "b"}, {"public", "g", "a"}, {"dev", "g", "c"}, {"public", "h", "d"}} {
		must(t, r.Register(k, at("10.0.0.1:80")))
		if back, err := ParseKey(k.String()); err != nil || back != k {
			t.Errorf("%s read back as %v, %v", k, back, err)
		}
	}
	if got := fmt.Sprint(r.Services("public", "g"), r.Keys()); got != "[a b] [dev/g/c public/g/a public/g/b public/h/d]" {
		t.Error(got)
	}
	if _, err := ParseKey("a/b"); err == nil {
		t.Error("no error")
	}
}

func TestLastRefGrows(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	r := open(t, Options{Now: func() time.Time { return now }})
	last := r.View(order).LastRef // of a service that is not there
	if last != now.Add(clockAhead).UnixMilli() {
		t.Fatalf("lastRef %d", last)
	}
	for i := range 5 {
		now = now.Add(-time.Second) // a clock that goes back
		if i%2 == 0 {
			must(t, r.Register(order, at("10.0.0.1:80")))
		} else if _, err := r.Deregister(order, netip.MustParseAddrPort("10.0.0.1:80")); err != nil {
			t.Fatal(err)
		}
		v := r.View(order)
		if v.LastRef <= last {
			t.Fatalf("change %d: lastRef %d after %d", i, v.LastRef, last)
		}
		last = v.LastRef
	}
}

func TestClosed(t *testing.T) {
	r := New(Options{})
	c, err := r.Connect()
	must(t, err)
	must(t, c.Publish(order, []Instance{at("10.0.0.1:80")}))
	r.Close()
	r.Close()
	<-r.Done()
	if err := r.Register(order, at("10.0.0.2:80")); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := r.Deregister(order, netip.MustParseAddrPort("10.0.0.2:80")); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, _, err := r.Beat(order, netip.MustParseAddrPort("10.0.0.2:80")); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := c.Withdraw(order); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := r.Connect(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	c.Close()
}

func FuzzKey(f *testing.F) {
	f.Add("public/DEFAULT_GROUP/order")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseKey(s)
		if err != nil || k.Validate() != nil {
			return
		}
		if k.String() != s || strings.ContainsAny(s, "\n\r\x00<>") {
			t.Fatalf("%q is valid", s)
		}
	})
}
