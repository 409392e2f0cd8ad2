package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func record(path string) *Access {
	return &Access{Time: time.Unix(1767225600, 123456789), Listener: "node-1/http", Node: "node-1", Peer: netip.MustParseAddrPort("127.0.0.98:4711"),
		Client: netip.MustParseAddr("127.0.0.99"), Method: "GET", Host: "shop.test", Path: path, Target: path + "?x=1&accessToken=s3cret",
		Protocol: "HTTP/1.1", Status: 502, Reason: "upstream-reset", Route: "ingress/shop/web", Upstream: "u",
		Endpoint: netip.MustParseAddrPort("127.1.1.2:8080"), Pod: "order-a", Tries: 2, Resent: 1, In: 3, Out: 4, Connect: 1500 * time.Microsecond,
		FirstByte: 2 * time.Millisecond, Total: 12345678 * time.Nanosecond, RequestID: "abc", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", UserAgent: `curl "x"`,
		Referer: "http://u:p@a.test/?token=t", Version: 7}
}

// line is a record as a log of this format has it.
func line(f Format, a *Access) string {
	l := lines{format: f, secret: newSecrets(nil)}
	return string(l.append(nil, a))
}

func open(t *testing.T, path string) *AccessLog {
	t.Helper()
	l, err := OpenAccessLog(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func contents(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func dropped(l *AccessLog) uint64 {
	n, _ := l.Dropped()
	return n
}

// eventually polls a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within 10 s: " + what)
		}
	}
}

func TestConcurrentRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	l := open(t, path)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			r := record("/\n")
			r.Shard = uint32(w)
			for range 700 { // all together less than may wait, should the writer not have its turn
				l.Record(r)
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil || dropped(l) != 0 || l.Written() != 5600 {
		t.Fatal(err, dropped(l), l.Written())
	}
	all := strings.Split(strings.TrimSuffix(contents(t, path), "\n"), "\n")
	if len(all) != 5600 {
		t.Fatalf("%d lines", len(all))
	}
	for _, one := range all {
		if !json.Valid([]byte(one)) {
			t.Fatalf("%s", one)
		}
	}
	l.Record(record("/late"))
	if dropped(l) != 1 || l.Close() != nil || l.Flush(t.Context()) == nil {
		t.Error("a closed log takes records")
	}
}

// Records come by different shards; the lines are in the order in which the requests ended.
func TestLinesAreInOrder(t *testing.T) {
	d := &disk{free: make(chan struct{})}
	d.room.Store(1 << 20)
	close(d.free)
	l := NewAccessLog(d, Options{})
	begin := time.Now()
	for i := range 500 {
		r := record(fmt.Sprintf("/%04d", i))
		r.Time, r.Total, r.Shard = begin.Add(-time.Duration(i)*time.Second), time.Duration(i)*(time.Second+time.Millisecond), uint32(i*7/3)
		l.Record(r)
	}
	if err := l.Close(); err != nil || l.Written() != 500 {
		t.Fatal(err, l.Written())
	}
	lines := strings.Split(strings.TrimSuffix(d.taken.String(), "\n"), "\n")
	for i, one := range lines {
		if want := fmt.Sprintf(`"path":"/%04d"`, i); !strings.Contains(one, want) {
			t.Fatalf("line %d of %d is %s", i, len(lines), one)
		}
	}
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	l := open(t, path)
	l.Record(record("/one"))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Skip(err) // Windows keeps open files
	}
	if err := l.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.Record(record("/two"))
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	one, two := contents(t, path+".1"), contents(t, path)
	if !strings.Contains(one, "/one") || !strings.Contains(two, "/two") || strings.Count(two, "\n") != 1 || l.Opened() != 2 {
		t.Errorf("%s\n%s", one, two)
	}
}

// Nobody told the process: the file was renamed, then it was removed.
func TestReopensWhatWentAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	l := open(t, path)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Skip(err)
	}
	eventually(t, "the renamed file is opened anew", func() bool { return l.Opened() == 2 })
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the removed file is made anew", func() bool { return l.Opened() == 3 })
	l.Record(record("/three"))
	if err := l.Flush(t.Context()); err != nil || !strings.Contains(contents(t, path), "/three") {
		t.Error(err, contents(t, path))
	}
}

func TestReopenFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "access.log")
	l := open(t, path)
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Skip(err)
	}
	if err := l.Reopen(t.Context()); err == nil || l.Err() == nil {
		t.Fatal("a file that cannot be opened is no failure")
	}
	l.Record(record("/still"))
	if err := l.Flush(t.Context()); err != nil || !strings.Contains(contents(t, filepath.Join(dir+".away", "access.log")), "/still") {
		t.Error("the old file is not in use any more", err)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(t.Context()); err != nil || l.Err() != nil {
		t.Error(err, l.Err())
	}
}

