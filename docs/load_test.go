package docs_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// asking is what is asked for without a pause while the commands of a page are typed.
type asking struct {
	at   string // host:port
	host string
	path string
}

// loaded are the pages that say that no request fails while their commands are typed.
var loaded = map[string]asking{
	"gray-release":         {"127.0.0.10:8080", "shop.test", "/order/load"},
	"gray-release-gateway": {"127.0.0.20:8080", "gateway.test", "/order/load"},
}

// load asks from two clients, once the first is answered, until stop is called, which notes every request that failed.
func (sh *shell) load(page string, what asking) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed []string
	asked := 0
	for range 2 {
		wg.Go(func() {
			transport := &http.Transport{MaxIdleConnsPerHost: 1}
			defer transport.CloseIdleConnections()
			began := false
			for ctx.Err() == nil {
				err := sh.askOnce(transport, what)
				if err != nil && !began {
					time.Sleep(interval) // its pods are not there yet
					continue
				}
				began = true
				mu.Lock()
				if asked++; err != nil {
					failed = append(failed, err.Error())
				}
				mu.Unlock()
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
		sh.t.Logf("%d requests meanwhile, %d failed", asked, len(failed))
		if len(failed) > 0 || asked < 100 {
			sh.problems = append(sh.problems, fmt.Sprintf("%s: of %d requests under way %d failed: %.500q", page, asked, len(failed), failed))
		}
	}
}

func (sh *shell) askOnce(transport *http.Transport, what asking) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, toOffset("http://"+what.at, sh.at.offset)+what.path, http.NoBody)
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
		return fmt.Errorf("%s: %s", resp.Status, body)
	}
	return nil
}
