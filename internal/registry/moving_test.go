package registry

import (
	"testing"
	"testing/synctest"
	"time"
)

// A client that was told to connect again is listed until it has, and not for ever if it does not.
func TestClientsMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		defer r.Close()
		connect := func() *Connection {
			t.Helper()
			c, err := r.Connect()
			must(t, err)
			return c
		}
		a := connect()
		must(t, a.Publish(order, []Instance{at("10.0.0.1:80"), at("10.0.0.2:80")}))
		before := r.View(order)
		a.Leave()
		a.Leave()
		a.Close()
		if v := r.View(order); v != before {
			t.Errorf("the list is another one: %q, revision %d, was %d", text(v), v.Revision, before.Revision)
		}
		if s := r.Stats(); s.Connections != 0 || s.Instances != 2 {
			t.Errorf("%+v", s)
		}
		time.Sleep(20 * time.Second)
		b := connect()
		must(t, b.Publish(order, []Instance{at("10.0.0.1:80")}))
		want(t, r, order, "10.0.0.1:80, 10.0.0.2:80")
		if v := r.View(order); !v.Instances[0].Since.Equal(before.Instances[0].Since) {
			t.Error("who came back counts as new")
		}
		time.Sleep(9 * time.Second)
		want(t, r, order, "10.0.0.1:80, 10.0.0.2:80")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want(t, r, order, "10.0.0.1:80")

		// It has published again before the old connection is found to have ended.
		c := connect()
		must(t, c.Publish(order, []Instance{at("10.0.0.1:80")}))
		b.Leave()
		c.Close()
		want(t, r, order, "")

		// It comes back by heartbeats, and goes; and it is taken away by hand while it is awaited.
		d := connect()
		must(t, d.Publish(order, []Instance{at("10.0.0.3:80"), at("10.0.0.4:80")}))
		d.Leave()
		must(t, r.Register(order, at("10.0.0.3:80")))
		for _, addr := range []string{"10.0.0.3:80", "10.0.0.4:80"} {
			if gone, err := r.Deregister(order, at(addr).Addr); !gone || err != nil {
				t.Errorf("%s: %v %v", addr, gone, err)
			}
		}
		want(t, r, order, "")
	})
}
