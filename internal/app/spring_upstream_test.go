package app

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"paifang/internal/quota/quotatest"
)

// newStandIns starts the servers that a case names, and returns what puts their addresses in. Files that they need go into dir.
func newStandIns(t testing.TB, archive *txtar.Archive, dir string, up *scriptedUpstream) *strings.Replacer {
	named := func(word string) bool {
		return slices.ContainsFunc(archive.Files, func(f txtar.File) bool { return bytes.Contains(f.Data, []byte(word)) })
	}
	words := []string{"UPSTREAM", up.l.Addr().String(), "UPPORT", strconv.Itoa(up.l.Addr().(*net.TCPAddr).Port)}
	if named("GRPC") {
		addr, descriptors := newCallServer(t)
		words = append(words, "GRPC", addr)
		if err := os.WriteFile(filepath.Join(dir, "health.pb"), descriptors, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	who := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Who", "other") })
	if named("OTHER") {
		other := httptest.NewServer(who)
		t.Cleanup(other.Close)
		words = append(words, "OTHER", other.Listener.Addr().String())
	}
	if named("SECURE") {
		secure := httptest.NewUnstartedServer(who)
		secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		secure.StartTLS()
		t.Cleanup(secure.Close)
		words = append(words, "SECURE", secure.Listener.Addr().String())
	}
	if named("FULL") {
		words = append(words, "FULL", newFull(t))
	}
	if named("REDIS") {
		words = append(words, "REDIS", strconv.Itoa(quotatest.New(t).Addr().(*net.TCPAddr).Port))
	}
	if named("KEPT") {
		kept := quotatest.New(t)
		kept.Need(quotatest.Needs{Username: "limits", Password: "secret", Database: 3})
		words = append(words, "KEPT", strconv.Itoa(kept.Addr().(*net.TCPAddr).Port))
	}
	if named("TARDY") {
		tardy := quotatest.New(t)
		tardy.Slow(300 * time.Millisecond)
		words = append(words, "TARDY", strconv.Itoa(tardy.Addr().(*net.TCPAddr).Port))
	}
	return strings.NewReplacer(words...)
}

// scriptedUpstream answers what it is told to and keeps what it was asked.
type scriptedUpstream struct {
	l      net.Listener
	mu     sync.Mutex
	answer []string
	saw    []string
	made   int // connections
}

func newScripted(t testing.TB) *scriptedUpstream {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &scriptedUpstream{l: l}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			u.mu.Lock()
			u.made++
			u.mu.Unlock()
			wg.Go(func() { u.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return u
}

// connections is how many there have been.
func (u *scriptedUpstream) connections() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.made
}

func (u *scriptedUpstream) next(answer []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answer, u.saw = answer, nil
}

func (u *scriptedUpstream) seen() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.saw
}

// serve reads requests with a length or without a body.
func (u *scriptedUpstream) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		var lines []string
		length := 0
		for {
			l, err := in.ReadString('\n')
			if err != nil {
				return
			}
			l = strings.TrimRight(l, "\r\n")
			if l == "" {
				break
			}
			lines = append(lines, l)
			fmt.Sscanf(l, "Content-Length: %d", &length)
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		if length > 0 {
			lines = append(append(lines, ""), strings.Split(string(body), "\n")...)
		}
		u.mu.Lock()
		u.saw = append(u.saw, lines...)
		answer := u.answer
		u.mu.Unlock()
		if slices.Equal(answer, []string{"BREAK"}) {
			return
		}
		if len(answer) == 1 && strings.HasPrefix(answer[0], "DELAY ") {
			ms, _ := strconv.Atoi(strings.TrimPrefix(answer[0], "DELAY "))
			time.Sleep(time.Duration(ms) * time.Millisecond) // the service is slow: nothing is waited for
			answer = nil
		}
		head, text := []string{"HTTP/1.1 200 OK"}, "ok"
		if len(answer) > 0 {
			head, text = answer, ""
			if i := slices.Index(answer, ""); i >= 0 {
				head, text = answer[:i], strings.Join(answer[i+1:], "\n")
			}
		}
		if _, err := fmt.Fprintf(c, "%s\r\nContent-Length: %d\r\n\r\n%s", strings.Join(head, "\r\n"), len(text), text); err != nil {
			return
		}
	}
}
