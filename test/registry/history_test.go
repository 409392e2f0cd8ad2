package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"
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
	silent  bool   // remove: it happened, and whether anything was there is not said
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
				return out.unknown || out.silent || out.ok == (s != ""), ""
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

const historyNodes = 3

// What several registries write and read of configurations, while their ways to etcd are cut and healed, looks as if one thing had
// happened after the other: at the store, where no time is spent on anything else ...
func TestConfigurationsAreLinearizable(t *testing.T) {
	c := startEtcd(t)
	var asks [historyNodes]func(call) (answer, bool)
	var ways [historyNodes][]*proxy
	for n := range historyNodes {
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
		asks[n] = func(in call) (answer, bool) { return askStore(configs, in) }
	}
	linearizable(t, asks, 500, 8*time.Second, func(n, member int) {
		for i, p := range ways[n] {
			if member == 3 || member == i {
				p.cut()
			}
		}
		time.Sleep(time.Duration(200+rand.IntN(1500)) * time.Millisecond)
		for _, p := range ways[n] {
			p.heal()
		}
	})
}

// ... and by HTTP at three processes, one of which is killed now and then, and a member of etcd stopped.
func TestConfigurationsOfProcessesAreLinearizable(t *testing.T) {
	t.Parallel()
	c := startEtcd(t)
	m := serveWalled(t, c, historyNodes)
	var asks [historyNodes]func(call) (answer, bool)
	for n := range historyNodes {
		asks[n] = func(in call) (answer, bool) { return askProcess(m.direct[n], in) }
	}
	linearizable(t, asks, 200, 30*time.Second, func(n, what int) {
		away := time.Duration(200+rand.IntN(3000)) * time.Millisecond // a registry waits 5 s for etcd
		switch what {
		case 0:
			m.procs[n].kill()
			time.Sleep(away)
			m.procs[n].start()
			m.procs[n].ready()
		case 1:
			must(t, c.members[n].Process.Signal(syscall.SIGSTOP))
			time.Sleep(away)
			must(t, c.members[n].Process.Signal(syscall.SIGCONT))
		default:
			m.cut(n)
			time.Sleep(away)
			m.heal(n)
		}
	})
}

// linearizable has clients write and read two configurations at each registry while something is wrong with one of them and not with the
// others, one of four things, and checks what they were answered.
func linearizable(t *testing.T, asks [historyNodes]func(call) (answer, bool), atLeast int, lasts time.Duration, wrong func(node, what int)) {
	t.Helper()
	const workers, keys = 2, 2
	var mu sync.Mutex
	var history []porcupine.Operation
	begin := time.Now()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for n, ask := range asks {
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
					out, skip := ask(in)
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
						client += historyNodes * workers // who does not know what became of it is somebody else from here on
					}
				}
			})
		}
	}
	for time.Since(begin) < lasts {
		wrong(rand.IntN(historyNodes), rand.IntN(4))
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
	if len(history) < atLeast {
		t.Errorf("too few operations to say anything: want %d", atLeast)
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

// askStore makes a call. A read of what is only remembered says so and does not count.
func askStore(s *config.Store, in call) (out answer, skip bool) {
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

// askProcess makes a call by HTTP v1. What is only remembered has a warning. A removal is answered the same whether there was anything.
func askProcess(at string, in call) (out answer, skip bool) {
	form := url.Values{"dataId": {fmt.Sprint("k", in.key)}, "group": {"g"}}
	method, header := "GET", http.Header{}
	switch in.kind {
	case "put", "cas":
		method = "POST"
		form.Set("content", in.text)
		if in.kind == "cas" {
			header.Set("casMd5", in.cas)
		}
	case "remove":
		method = "DELETE"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second) // shorter than many a cut
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+at+"/nacos/v1/cs/configs?"+form.Encode(), nil)
	if err != nil {
		return answer{unknown: true}, in.kind == "get"
	}
	req.Header = header
	resp, err := asking.Do(req)
	if err != nil {
		return answer{unknown: true}, in.kind == "get" || errors.Is(err, syscall.ECONNREFUSED)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	said := strings.TrimSpace(string(body))
	switch {
	case err != nil:
	case in.kind == "get" && resp.StatusCode == http.StatusNotFound:
		return answer{}, false
	case in.kind == "get":
		return answer{text: said}, resp.StatusCode != http.StatusOK || resp.Header.Get("Warning") != ""
	case resp.StatusCode == http.StatusOK && said == "true":
		return answer{ok: true, silent: in.kind == "remove"}, false
	case in.kind == "cas" && resp.StatusCode == http.StatusConflict:
		return answer{}, false
	}
	return answer{unknown: true}, in.kind == "get"
}
