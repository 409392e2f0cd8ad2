package registry

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"paifang/internal/model"
	"paifang/internal/registry/storage"
	"paifang/internal/registry/storage/storagetest"
)

// lagging is a storage that tells its followers later.
type lagging struct {
	*storagetest.Shared
	late atomic.Bool
	gate chan struct{}
}

func (l *lagging) Follow(ctx context.Context, prefix string, tell func(storage.News)) error {
	return l.Shared.Follow(ctx, prefix, func(n storage.News) {
		if l.late.Load() {
			<-l.gate
		}
		tell(n)
	})
}

// inLag runs a test of a second process whose news are late.
func inLag(t *testing.T, test func(t *testing.T, c *storagetest.Cluster, l *lagging, d *doubt)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, d := newDoubt(t)
		l := &lagging{Shared: d.storage, gate: make(chan struct{})}
		d.open(t, c, l)
		synctest.Wait()
		test(t, c, l, d)
	})
}

// What was written before this process's own write, and is told after it was acknowledged, takes nothing away.
func TestNewsOfBeforeTheOwnWrite(t *testing.T) {
	inLag(t, func(t *testing.T, c *storagetest.Cluster, l *lagging, d *doubt) {
		l.late.Store(true)
		d.write(t) // by the first, which ends then
		synctest.Wait()
		must(t, d.client.Publish(order, []Instance{d.instance}))
		if got := d.owner(); got != "second" {
			t.Fatalf("it is the %s's", got)
		}
		close(l.gate)
		time.Sleep(time.Second)
		if !d.client.Publishes(order) {
			t.Error("the second does not know its own client any more, which was told that all is well")
		}
		want(t, d.second, order, "10.0.0.1:80")
		want(t, d.third, order, "10.0.0.1:80")
	})
}

// Likewise that a key went.
func TestGoneBeforeTheOwnWrite(t *testing.T) {
	inLag(t, func(t *testing.T, c *storagetest.Cluster, l *lagging, d *doubt) {
		d.write(t)
		synctest.Wait()
		l.late.Store(true)
		_, err := d.first.Commit(t.Context(), nil, storage.Delete(liveRoot+slotText(order, d.instance.slot()))) // its lease ends
		must(t, err)
		synctest.Wait()
		must(t, d.client.Publish(order, []Instance{d.instance}))
		d.client.Leave()
		close(l.gate)
		time.Sleep(time.Second)
		want(t, d.second, order, "10.0.0.1:80")
		want(t, d.third, order, "10.0.0.1:80")
	})
}

// What this process wrote before the client's last word is no answer to it.
func TestEchoOfBefore(t *testing.T) {
	inLag(t, func(t *testing.T, c *storagetest.Cluster, l *lagging, d *doubt) {
		l.late.Store(true)
		must(t, d.client.Publish(order, []Instance{d.instance}))
		synctest.Wait()
		d.client.Leave()
		must(t, d.elsewhere.Publish(order, []Instance{d.instance}))
		synctest.Wait()
		d.elsewhere.Leave() // and back
		again, err := d.second.Connect()
		must(t, err)
		d.storage.Hang()
		done := make(chan error, 1)
		go func() { done <- again.Publish(order, []Instance{d.instance}) }()
		synctest.Wait()
		l.gate <- struct{}{} // the write of before
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("answered %v, while its write hangs", err)
			done <- err
		default:
		}
		close(l.gate)
		time.Sleep(500 * time.Millisecond)
		d.storage.GoOn()
		time.Sleep(1000 * time.Millisecond)
		err = <-done
		time.Sleep(time.Minute)
		if err == nil && !again.Publishes(order) {
			t.Error("the second does not know its own client any more, which was told that all is well")
		}
		want(t, d.third, order, "10.0.0.1:80")
	})
}

// An update that could not be written, and was refused, takes nothing from where the client is since.
func TestRefusedUpdateOfLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := storagetest.NewCluster()
		s := c.Process("second")
		second, third := reopen(t, Options{Store: s}), reopen(t, Options{Store: c.Process("third")})
		defer second.Close()
		defer third.Close()
		old, err := second.Connect()
		must(t, err)
		now, err := third.Connect()
		must(t, err)
		in := inDefault("10.0.0.1:80")
		must(t, old.Publish(order, []Instance{in}))
		s.Hang()
		heavy := in
		heavy.Weight = 2
		refused(t, old.Publish(order, []Instance{heavy}))
		time.Sleep(5 * time.Second) // the second is cut off from the storage and from its client, which goes to the third
		must(t, now.Publish(order, []Instance{in}))
		s.GoOn()
		time.Sleep(10 * time.Second)
		if !now.Publishes(order) {
			t.Error("the third does not know its own client any more, which was told that all is well")
		}
		old.Close() // it has seen that the connection is dead
		time.Sleep(time.Minute)
		want(t, third, order, "10.0.0.1:80")
	})
}

