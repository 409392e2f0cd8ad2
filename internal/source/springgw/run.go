package springgw

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/watch"
)

// Run delivers the routes of all files, and from then on what changes. It returns when ctx ends, or with an error when a
// path is not there at the start or the system cannot watch.
func (s *Source) Run(ctx context.Context, out chan<- source.Update) error {
	for _, p := range s.c.Paths {
		if _, err := os.Stat(p); err != nil {
			return fmt.Errorf("springgw: read: %w", err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes, watched := make(chan watch.Change), make(chan error, 1)
	go func() {
		defer close(watched)
		watched <- watch.Run(ctx, watch.Options{Paths: s.c.Paths, Accept: bootconfig.Accept}, func(c watch.Change) {
			select {
			case changes <- c:
			case <-ctx.Done():
			}
		})
	}()
	r := &run{c: s.c, out: out, list: s.list, common: s.common, read: newReading(&s.c), sent: map[string]*model.Objects{}, resolved: map[string]known{}, feeds: make([]feedState, len(s.c.Feeds))}
	said := make(chan told)
	feeding := followFeeds(ctx, s.c.Feeds, said)
	err := r.loop(ctx, changes, watched, said)
	cancel()
	feeding.Wait()
	if r.asking != nil {
		<-r.asking
	}
	for range watched { // until it is closed
	}
	return err
}

// run is the state of one Run. Only loop's goroutine touches it.
type run struct {
	c        Config
	out      chan<- source.Update
	list     func(apps, above []*application) // notes what is in force
	common   *Common                          // tells others what holds for their routes too; nil = there are none
	above    <-chan struct{}                  // is closed when the files above say something else
	read     *reading
	sent     map[string]*model.Objects
	memory   *memory // of what was translated
	full     bool
	listed   bool  // the files are read
	fault    error // that directories cannot be listed
	feeds    []feedState
	resolved map[string]known
	hosts    map[string]target
	asking   chan map[string]known // answers under way; nil = none
}

// retry is how soon a host name is asked for again that has no address.
const retry = 2 * time.Second

func (r *run) loop(ctx context.Context, changes <-chan watch.Change, watched <-chan error, said <-chan told) error {
	tick := time.NewTicker(min(retry, r.c.Refresh))
	defer tick.Stop()
	refreshed := time.Now()
	for {
		var err error
		select {
		case err = <-watched:
		case c := <-changes:
			if c.Full && c.Err != nil { // nothing may be sent before everything is read
				return fmt.Errorf("springgw: read: %w", c.Err)
			}
			err = r.take(ctx, c)
		case t := <-said:
			err = r.hear(ctx, t)
		case <-r.above:
			err = r.changed(ctx)
		case answers := <-r.asking:
			r.asking = nil
			r.learn(answers)
			err = r.send(ctx)
			r.ask(ctx, r.missing())
		case now := <-tick.C:
			if r.full && r.c.descriptors.refresh() {
				if err = r.send(ctx); err != nil {
					return err
				}
			}
			if now.Sub(refreshed) >= r.c.Refresh {
				refreshed = now
				r.ask(ctx, r.hosts)
			} else {
				r.ask(ctx, r.failed())
			}
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// take brings a change of the files in and sends what follows from it.
func (r *run) take(ctx context.Context, c watch.Change) error {
	r.fault = c.Err
	r.read.take(c.Files)
	r.listed = true
	return r.changed(ctx)
}

// changed sends what follows from what was read, once everything is.
func (r *run) changed(ctx context.Context) error {
	var read bool
	r.c.above, read, r.above = r.c.Above.now()
	if !r.full {
		if !r.listed || !r.heard() || !read {
			return nil
		}
		r.hosts = translate(r.c, r.read.applications(), nil, nil).hosts // the first listing waits for addresses, briefly
		r.learn(resolve(ctx, r.c.Resolver, r.hosts, time.Second))
	}
	if err := r.send(ctx); err != nil {
		return err
	}
	r.ask(ctx, r.missing())
	return nil
}

// send delivers the groups that differ from what was delivered, and empty ones for those that went.
func (r *run) send(ctx context.Context) error {
	apps := r.read.applications()
	now := translate(r.c, apps, r.resolved, r.memory)
	r.hosts, r.memory = now.hosts, now.memory
	r.common.say(apps)
	if r.c.List {
		r.list(apps, r.c.above)
	}
	if r.fault != nil {
		now.groups = append(now.groups, source.Group{Key: "directories", Objects: &model.Objects{Diagnostics: []model.Diagnostic{{
			Origin: model.Origin{Source: r.c.Name}, Severity: model.Error, Code: model.CodeSourceFailed, Message: r.fault.Error() + "; what was read before stays"}}}})
	}
	now.groups = append(now.groups, r.feedFaults()...)
	u := source.Update{Full: !r.full}
	present := make(map[string]bool, len(now.groups))
	for _, g := range now.groups {
		present[g.Key] = true
		was, ok := r.sent[g.Key]
		r.sent[g.Key] = g.Objects
		if ok && (was == g.Objects || reflect.DeepEqual(was, g.Objects)) {
			continue
		}
		u.Groups = append(u.Groups, g)
	}
	for key := range r.sent {
		if !present[key] {
			delete(r.sent, key)
			u.Groups = append(u.Groups, source.Group{Key: key})
		}
	}
	if len(u.Groups) == 0 && !u.Full {
		return nil
	}
	slices.SortFunc(u.Groups, func(a, b source.Group) int { return strings.Compare(a.Key, b.Key) })
	select {
	case r.out <- u:
		r.full = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