// disk takes nothing until it is let go, then so many bytes, then it is full until it is let go again.
type disk struct {
	free  chan struct{}
	room  atomic.Int64
	taken bytes.Buffer
}

var errFull = errors.New("disk full")

func (d *disk) Write(p []byte) (int, error) {
	<-d.free
	n := min(int64(len(p)), d.room.Load())
	d.room.Add(-n)
	d.taken.Write(p[:n])
	if n < int64(len(p)) {
		return int(n), errFull
	}
	return int(n), nil
}

func (d *disk) Close() error { return nil }

func TestSlowDiskDropsAndNeverBlocks(t *testing.T) {
	d := &disk{free: make(chan struct{})}
	l := NewAccessLog(d, Options{})
	recorded := 0
	for ; dropped(l) == 0; recorded++ {
		if recorded > 100_000 {
			t.Fatal("nothing is dropped")
		}
		r := record("/x")
		r.Shard = uint32(recorded)
		l.Record(r)
	}
	waiting := 0
	for i := range l.shards {
		waiting += len(l.shards[i].pending.text)
	}
	if waiting > pendingMax+len(l.shards)*4096 {
		t.Errorf("%d bytes wait", waiting)
	}
	if _, at := l.Dropped(); at.IsZero() {
		t.Error("it is not known when a line was dropped")
	}
	within, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := l.Reopen(within); err == nil {
		t.Error("a disk that takes nothing lets the file be opened again")
	}
	close(d.free)
	if err := l.Close(); !errors.Is(err, errFull) {
		t.Errorf("the failure is not told: %v", err)
	}
	if l.Written() != 0 || dropped(l) != uint64(recorded) {
		t.Errorf("of %d lines %d are written and %d are dropped", recorded, l.Written(), dropped(l))
	}
}

// What a burst made grow is given back when the next looks find it of no use.
func TestBuffersShrinkAfterABurst(t *testing.T) {
	l := NewAccessLog(discard{}, Options{})
	if err := l.Close(); err != nil { // from here on the test is the goroutine
		t.Fatal(err)
	}
	burst := func(n int) {
		for i := range l.shards {
			p := &l.shards[i].pending
			for range n {
				p.text = l.shards[i].lines.append(p.text, record("/x"))
				p.marks = append(p.marks, mark{len(p.text), 0})
			}
		}
		l.own.flush()
	}
	held := func() (n int) {
		for i := range l.shards {
			n = max(n, cap(l.shards[i].pending.text), cap(l.own.batches[i].text))
		}
		return max(n, cap(l.own.merged))
	}
	burst(2000)
	burst(2000)
	l.own.fit()
	burst(2000)
	if held() < 512<<10 {
		t.Errorf("%d bytes are held in the midst of a burst: its buffers are made anew each time", held())
	}
	l.own.fit()
	for range 3 {
		burst(1)
		burst(1)
		l.own.fit()
	}
	if held() > roomKept {
		t.Errorf("%d bytes are held after the burst, want at most %d", held(), roomKept)
	}
}

// A disk that fills up in the middle of a line: the next line begins a line.
func TestTornLine(t *testing.T) {
	d := &disk{free: make(chan struct{})}
	close(d.free)
	l := NewAccessLog(d, Options{})
	d.room.Store(100)
	l.Record(record("/torn"))
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.Err() == nil || dropped(l) != 1 {
		t.Fatal("the full disk is not told", l.Err(), dropped(l))
	}
	d.room.Store(1 << 20)
	l.Record(record("/whole"))
	if err := l.Close(); err != nil || l.Written() != 1 {
		t.Fatal(err, l.Written())
	}
	all := strings.Split(d.taken.String(), "\n")
	if len(all) != 3 || !json.Valid([]byte(all[1])) || !strings.Contains(all[1], "/whole") {
		t.Errorf("%q", all)
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	for _, f := range []Format{JSON, Combined} {
		l := NewAccessLog(discard{}, Options{Format: f})
		r := record("/a")
		r.Target = "/a?" + strings.Repeat("aVeryLongNameOfAParameterThatIsNoSecret=1&", 20) + "password=x"
		for range 2 { // every buffer grows
			for range 200 {
				l.Record(r)
			}
			if err := l.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := testing.AllocsPerRun(100, func() { l.Record(r) }); n != 0 {
			t.Errorf("format %v: %v allocations", f, n)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }

func BenchmarkRecord(b *testing.B) {
	for name, f := range map[string]Format{"json": JSON, "combined": Combined} {
		b.Run(name, func(b *testing.B) {
			l := NewAccessLog(discard{}, Options{Format: f})
			defer l.Close()
			var next atomic.Uint32
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				r := record("/order/42")
				r.Shard = next.Add(1)
				for pb.Next() {
					l.Record(r)
				}
			})
			b.ReportMetric(float64(dropped(l))/float64(b.N), "dropped/op")
		})
	}
}
