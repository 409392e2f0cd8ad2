// Package resolve offers the addresses of host names: of every list of keeper model.KeeperDNS that an upstream uses. Which these are it
// learns from reports.
package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"paifang/internal/lookup"
	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/source"
)

// CodeUnresolved is the code of a host name that has no address.
const CodeUnresolved model.Code = "host-unresolved"

// Config says how names are asked for.
type Config struct {
	Resolver lookup.Resolver // default the system's
	Refresh  time.Duration   // after which a name is asked for again; default 30s
	Retry    time.Duration   // the same for one that had no answer; default 2s
}

// Source follows names. It is a source.Source.
type Source struct {
	c Config

	mu       sync.Mutex
	used     map[string]bool // names of lists: host:port
	reported shard.Map[model.EndpointsID]
	wake     chan struct{}
}

var (
	_ source.Source   = (*Source)(nil)
	_ source.Reporter = (*Source)(nil)
)

// New returns a source. Nothing is asked before Run.
func New(c Config) *Source {
	c.Refresh, c.Retry = cmp.Or(c.Refresh, 30*time.Second), cmp.Or(c.Retry, 2*time.Second)
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	return &Source{c: c, used: map[string]bool{}, wake: make(chan struct{}, 1)}
}

// Name is "resolve".
func (s *Source) Name() string { return "resolve" }

// Report notes which names upstreams use.
func (s *Source) Report(_ context.Context, r source.Report) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range r.InUse.Changes(s.reported) {
		list := c.New
		if !c.HasNew {
			list = c.Old
		}
		if list.Keeper != model.KeeperDNS {
			continue
		}
		if c.HasNew {
			s.used[list.Name] = true
		} else {
			delete(s.used, list.Name)
		}
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	s.reported = r.InUse
	return nil
}

// known is what is known of a name.
type known struct {
	lookup.Answer           // the last good addresses, and the error of the last attempt
	asked         time.Time // zero: never
}

// run is the state of one Run. Only its goroutine touches it.
type run struct {
	s     *Source
	out   chan<- source.Update
	names map[string]*known
	sent  map[string]*model.Objects
	full  bool
}

// Run asks for the names that are used, and again after a while, until ctx ends. A name that cannot be resolved keeps the addresses that
// it had; one that never had any is unknown, which is not empty.
func (s *Source) Run(ctx context.Context, out chan<- source.Update) error {
	r := &run{s: s, out: out, names: map[string]*known{}, sent: map[string]*model.Objects{}}
	tick := time.NewTicker(min(s.c.Refresh, s.c.Retry))
	defer tick.Stop()
	var answers chan map[string]lookup.Answer // under way; nil = none
	defer func() {
		if answers != nil {
			<-answers
		}
	}()
	for {
		due := r.due()
		if err := r.send(ctx); err != nil {
			return err
		}
		if answers == nil && len(due) > 0 {
			answers = make(chan map[string]lookup.Answer, 1)
			to := answers
			go func() { to <- lookup.All(ctx, s.c.Resolver, due, lookup.Time(len(due))) }()
		}
		select {
		case <-s.wake:
		case <-tick.C:
		case now := <-answers:
			answers = nil
			r.learn(now)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// due brings the names to those that are used, and returns the hosts to ask for.
func (r *run) due() map[string]string {
	r.s.mu.Lock()
	used := maps.Clone(r.s.used)
	r.s.mu.Unlock()
	maps.DeleteFunc(r.names, func(name string, _ *known) bool { return !used[name] })
	out := map[string]string{}
	for name := range used {
		k := r.names[name]
		if k == nil {
			k = &known{}
			r.names[name] = k
		}
		after := r.s.c.Refresh
		if k.Err != nil {
			after = r.s.c.Retry
		}
		if !k.asked.IsZero() && time.Since(k.asked) < after {
			continue
		}
		host, _, err := parse(name)
		if err != nil {
			k.Err, k.asked = err, time.Now()
			continue
		}
		out[name] = host
	}
	return out
}

func parse(name string) (string, uint16, error) {
	host, text, err := net.SplitHostPort(name)
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 || host == "" {
		return "", 0, errors.New("want host:port")
	}
	return host, uint16(port), nil
}

func (r *run) learn(now map[string]lookup.Answer) {
	for name, a := range now {
		k := r.names[name]
		if k == nil {
			continue // used no more
		}
		if k.asked = time.Now(); a.Err != nil {
			a.Addrs = k.Addrs
		}
		k.Answer = a
	}
}

// send delivers the groups that differ from what was delivered, and empty ones for those that went.
func (r *run) send(ctx context.Context) error {
	u := source.Update{Full: !r.full}
	for name, k := range r.names {
		now := k.objects(name)
		if was := r.sent[name]; was == nil && now.Empty() || reflect.DeepEqual(was, now) {
			continue
		}
		r.sent[name] = now
		u.Groups = append(u.Groups, source.Group{Key: "host/" + name, Objects: now})
	}
	for name := range r.sent {
		if r.names[name] == nil {
			delete(r.sent, name)
			u.Groups = append(u.Groups, source.Group{Key: "host/" + name})
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

func (k *known) objects(name string) *model.Objects {
	out := &model.Objects{}
	origin := model.Origin{Source: "resolve", Kind: "host", Name: name}
	if k.Err != nil {
		message := fmt.Sprintf("%s has no address: %v", name, k.Err)
		if k.Addrs != nil {
			message += "; those it had before stay in use"
		}
		out.Diagnostics = []model.Diagnostic{{Origin: origin, Severity: model.Warning, Code: CodeUnresolved, Message: message}}
	}
	if k.Addrs == nil {
		return out
	}
	host, port, err := parse(name)
	if err != nil {
		return out
	}
	set := model.EndpointSet{List: model.EndpointsID{Keeper: model.KeeperDNS, Name: name}, Origin: origin}
	for _, a := range k.Addrs {
		set.Endpoints = append(set.Endpoints, model.Endpoint{Addr: netip.AddrPortFrom(a, port), Name: host})
	}
	out.Endpoints = []model.EndpointSet{set}
	return out
}
