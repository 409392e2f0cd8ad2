package docs_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// asking is what is asked for without a pause while the commands of a page are typed.
type asking struct {
	at    string // host:port
	host  string
	path  string // the number of the request comes behind it
	until string // a command that begins so is typed when nobody asks here any more; empty: there is none
}

// loaded are the pages that say that no request fails while their commands are typed.
var loaded = map[string][]asking{
	"gray-release":         {{"127.0.0.10:8080", "shop.test", "/order/load/", ""}},
	"gray-release-gateway": {{"127.0.0.20:8080", "gateway.test", "/order/load/", ""}},
	"move": {
		{"127.0.0.10:8080", "shop.test", "/order/load/", "rm examples/move/1-to-2/shop.yaml"},
		{"127.0.0.20:8080", "gateway.test", "/order/load/", "rm examples/move/2-to-1/routes.yaml"},
	},
}

// load is who asks at one entry, from two clients.
type load struct {
	what   asking
	cancel context.CancelFunc
	owned  sync.WaitGroup

	mu     sync.Mutex
	asked  int
	failed []string
}

// startLoad begins to ask. What fails before the first answer does not count: the entry is not there yet.
func (sh *shell) startLoad(what asking) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{what: what, cancel: cancel}
	var number, answered atomic.Int64
	for range 2 {
		l.owned.Go(func() {
			transport := &http.Transport{MaxIdleConnsPerHost: 1}
			defer transport.CloseIdleConnections()
			for ctx.Err() == nil {
				began := answered.Load() > 0
				err := sh.askOnce(transport, what, number.Add(1))
				if err != nil && !began {
					time.Sleep(interval) // its pods are not there yet
					continue
				}
				answered.Add(1)
				l.mu.Lock()
				if l.asked++; err != nil {
					l.failed = append(l.failed, err.Error())
				}
				l.mu.Unlock()
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	return l
}

// stop ends the asking and notes every request that failed; a second time it does nothing.
func (l *load) stop(sh *shell, page string) {
	if l.cancel == nil {
		return
	}
	l.cancel()
	l.cancel = nil
	l.owned.Wait()
	sh.t.Logf("%d requests to %s meanwhile, %d failed", l.asked, l.what.host, len(l.failed))
	if len(l.failed) > 0 || l.asked < 100 {
		sh.problems = append(sh.problems, fmt.Sprintf("%s: of %d requests to %s under way %d failed: %.500q", page, l.asked, l.what.host, len(l.failed), l.failed))
	}
}

// loads are those of a page.
func (sh *shell) loads(page string) []*load {
	var out []*load
	for _, what := range loaded[page] {
		out = append(out, sh.startLoad(what))
	}
	return out
}

func (sh *shell) askOnce(transport *http.Transport, what asking, number int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, toOffset("http://"+what.at, sh.at.offset)+what.path+strconv.FormatInt(number, 10), http.NoBody)
	if err != nil {
		return err
	}
	r.Host = what.host
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("request %d: %s: %s", number, resp.Status, body)
	}
	if !bytes.Contains(body, []byte(fmt.Sprintf("%q", what.path+strconv.FormatInt(number, 10)))) {
		return fmt.Errorf("request %d: the answer is another one's: %s", number, body)
	}
	return nil
}
