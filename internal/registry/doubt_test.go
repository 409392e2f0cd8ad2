package registry

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"paifang/internal/registry/storage"
	"paifang/internal/registry/storage/storagetest"
)

// doubt is what comes of a process that was killed: its client's instance, 10.0.0.1:80, is in the storage yet, and the client goes to
// another one, whose storage hangs or does not answer.
type doubt struct {
	first         *storagetest.Shared // of the process that was killed
	storage       *storagetest.Shared // of the second
	second, third *Registry
	client        *Connection // at the second
	elsewhere     *Connection // at the third
	instance      Instance
}

// newDoubt has a cluster of processes, of which none is open.
func newDoubt(t *testing.T) (*storagetest.Cluster, *doubt) {
	t.Helper()
	c := storagetest.NewCluster()
	d := &doubt{first: c.Process("first"), storage: c.Process("second"), instance: inDefault("10.0.0.1:80")}
	t.Cleanup(func() { must(t, d.first.Close()) })
	return c, d
}

// open opens the second process, on the storage or what stands before it, and the third, with a client at each.
func (d *doubt) open(t *testing.T, c *storagetest.Cluster, second storage.Store) {
	t.Helper()
	d.second, d.third = reopen(t, Options{Store: second}), reopen(t, Options{Store: c.Process("third")})
	t.Cleanup(d.second.Close)
	t.Cleanup(d.third.Close)
	var err error
	d.client, err = d.second.Connect()
	must(t, err)
	d.elsewhere, err = d.third.Connect()
	must(t, err)
}

// inDoubt runs a test, while which the third must list the instance always.
func inDoubt(t *testing.T, test func(t *testing.T, d *doubt)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, d := newDoubt(t)
		d.write(t)
		d.open(t, c, d.storage)
		w := d.third.Watch()
		w.Add(order)
		synctest.Wait()
		ended := make(chan struct{})
		go func() {
			defer w.Close()
			for {
				select {
				case <-w.C():
					if w.Take(); text(d.third.View(order)) != "10.0.0.1:80" {
						t.Errorf("the third lists %q", text(d.third.View(order)))
					}
				case <-ended:
					return
				}
			}
		}()
		defer synctest.Wait()
		defer close(ended)
		test(t, d)
		synctest.Wait()
		want(t, d.third, order, "10.0.0.1:80")
	})
}

// inDefault is an instance as it is stored.
func inDefault(addr string) Instance {
	in := at(addr)
	in.Cluster = defaultCluster
	return in
}

// write is what the first has written.
func (d *doubt) write(t *testing.T) {
	t.Helper()
	value, err := json.Marshal(newRecord(&d.instance))
	must(t, err)
	_, _, err = d.first.Batch(t.Context(), []storage.Step{{Change: storage.Put(liveRoot+slotText(order, d.instance.slot()), value)}})
	must(t, err)
}

// owner is whose the instance is, for the third.
func (d *doubt) owner() string {
	synctest.Wait()
	d.third.mu.Lock()
	defer d.third.mu.Unlock()
	s := d.third.services[order]
	if s == nil {
		return "nobody"
	}
	if p := s.foreign[d.instance.slot()]; p != nil {
		return p.owner
	}
	return "third"
}

func refused(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, storage.ErrUnavailable) {
		t.Fatalf("the registration: %v, want that the storage is not available", err)
	}
}

// A registration that is refused, because nobody knows whether it is written, takes nobody out of the lists who was there before; and
// who comes back is no other.
func TestRefusedRegistrationStaysListed(t *testing.T) {
	for name, register := range map[string]func(*doubt) error{
		"connection": func(d *doubt) error { return d.client.Publish(order, []Instance{d.instance}) },
		"heartbeats": func(d *doubt) error { return d.second.Register(order, d.instance) },
	} {
		t.Run(name, func(t *testing.T) {
			inDoubt(t, func(t *testing.T, d *doubt) {
				d.storage.Hang()
				refused(t, register(d))
				want(t, d.second, order, "10.0.0.1:80")
				time.Sleep(time.Second)
				d.storage.GoOn()
				if got := d.owner(); got != "second" {
					t.Errorf("written, it is the %s's", got)
				}
				time.Sleep(20 * time.Second)
				must(t, register(d))
				if got := d.owner(); got != "second" {
					t.Errorf("registered again, it is the %s's", got)
				}
				time.Sleep(14 * time.Second) // longer than anybody waits for a client that does not come back
			})
		})
	}
}

