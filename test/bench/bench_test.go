package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The test binary is the upstream when it is started as that.
func TestMain(m *testing.M) {
	if done, err := second(os.Args[1:]); done {
		if err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestResponderAnswersWhatIsAsked(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const at = "127.0.0.85:9401"
	p, err := start(loadCore, nil, self, responderCommand, at)
	if err != nil {
		t.Skipf("taskset is not installed (Debian: apt-get install util-linux): %v", err)
	}
	defer p.stop()
	if err := p.awaitAddress(context.Background(), at); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	for _, size := range []string{"100", "10240", "1048576", "100"} {
		answer, err := client.Get("http://" + at + "/" + size)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.Header.Get("Content-Length") != size || answer.ContentLength != int64(len(body)) {
			t.Errorf("asked for %s bytes: %d, %v, %v", size, len(body), answer.Header, err)
		}
	}
	if p.cpu() < 0 || p.resident() <= 0 {
		t.Errorf("cpu %v, resident %d", p.cpu(), p.resident())
	}
}

// Each connection is a full handshake, and a server that ends them otherwise is told as an error.
func TestHandshakesAreFull(t *testing.T) {
	var resumed, size atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.DidResume {
			resumed.Add(1)
		}
		_, _ = io.WriteString(w, strings.Repeat("x", int(size.Load())))
	}))
	server.StartTLS()
	defer server.Close()
	at := server.Listener.Addr().String()
	if err := handshakeOnce(at); err == nil {
		t.Error("an answer of another length is taken")
	}
	size.Store(100)
	for range 3 {
		if err := handshakeOnce(at); err != nil {
			t.Fatal(err)
		}
	}
	if n := resumed.Load(); n != 0 {
		t.Errorf("%d sessions were resumed", n)
	}
	if err := handshake([]string{at, "2", "10ms"}); err != nil {
		t.Error(err)
	}
}

func TestTable(t *testing.T) {
	text := table("The machine.", []result{
		{row: "a", what: "ratio ÷ nginx", value: 0.8, unit: "×", bar: 1, aim: 0.9, absolute: "x"},
		{row: "a", what: "rate ÷ nginx", value: 1.2, unit: "×", bar: 1.1, aim: 1.25, atLeast: true},
		{row: "b", what: "memory", value: 9, unit: "KB", bar: 8, aim: 4},
		{row: "b", what: "shown", value: 3, unit: "×"},
		{row: "c", what: "mallocs", value: 0.004, unit: "allocations"},
		{row: "d", what: "ratio ÷ caddy", unit: "×", bar: 1, aim: 0.9, missing: errors.New("caddy: requests failed:\nRunning")},
	})
	for _, want := range []string{"| a | ratio ÷ nginx | 0.80 | ≤ 1.00 | ≤ 0.90 | aim | x |", "| ≥ 1.10 | ≥ 1.25 | bar |", "| **missed** |", "| b | shown | 3.00 |  |  |  |", "| c | mallocs | 0.004 allocations |",
		"| d | ratio ÷ caddy | no result | ≤ 1.00 | ≤ 0.90 |  | caddy: requests failed: |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	page := filepath.Join(t.TempDir(), "page.md")
	if err := write(page, "before\n", tableBegin, "\nold\n", tableEnd, "\nafter\n"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := replaceTable(page, text); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || string(got) != "before\n"+tableBegin+"\n"+text+tableEnd+"\nafter\n" {
		t.Errorf("%v\n%s", err, got)
	}
	if replaceTable(filepath.Join("..", "..", "Makefile"), text) == nil {
		t.Error("a page without a place for the table is written")
	}
	page = filepath.Join(t.TempDir(), "new.md")
	for range 2 {
		if err := replaceTable(page, text); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(page); err != nil || string(got) != tableBegin+"\n"+text+tableEnd+"\n" {
		t.Errorf("a new page: %v\n%s", err, got)
	}
	if _, _, err := around(filepath.Join(t.TempDir(), "none", "page.md")); err == nil {
		t.Error("a page in a directory that is not there has a place for the table")
	}
}

// TestInterrupted: a run that ends before its rows says so, whatever came of the row.
func TestInterrupted(t *testing.T) {
	for _, of := range []error{nil, errors.New("the load has ended")} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := measureAll(ctx, nil, []row{{name: "a", measure: func(context.Context, *bench) ([]result, error) {
			cancel()
			return nil, of
		}}})
		want := "row a: context canceled"
		if of != nil {
			want = "row a: the load has ended"
		}
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// The rows about tokens are what their benchmark prints, and one that it has no more is an error.
func TestTokenRows(t *testing.T) {
	const printed = "goos: linux\nBenchmarkJWT/RS256/cached \t  922406\t      1316 ns/op\t       0 B/op\nBenchmarkJWT/RS256/cold-2 \t   26000\t     61500.5 ns/op\n" +
		"BenchmarkJWT/ES256/cached \t  922406\t      1100 ns/op\nBenchmarkJWT/ES256/cold \t   10000\t    103100 ns/op\nPASS\n"
	took := map[string][]float64{}
	for name, us := range benchmarks(printed) {
		took[name] = []float64{us}
	}
	rows, err := tokenResults(took)
	if err != nil {
		t.Fatal(err)
	}
	text := table("The machine.", rows)
	for _, want := range []string{"RS256 | 61.5 µs | ≤ 60.0 µs | ≤ 60.0 µs | **missed** |", "ES256 | 103.1 µs | ≤ 120.0 µs | ≤ 120.0 µs | aim |", "a token seen before | 1.3 µs | ≤ 3.0 µs |", "RS256 1.32 µs; rounds 1.32–1.32; ES256 1.10 µs"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	delete(took, "ES256/cold")
	if _, err := tokenResults(took); err == nil {
		t.Error("a figure that is missing is none")
	}
}

// A contender that fails in a round, as one does on a machine with other work, has no result there, and the others go on.
func TestRoundsWithoutResult(t *testing.T) {
	w := want{caddy(), cpu, 1, 0.9}
	ok := func(us time.Duration) sample {
		return sample{requests: 1000, seconds: 1, cpu: us * 1000 * time.Microsecond}
	}
	bad := sample{failed: errors.New("timeouts")}
	if r := w.result([]sample{ok(8), bad, ok(6)}, []sample{ok(10), ok(1), bad}); r.missing != nil || r.value != 0.8 || !strings.Contains(r.absolute, "2 rounds without") {
		t.Errorf("%+v", r)
	}
	if r := w.result([]sample{ok(8)}, []sample{bad}); r.missing == nil || r.verdict() != "" {
		t.Errorf("no round: %+v", r)
	}
}

func TestChoose(t *testing.T) {
	if all, err := choose(""); err != nil || len(all) != len(allRows()) {
		t.Error(len(all), err)
	}
	if some, err := choose("tls,h1-100"); err != nil || len(some) != 2 || some[0].name != "tls" {
		t.Error(some, err)
	}
	if _, err := choose("nothing"); err == nil {
		t.Error("a row that is not there is chosen")
	}
}
