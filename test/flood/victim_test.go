package flood

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"io"
)

// victims is how many ordinary clients there are while something is attacked. Each has a connection of its own and asks every
// few milliseconds.
const (
	victims = 4
	pause   = 4 * time.Millisecond
)

// watched is what became of the victims' requests in some time.
type watched struct {
	latencies []time.Duration
	failed    []string
}

func (w *watched) p99() time.Duration { return w.latencies[len(w.latencies)*99/100] }

// anyMoment is the p99 of clients that ask every few milliseconds whatever became of those before. A victim that waits meets a stop
// of a tenth of a second with one request, and asks no more until it is over; those that it would have asked count here, each
// with what was left of the stop.
func (w *watched) anyMoment() time.Duration {
	var all []time.Duration
	for _, took := range w.latencies {
		for ; took > 0; took -= pause {
			all = append(all, took)
		}
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}

// watch has the victims ask for some time. It calls look now and then.
func watch(t *testing.T, to string, lasting time.Duration, look func()) *watched {
	t.Helper()
	out := &watched{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	end := time.Now().Add(lasting)
	for range victims {
		wg.Go(func() {
			took, failed := ask(to, end)
			mu.Lock()
			defer mu.Unlock()
			out.latencies = append(out.latencies, took...)
			out.failed = append(out.failed, failed...)
		})
	}
	for time.Now().Before(end) {
		look()
		time.Sleep(20 * time.Millisecond)
	}
	wg.Wait()
	slices.Sort(out.latencies)
	if len(out.latencies) == 0 {
		t.Fatalf("no victim was served: %v", out.failed)
	}
	return out
}

// ask is one victim. What fails is a result.
func ask(to string, end time.Time) (took []time.Duration, failed []string) {
	for time.Now().Before(end) {
		c, err := net.DialTimeout("tcp", to, 5*time.Second)
		if err != nil {
			return took, append(failed, err.Error())
		}
		r := bufio.NewReader(c)
		for time.Now().Before(end) {
			began := time.Now()
			_ = c.SetDeadline(began.Add(5 * time.Second))
			if err := once(c, r); err != nil {
				failed = append(failed, err.Error())
				break
			}
			took = append(took, time.Since(began))
			time.Sleep(pause)
		}
		_ = c.Close()
	}
	return took, failed
}

func once(c net.Conn, r *bufio.Reader) error {
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: flood.test\r\n\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != 200 || len(body) != 100) {
		return fmt.Errorf("%s, %d bytes", res.Status, len(body))
	}
	return err
}