// An offer that is taken back in doubt takes nothing away that has registered itself.
func TestOfferTakenBackInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := storagetest.NewCluster()
		s := c.Process("second")
		second, third, fourth := reopen(t, Options{Store: s}), reopen(t, Options{Store: c.Process("third")}), reopen(t, Options{Store: c.Process("fourth")})
		defer second.Close()
		defer third.Close()
		defer fourth.Close()
		client, err := third.Connect()
		must(t, err)
		bridge, err := second.Connect()
		must(t, err)
		must(t, client.Publish(order, []Instance{at("10.0.0.1:80")}))
		synctest.Wait()
		w := fourth.Watch()
		defer w.Close()
		w.Add(order)
		go func() {
			for {
				select {
				case <-w.C():
					if w.Take(); text(fourth.View(order)) != "10.0.0.1:80" {
						t.Errorf("the fourth lists %q", text(fourth.View(order)))
					}
				case <-t.Context().Done():
					return
				case <-fourth.Done():
					return
				}
			}
		}()
		in := inDefault("10.0.0.1:80")
		stored := liveRoot + slotText(order, in.slot())
		before, _, err := s.Get(t.Context(), stored)
		must(t, err)
		offer := at("10.0.0.1:80")
		offer.Metadata = model.NewTags(map[string]string{model.TagFrom: "x"})
		s.Hang()
		go func() { _ = bridge.Publish(order, []Instance{offer}) }()
		time.Sleep(100 * time.Millisecond)
		gone := make(chan error, 1)
		go func() { gone <- bridge.Withdraw(order) }()
		synctest.Wait()
		if got := text(second.View(order)); got != "10.0.0.1:80" {
			t.Errorf("the second lists %q", got)
		}
		s.GoOn()
		must(t, <-gone)
		time.Sleep(time.Second)
		if e, _, err := s.Get(t.Context(), stored); err != nil || e.Revision != before.Revision {
			t.Errorf("the third's key was of revision %d, and is of %d: %v", before.Revision, e.Revision, err)
		}
		want(t, fourth, order, "10.0.0.1:80")
	})
}

// Saying it twice does not end the doubt.
func TestSaidTwiceAndLeft(t *testing.T) {
	inDoubt(t, func(t *testing.T, d *doubt) {
		d.storage.Hang()
		for range 2 {
			go func() { _ = d.client.Publish(order, []Instance{d.instance}) }()
			time.Sleep(100 * time.Millisecond)
		}
		d.client.Close()
		time.Sleep(500 * time.Millisecond)
		d.storage.GoOn()
		time.Sleep(10 * time.Second)
	})
}

// What is taken back in doubt in other ways.
func TestTakenBackOtherwise(t *testing.T) {
	other := inDefault("10.0.0.2:80")
	for name, run := range map[string]struct {
		comes, goes func(*doubt) error
		left        string
	}{
		"replaced": {
			func(d *doubt) error { return d.client.Publish(order, []Instance{d.instance, other}) },
			func(d *doubt) error { return d.client.Publish(order, []Instance{other}) }, "10.0.0.2:80",
		},
		"said twice": {
			func(d *doubt) error {
				go func() { _ = d.client.Publish(order, []Instance{d.instance}) }()
				time.Sleep(10 * time.Millisecond)
				return d.client.Publish(order, []Instance{d.instance})
			},
			func(d *doubt) error { return d.client.Withdraw(order) }, "",
		},
		"taken over": {
			func(d *doubt) error { _, _, err := d.second.Beat(order, d.instance.Addr); return err },
			func(d *doubt) error { _, err := d.second.Deregister(order, d.instance.Addr); return err }, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, d := newDoubt(t)
				d.write(t)
				d.open(t, c, d.storage)
				synctest.Wait()
				d.storage.Hang()
				go func() { _ = run.comes(d) }()
				time.Sleep(time.Second)
				gone := make(chan error, 1)
				go func() { gone <- run.goes(d) }()
				time.Sleep(500 * time.Millisecond)
				d.storage.Drop()
				must(t, <-gone)
				synctest.Wait()
				want(t, d.second, order, run.left)
				want(t, d.third, order, run.left)
			})
		})
	}
}

