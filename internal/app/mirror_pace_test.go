package app

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// newDeaf is a target that takes connections into its backlog and says nothing.
func newDeaf(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// slowness is how long the slow target of copies takes.
const slowness = 150 * time.Millisecond

// TestMirrorIsNoBurden: whatever a target does, requests have their answers as soon as without it. Requests with and
// without a mirror take turns, so that whatever else the machine does slows both alike, and of three rounds one has to be good: a request that
// waited for a target would take as long as that in every one.
func TestMirrorIsNoBurden(t *testing.T) {
	hanging, slow := newCopies(t), httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(slowness) })) // it is slow: nothing is waited for
	t.Cleanup(slow.Close)
	hanging.hold = true
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, url := range map[string]string{"never answers": hanging.URL, "takes no connection": "http://" + newDeaf(t), "is refused": gone.URL, "is slow": slow.URL} {
		t.Run(name, func(t *testing.T) {
			c, client := serveMirrored(t, fmt.Sprintf(`config: {loopback: true, timeout: 60s, inFlight: 2, queue: 4, targets: [{url: %q}]}`, url), model.HTTP1)
			ask := func(path string) time.Duration {
				began := time.Now()
				resp, err := client.Post("http://"+c.address()+path, "text/plain", strings.NewReader(strings.Repeat("x", 10_000)))
				if err != nil {
					t.Fatal(err)
				}
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 {
					t.Fatalf("%s: %d %v", path, resp.StatusCode, err)
				}
				return time.Since(began)
			}
			const pairs = 300
			var told []string
			for range 3 {
				var plain, mirrored [pairs]time.Duration
				for i := range pairs {
					plain[i], mirrored[i] = ask("/plain"), ask("/")
				}
				slices.Sort(plain[:])
				slices.Sort(mirrored[:])
				const half, p99 = pairs / 2, pairs * 99 / 100
				if mirrored[half] <= 2*plain[half]+time.Millisecond && mirrored[p99] <= 2*plain[p99]+10*time.Millisecond {
					n := c.http.Copies()[0]
					if n.Results[filter.CopyUnsent] > 0 || n.Held == 0 && n.Results == [filter.CopyResults]uint64{} {
						t.Errorf("copies: %+v", n)
					}
					return
				}
				told = append(told, fmt.Sprintf("median %v and %v, 99th percentile %v and %v", plain[half], mirrored[half], plain[p99], mirrored[p99]))
			}
			t.Errorf("without and with a mirror:\n%s", strings.Join(told, "\n"))
		})
	}
}
