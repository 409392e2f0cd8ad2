package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func record(path string) *Access {
	return &Access{Time: time.Unix(1767225600, 123456789), Listener: "node-1/http", Node: "node-1", Client: netip.MustParseAddr("127.0.0.99"),
		Method: "GET", Host: "shop.test", Path: path, Status: 502, Reason: "upstream-reset", Route: "ingress/shop/web", Upstream: "u",
		Endpoint: netip.MustParseAddrPort("127.1.1.2:8080"), Pod: "order-a", Tries: 2, In: 3, Out: 4, Connect: 1500 * time.Microsecond,
		FirstByte: 2 * time.Millisecond, Total: 12345678 * time.Nanosecond, RequestID: "abc", Version: 7}
}

func TestAccessLine(t *testing.T) {
	want := `{"time":"2026-01-01T00:00:00.123Z","listener":"node-1/http","node":"node-1","client":"127.0.0.99","method":"GET","host":"shop.test",` +
		`"path":"/a","status":502,"reason":"upstream-reset","route":"ingress/shop/web","upstream":"u","endpoint":"127.1.1.2:8080","pod":"order-a",` +
		`"tries":2,"in":3,"out":4,"connectMs":1.500,"firstByteMs":2.000,"totalMs":12.345,"requestId":"abc","version":7}` + "\n"
	if got := string(record("/a").Append(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string((&Access{Time: time.Unix(0, 0)}).Append(nil)); got != `{"time":"1970-01-01T00:00:00.000Z","status":0}`+"\n" {
		t.Errorf("empty: %s", got)
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a\"b\\c", "\r\n{\"x\":1}", "\x00\x7f\x1b", "\xff\xc3", "牌坊", "\u2028\u0085", "\U0001f600"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := AppendString(nil, s)
		var back string
		if err := json.Unmarshal(out, &back); err != nil || back != strings.ToValidUTF8(back, "") {
			t.Fatalf("%q gives %q: %v", s, out, err)
		}
		if strings.ToValidUTF8(s, "") == s && back != s {
			t.Fatalf("%q reads as %q", s, back)
		}
		for _, r := range string(out) {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
				t.Fatalf("%q gives %q", s, out)
			}
		}
	})
}

func TestConcurrentRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	l, err := OpenAccessLog(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				l.Record(record("/\n"))
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil || l.Dropped() != 0 {
		t.Fatal(err, l.Dropped())
	}
	data, _ := os.ReadFile(path)
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	if len(lines) != 8000 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		if !json.Valid(line) {
			t.Fatalf("%s", line)
		}
	}
	l.Record(record("/late"))
	if l.Dropped() != 1 || l.Close() != nil {
		t.Error("a closed log takes records")
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	l, err := OpenAccessLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.Record(record("/one"))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Skip(err) // Windows keeps open files
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.Record(record("/two"))
	l.Flush()
	one, _ := os.ReadFile(path + ".1")
	two, _ := os.ReadFile(path)
	if !strings.Contains(string(one), "/one") || !strings.Contains(string(two), "/two") || bytes.Count(two, []byte("\n")) != 1 {
		t.Errorf("%s\n%s", one, two)
	}
}

// stuck is a stream that takes nothing until it is let go.
type stuck struct{ free chan struct{} }

func (s stuck) Write(p []byte) (int, error) { <-s.free; return 0, errors.New("disk full") }
func (s stuck) Close() error                { return nil }

func TestSlowDiskDropsAndNeverBlocks(t *testing.T) {
	s := stuck{make(chan struct{})}
	l := NewAccessLog(s)
	for i := 0; l.Dropped() == 0; i++ {
		if i > 100_000 {
			t.Fatal("nothing is dropped")
		}
		l.Record(record("/x"))
	}
	if len(l.pending) > pendingMax+4096 {
		t.Errorf("%d bytes wait", len(l.pending))
	}
	close(s.free)
	if err := l.Close(); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("the failure is not told: %v", err)
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	l := NewAccessLog(discard{})
	defer l.Close()
	r := record("/a")
	for range 5000 { // both buffers grow
		l.Record(r)
	}
	l.Flush()
	for range 5000 {
		l.Record(r)
	}
	l.Flush()
	if n := testing.AllocsPerRun(1000, func() { l.Record(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }

func BenchmarkRecord(b *testing.B) {
	l := NewAccessLog(discard{})
	defer l.Close()
	r := record("/order/42")
	b.ReportAllocs()
	for b.Loop() {
		l.Record(r)
	}
}
