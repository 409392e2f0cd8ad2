package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"paifang/internal/registry/config"
)

// call is one operation on a configuration: what was asked.
type call struct {
	kind string // get, put, cas, remove
	key  int
	text string // put, cas: what is written
	cas  string // cas: the MD5 that must be there
}

// answer is what came of it.
type answer struct {
	text    string // get; empty: there is none
	ok      bool   // cas: it was written; remove: it was there
	unknown bool   // whether it happened is not known
}

// model is a configuration on which one thing happens after the other.
func model() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			by := map[int][]porcupine.Operation{}
			for _, o := range history {
				by[o.Input.(call).key] = append(by[o.Input.(call).key], o)
			}
			var out [][]porcupine.Operation
			for _, h := range by {
				out = append(out, h)
			}
			return out
		},
		Init: func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			s, in, out := state.(string), input.(call), output.(answer)
			switch in.kind {
			case "put":
				return true, in.text
			case "remove":
				return out.unknown || out.ok == (s != ""), ""
			case "cas":
				fits := s != "" && config.MD5(s) == in.cas
				if fits {
					return out.unknown || out.ok, in.text
				}
				return out.unknown || !out.ok, s
			}
			return out.text == s, s
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v → %+v", input, output) },
	}
}

// What several processes write and read of configurations, while their ways to etcd are cut and healed, looks as if one thing had
// happened after the other.
func TestConfigurationsAreLinearizable(t *testing.T) {
	c := startEtcd(t)
	const nodes, workers, keys = 3, 2, 2
	var mu sync.Mutex
	var history []porcupine.Operation
	begin := time.Now()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var ways [nodes][]*proxy
	for n := range nodes {
		var endpoints []string
		for _, a := range c.clients {
			p := newProxy(t, a)
			ways[n] = append(ways[n], p)
			endpoints = append(endpoints, p.addr())
		}
		kv := c.open(t, endpoints, ttl)
		defer kv.Close()
		configs, err := config.Open(t.Context(), kv, config.Options{Wait: 300 * time.Millisecond})
		must(t, err)
		defer configs.Close()
		for w := range workers {
			wg.Go(func() {
				client := n*workers + w
				seen := map[int]string{} // the MD5 that this client knows
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					case <-time.After(time.Duration(rand.IntN(30)) * time.Millisecond):
					}
					in := call{key: rand.IntN(keys), kind: []string{"get", "get", "put", "cas", "cas", "remove"}[rand.IntN(6)], text: fmt.Sprint(client, "-", i)}
					if in.cas = seen[in.key]; in.kind == "cas" && in.cas == "" {
						in.kind = "get"
					}
					called := time.Since(begin)
					out, skip := do(configs, in)
					returned := time.Since(begin).Nanoseconds()
					if out.text != "" {
						seen[in.key] = config.MD5(out.text)
					}
					if skip {
						continue
					}
					if out.unknown {
						returned = math.MaxInt64
					}
					mu.Lock()
					history = append(history, porcupine.Operation{ClientId: client, Input: in, Call: called.Nanoseconds(), Output: out, Return: returned})
					mu.Unlock()
					if out.unknown {
						client += nodes * workers // who does not know what became of it is somebody else from here on
					}
				}
			})
		}
	}
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); {
		n, member := rand.IntN(nodes), rand.IntN(4)
		for i, p := range ways[n] {
			if member == 3 || member == i {
				p.cut()
			}
		}
		time.Sleep(time.Duration(200+rand.IntN(1500)) * time.Millisecond)
		for _, p := range ways[n] {
			p.heal()
		}
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
	}
	close(stop)
	wg.Wait()
	unknown, done := 0, map[string]int{}
	for _, o := range history {
		if o.Output.(answer).unknown {
			unknown++
		}
		done[o.Input.(call).kind]++
	}
	t.Logf("%d operations %v, of %d of which it is not known whether they happened", len(history), done, unknown)
	if len(history) < 100 {
		t.Errorf("too few operations to say anything")
	}
	if r := porcupine.CheckOperationsTimeout(model(), history, time.Minute); r != porcupine.Ok {
		t.Errorf("the history is %s", r)
		for _, one := range model().Partition(history) {
			if porcupine.CheckOperationsTimeout(model(), one, time.Minute) != porcupine.Ok {
				tellHistory(t, one)
			}
		}
	}
}

// tellHistory logs the operations on one configuration up to the first answer by which there is no order of them, without those that had
// ended long before.
func tellHistory(t *testing.T, history []porcupine.Operation) {
	t.Helper()
	// What has not ended by then may have happened or not: an answer that comes later says nothing yet.
	until := func(end int64) (out []porcupine.Operation) {
		for _, o := range history {
			if o.Call <= end {
				if in := o.Input.(call); o.Return > end {
					if in.kind == "get" {
						continue
					}
					o.Output, o.Return = answer{unknown: true}, math.MaxInt64
				}
				out = append(out, o)
			}
		}
		return out
	}
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return cmp.Compare(a.Return, b.Return) })
	first := sort.Search(len(history), func(i int) bool {
		return porcupine.CheckOperationsTimeout(model(), until(history[i].Return), time.Minute) != porcupine.Ok
	})
	for _, o := range history[:min(first+1, len(history))] {
		if o.Return < history[min(first, len(history)-1)].Return-int64(2*time.Second) {
			continue
		}
		t.Logf("%9.1f to %9.1f ms, client %d: %s", float64(o.Call)/1e6, float64(o.Return)/1e6, o.ClientId, model().DescribeOperation(o.Input, o.Output))
	}
	for _, o := range history[min(first+1, len(history)):] {
		if o.Output.(answer).unknown {
			t.Logf("%9.1f ms, client %d: %s", float64(o.Call)/1e6, o.ClientId, model().DescribeOperation(o.Input, o.Output))
		}
	}
}

// do makes a call. A read of what is only remembered says so and does not count.
func do(s *config.Store, in call) (out answer, skip bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond) // shorter than many a cut
	defer cancel()
	id := config.ID{Namespace: "public", Group: "g", Name: fmt.Sprint("k", in.key)}
	var err error
	switch in.kind {
	case "get":
		var item config.Item
		var stale bool
		item, stale, err = s.Get(ctx, id)
		if errors.Is(err, config.ErrUnknown) {
			err = nil
		}
		return answer{text: item.Content}, stale || err != nil
	case "put":
		_, err = s.Publish(ctx, config.Item{ID: id, Content: in.text}, "")
	case "cas":
		_, err = s.Publish(ctx, config.Item{ID: id, Content: in.text}, in.cas)
		if errors.Is(err, config.ErrConflict) {
			return answer{}, false
		}
	case "remove":
		var gone bool
		gone, err = s.Remove(ctx, id, "", "")
		if err == nil {
			return answer{ok: gone}, false
		}
	}
	return answer{ok: err == nil, unknown: err != nil}, false
}
