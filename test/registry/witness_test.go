package registry

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/nacosconn"
	"paifang/internal/nacoswire"
)

// told is every list of one service that a server tells a subscriber: the answer to the subscription, and each push. Its
// subscriber connects again whenever the connection is lost.
type told struct {
	mu      sync.Mutex
	lists   []string // addresses, healthy or not, of each
	lastRef int64
	pushed  bool // since the session began
	wrong   []string
}

func watch(t *testing.T, name, service string, grpc []string, login *nacosconn.Login) *told {
	t.Helper()
	w := &told{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			w.session(ctx, service, grpc[i%len(grpc)], login)
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, s := range w.wrong {
			t.Errorf("%s: %s", name, s)
		}
	})
	return w
}

// session subscribes once and takes what comes until the connection ends.
func (w *told) session(ctx context.Context, service, server string, login *nacosconn.Login) {
	w.mu.Lock()
	w.pushed = false
	w.mu.Unlock()
	ref := nacoswire.ServiceRef{Namespace: nacoswire.PublicNamespace, ServiceName: service, GroupName: nacoswire.DefaultGroup}
	conn, err := nacosconn.Dial(ctx, nacosconn.Config{Server: server, Tokens: nacosconn.NewTokens(login, nil), Handle: func(p *nacoswire.Payload) (string, error) {
		if p.Type != nacoswire.TypeNotifySubscriber {
			return "", nil
		}
		q, err := nacoswire.Decode[nacoswire.NotifySubscriberRequest](p)
		if err != nil {
			return "", err
		}
		w.take(q.ServiceInfo, true)
		return nacoswire.TypeNotifyAnswer, nil
	}})
	if err != nil {
		return
	}
	defer conn.Close()
	a, err := nacosconn.Call[nacoswire.ServiceResponse](ctx, conn, nacoswire.TypeSubscribeService, nacoswire.SubscribeServiceRequest{ServiceRef: ref, Subscribe: true})
	if err != nil {
		return
	}
	w.take(a.ServiceInfo, false)
	beat := time.NewTicker(time.Second) // as clients do: one that hangs is left
	defer beat.Stop()
	for {
		select {
		case <-beat.C:
			if _, err := nacosconn.Call[nacoswire.Response](ctx, conn, nacoswire.TypeHealthCheck, nacoswire.Request{}); err != nil {
				return
			}
		case <-conn.Context().Done():
			return
		}
	}
}

// take takes a list. A push of the session may have overtaken the answer to its subscription, which clients then pass over.
func (w *told) take(info *nacoswire.ServiceInfo, push bool) {
	if info == nil {
		return
	}
	var out []string
	for _, h := range info.Hosts {
		s := fmt.Sprintf("%s:%d", h.IP, h.Port)
		if !h.Healthy {
			s += " unhealthy"
		}
		out = append(out, s)
	}
	slices.Sort(out)
	w.mu.Lock()
	defer w.mu.Unlock()
	overtaken := !push && w.pushed && info.LastRefTime < w.lastRef
	if w.pushed = w.pushed || push; overtaken {
		return
	}
	if info.LastRefTime < w.lastRef { // an answer and its push may be of one moment
		w.wrong = append(w.wrong, fmt.Sprintf("lastRefTime %d after %d", info.LastRefTime, w.lastRef))
	}
	w.lastRef = max(w.lastRef, info.LastRefTime)
	w.lists = append(w.lists, strings.Join(out, ", "))
}

// since returns the lists after the first n, and how many there are.
func (w *told) since(n int) ([]string, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.lists[min(n, len(w.lists)):]), len(w.lists)
}

func (w *told) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lists) == 0 {
		return "nothing"
	}
	return w.lists[len(w.lists)-1]
}