// A client that goes on to a third process, as the second does not answer, is listed there for good, whatever becomes of what
// the second wanted.
func TestLateWriteTakesNothingAway(t *testing.T) {
	for name, leave := range map[string]func(*testing.T, *doubt, <-chan error){
		"refused":  func(t *testing.T, d *doubt, done <-chan error) { refused(t, <-done); d.client.Close() },
		"gives up": func(t *testing.T, d *doubt, done <-chan error) { d.client.Close(); refused(t, <-done) },
		"told to":  func(t *testing.T, d *doubt, done <-chan error) { d.client.Leave(); refused(t, <-done) },
		"stays":    func(t *testing.T, d *doubt, done <-chan error) { refused(t, <-done) },
	} {
		t.Run(name, func(t *testing.T) {
			inDoubt(t, func(t *testing.T, d *doubt) {
				d.storage.Hang()
				done := make(chan error, 1)
				go func() { done <- d.client.Publish(order, []Instance{d.instance}) }()
				time.Sleep(time.Second)
				leave(t, d, done)
				must(t, d.elsewhere.Publish(order, []Instance{d.instance}))
				if got := d.owner(); got != "third" {
					t.Errorf("published, it is the %s's", got)
				}
				d.storage.GoOn()
				time.Sleep(2 * time.Minute)
				if got := d.owner(); got != "third" {
					t.Errorf("when the second's writes are done, it is the %s's", got)
				}
				if !d.elsewhere.Publishes(order) {
					t.Error("the third does not know its own client any more")
				}
			})
		})
	}
}

// What the first has written when the client was with the second already does not count.
func TestLateWriteOfBefore(t *testing.T) {
	inDoubt(t, func(t *testing.T, d *doubt) {
		d.storage.Hang()
		done := make(chan error, 1)
		go func() { done <- d.client.Publish(order, []Instance{d.instance}) }()
		time.Sleep(500 * time.Millisecond)
		d.write(t)
		d.storage.GoOn()
		must(t, <-done)
		if got := d.owner(); got != "second" {
			t.Errorf("it is the %s's", got)
		}
		if !d.client.Publishes(order) {
			t.Error("the second does not know its own client any more")
		}
	})
}

// Who says the same again while it is not known whether it is written is told no more than who said it first.
func TestSaidTwiceInDoubt(t *testing.T) {
	inDoubt(t, func(t *testing.T, d *doubt) {
		d.storage.Hang()
		errs := make(chan error, 4)
		for range 2 {
			go func() { errs <- d.second.Register(order, d.instance) }()
			go func() { errs <- d.client.Publish(order, []Instance{d.instance}) }()
			time.Sleep(100 * time.Millisecond)
		}
		for range 4 {
			refused(t, <-errs)
		}
		d.storage.GoOn()
	})
}

// What followers are told is as good as an answer.
func TestFollowersAnswer(t *testing.T) {
	inDoubt(t, func(t *testing.T, d *doubt) {
		d.storage.Mute(true)
		began := time.Now()
		must(t, d.client.Publish(order, []Instance{d.instance}))
		if took := time.Since(began); took > 0 {
			t.Errorf("after %v", took)
		}
		d.storage.Mute(false)
	})
}

// A client that takes back what it has just published here is in no list any more, also where it is written as the first's yet.
func TestTakenBackInDoubt(t *testing.T) {
	for name, run := range map[string]struct{ comes, goes func(*doubt) error }{
		"connection": {
			func(d *doubt) error { return d.client.Publish(order, []Instance{d.instance}) },
			func(d *doubt) error { return d.client.Withdraw(order) },
		},
		"heartbeats": {
			func(d *doubt) error { return d.second.Register(order, d.instance) },
			func(d *doubt) error { _, err := d.second.Deregister(order, d.instance.Addr); return err },
		},
	} {
		for what, ends := range map[string]func(*storagetest.Shared){"done": (*storagetest.Shared).GoOn, "not done": (*storagetest.Shared).Drop} {
			t.Run(name+"/"+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, d := newDoubt(t)
					d.write(t)
					d.open(t, c, d.storage)
					synctest.Wait()
					want(t, d.third, order, "10.0.0.1:80")
					d.storage.Hang()
					go func() { _ = run.comes(d) }()
					time.Sleep(time.Second)
					gone := make(chan error, 1)
					go func() { gone <- run.goes(d) }()
					time.Sleep(500 * time.Millisecond)
					ends(d.storage)
					must(t, <-gone)
					synctest.Wait()
					want(t, d.second, order, "")
					want(t, d.third, order, "")
					time.Sleep(time.Minute)
					want(t, d.third, order, "")
				})
			})
		}
	}
}

// A client in doubt that does not come back is waited for as long as one that was told to connect again.
func TestDoubtEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, d := newDoubt(t)
		d.write(t)
		d.second = reopen(t, Options{Store: d.storage})
		defer d.second.Close()
		synctest.Wait()
		d.storage.Hang()
		refused(t, d.second.Register(order, d.instance))
		d.storage.GoOn()
		time.Sleep(29 * time.Second)
		want(t, d.second, order, "10.0.0.1:80")
		time.Sleep(2 * time.Second)
		want(t, d.second, order, "")
		if _, there, err := d.first.Get(context.Background(), liveRoot+slotText(order, d.instance.slot())); there || err != nil {
			t.Errorf("it is stored: %v %v", there, err)
		}
	})
}