// What its client has taken back at the third comes back with nothing that the second still has of it.
func TestComesBackAfterDeregistering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, d := newDoubt(t)
		d.write(t)
		d.open(t, c, d.storage)
		synctest.Wait()
		d.storage.Hang()
		refused(t, d.client.Publish(order, []Instance{d.instance}))
		must(t, d.elsewhere.Publish(order, []Instance{d.instance}))
		synctest.Wait()
		must(t, d.elsewhere.Withdraw(order))
		synctest.Wait()
		want(t, d.third, order, "")
		d.storage.GoOn()
		time.Sleep(5 * time.Second)
		if got := text(d.third.View(order)); got != "" {
			t.Errorf("5 s later: %q", got)
		}
		time.Sleep(time.Minute)
		want(t, d.third, order, "")
	})
}

// once has a storage hang after the next batch that it answers.
type once struct {
	*storagetest.Shared
	armed atomic.Bool
}

func (o *once) Batch(ctx context.Context, steps []storage.Step) ([]bool, int64, error) {
	done, revision, err := o.Shared.Batch(ctx, steps)
	if err == nil && o.armed.CompareAndSwap(true, false) {
		o.Hang()
	}
	return done, revision, err
}

// Who takes something back is not told that it is gone, while it stands there as this process's.
func TestTakenBackTooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, d := newDoubt(t)
		d.write(t)
		o := &once{Shared: d.storage}
		d.open(t, c, o)
		synctest.Wait()
		d.storage.Hang()
		go func() { _ = d.client.Publish(order, []Instance{d.instance}) }()
		time.Sleep(time.Second / 2)
		gone := make(chan error, 1)
		go func() { gone <- d.client.Withdraw(order) }()
		time.Sleep(10 * time.Millisecond) // the put is in the member that hangs, and nothing else
		o.armed.Store(true)
		d.storage.GoOn()
		if err := <-gone; err == nil && text(d.third.View(order)) != "" {
			t.Errorf("taken back, it is listed: %q", text(d.third.View(order)))
		}
		d.storage.GoOn()
		time.Sleep(time.Minute)
		want(t, d.third, order, "")
	})
}

// stepwise fails what it is asked first, and then does and answers batches when it is let.
type stepwise struct {
	*storagetest.Shared
	failed [][]storage.Step // nil and empty: none yet
	on     atomic.Bool
	do     chan struct{}
	answer chan struct{}
}

func (s *stepwise) Batch(ctx context.Context, steps []storage.Step) ([]bool, int64, error) {
	if !s.on.Load() {
		return s.Shared.Batch(ctx, steps)
	}
	if s.failed == nil {
		s.failed = append(s.failed, steps)
		return nil, 0, errors.New("no answer")
	}
	<-s.do
	defer func() { <-s.answer }()
	return s.Shared.Batch(ctx, steps)
}

// A late write does not stand where a deletion is on its way.
func TestEchoBeforeTheDeletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, d := newDoubt(t)
		d.write(t)
		s := &stepwise{Shared: d.storage, do: make(chan struct{}), answer: make(chan struct{})}
		d.open(t, c, s)
		synctest.Wait()
		s.on.Store(true)
		_, _, err := d.second.Beat(order, d.instance.Addr)
		must(t, err)
		synctest.Wait() // its write is under way
		go func() { _, _ = d.second.Deregister(order, d.instance.Addr) }()
		time.Sleep(shareRetry + time.Millisecond)
		done := make(chan error, 1)
		go func() { done <- d.second.Register(order, d.instance) }()
		synctest.Wait()
		_, _, err = d.storage.Batch(t.Context(), s.failed[0]) // and is done now
		must(t, err)
		synctest.Wait()
		s.do <- struct{}{}
		synctest.Wait()
		s.on.Store(false)
		s.answer <- struct{}{}
		must(t, <-done)
		time.Sleep(10 * time.Second)
		want(t, d.second, order, "10.0.0.1:80")
		want(t, d.third, order, "10.0.0.1:80")
	})
}

// An offer whose claim fails leaves the key to what has registered itself meanwhile.
func TestOfferThatIsLate(t *testing.T) {
	inLag(t, func(t *testing.T, c *storagetest.Cluster, l *lagging, d *doubt) {
		l.late.Store(true)
		must(t, d.elsewhere.Publish(order, []Instance{d.instance}))
		synctest.Wait()
		offer := d.instance
		offer.Metadata = model.NewTags(map[string]string{model.TagFrom: "x"})
		w := c.Process("fourth")
		defer func() { l.late.Store(false); close(l.gate) }()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			_ = w.Follow(ctx, liveRoot, func(n storage.News) {
				for _, e := range n.Entries {
					if e.Owner != "third" {
						t.Errorf("the key is the %s's: %s", e.Owner, e.Value)
					}
				}
			})
		}()
		synctest.Wait()
		must(t, d.client.Publish(order, []Instance{offer}))
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
	})
}
