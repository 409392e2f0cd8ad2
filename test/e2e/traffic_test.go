package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// traffic sends requests down one road until it is ended, and remembers who answered last.
type traffic struct {
	road   string
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	ok     int
	failed map[string]int
	bad    time.Time            // of the last request that failed
	pods   map[string]time.Time // the last answer of each pod of the application
	via    map[string]time.Time // the last answer through each process of ours that read the request
}

// startTraffic asks address for a URL, from clients of which each second one keeps its connection. None of them tries again.
func startTraffic(road, address, url string, clients int) *traffic {
	ctx, cancel := context.WithCancel(context.Background())
	w := &traffic{road: road, cancel: cancel, failed: map[string]int{}, pods: map[string]time.Time{}, via: map[string]time.Time{}}
	for i := range clients {
		w.done.Go(func() {
			c := client(address, i%2 == 1)
			defer c.CloseIdleConnections()
			for ctx.Err() == nil {
				w.note(get(c, url))
				time.Sleep(2 * time.Millisecond) // two cores run the whole cluster
			}
		})
	}
	return w
}

// note counts one request.
func (w *traffic) note(a answer, err error) {
	now := time.Now()
	var order struct {
		Pod     string
		Headers map[string]string
	}
	if err == nil && a.status == http.StatusOK {
		err = json.Unmarshal([]byte(a.body), &order)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil:
		w.failed[reason(err)]++
		w.bad = now
	case a.status != http.StatusOK:
		w.failed[fmt.Sprint(a.status, " ", a.header.Get("X-Paifang-Reason"), " ", a.body)]++
		w.bad = now
	default:
		w.ok++
		id, _, _ := strings.Cut(order.Headers["X-Paifang-Via"], "/")
		w.pods[order.Pod], w.via[id] = now, now
	}
}

// reason is an error without the addresses in it, which are others each time.
func reason(err error) string {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// tally is how far a traffic was at one moment.
type tally struct {
	ok, failed int
	kinds      map[string]int
	pods, via  map[string]time.Time
	bad        time.Time
}

func (w *traffic) tally() tally {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := tally{ok: w.ok, kinds: maps.Clone(w.failed), pods: maps.Clone(w.pods), via: maps.Clone(w.via), bad: w.bad}
	for _, n := range w.failed {
		t.failed += n
	}
	return t
}

// since names what failed after an earlier tally.
func (t tally) since(before tally) []string {
	var out []string
	for _, what := range slices.Sorted(maps.Keys(t.kinds)) {
		if n := t.kinds[what] - before.kinds[what]; n > 0 {
			out = append(out, fmt.Sprintf("%d × %s", n, what))
		}
	}
	return out
}

// more waits for so many further answers.
func (w *traffic) more(t *testing.T, n int) {
	t.Helper()
	begin := w.tally().ok
	eventually(t, 60*time.Second, "further answers on "+w.road, func() (bool, string) {
		now := w.tally()
		return now.ok >= begin+n, fmt.Sprint(now.ok-begin, now.kinds)
	})
}

// end ends the traffic.
func (w *traffic) end() {
	w.cancel()
	w.done.Wait()
}

// terminations tells when each pod of a label was asked to end, as a watch shows it.
type terminations struct {
	mu   sync.Mutex
	seen []string // in their order
	at   map[string]time.Time
}

// watchEnds begins to follow the pods of a label.
func watchEnds(t *testing.T, name, ns, label string) *terminations {
	t.Helper()
	w := &terminations{at: map[string]time.Time{}}
	p := cluster.Process("ends-"+name, "", cluster.Files.Kube, "kubectl", "--kubeconfig="+cluster.Kubeconfig, "get", "pods", "-n", ns, "-l", label, "-w",
		"-o", "jsonpath={.metadata.name}={.metadata.deletionTimestamp}{'\\n'}")
	start(t, p)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			for line := range strings.Lines(p.Said()) {
				if pod, ending, ok := strings.Cut(strings.TrimSpace(line), "="); ok && ending != "" {
					w.ends(pod)
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	t.Cleanup(func() {
		cancel()
		done.Wait()
	})
	eventually(t, 20*time.Second, "the watch of "+name+" lists pods", func() (bool, string) { return strings.Contains(p.Said(), "="), p.Said() })
	return w
}

func (w *terminations) ends(pod string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.at[pod]; !known {
		w.at[pod] = time.Now()
		w.seen = append(w.seen, pod)
	}
}

// list returns the pods that end, with the times, in their order.
func (w *terminations) list() (pods []string, at []time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.seen {
		pods, at = append(pods, p), append(at, w.at[p])
	}
	return pods, at
}
