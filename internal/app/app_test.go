package app

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// said is a log that is read while it is written.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) has(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.text.String(), what)
}

// Who starts a process and looks at its log must see that it runs, what it runs, and that it ended because it was told to.
func TestLogTellsOfStartAndEnd(t *testing.T) {
	free := netip.MustParseAddrPort("127.0.0.1:0")
	log := &said{}
	a, err := New(Config{Admin: Admin{Address: free}, DNS: &DNS{Address: free, Zones: []string{"test"}}}, Options{Name: "serve", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	for deadline := time.Now().Add(10 * time.Second); !log.has("msg=ready process=serve"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not ready:\n%s", log.text.String())
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, want := range []string{"msg=started process=serve admin=127.0.0.1:", "pieces=dns\n", "msg=ending process=serve"} {
		if !log.has(want) {
			t.Errorf("no %q in\n%s", want, log.text.String())
		}
	}
}
