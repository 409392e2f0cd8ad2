package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log collects what Run delivers.
type log struct {
	mu      sync.Mutex
	changes []Change
	at      []time.Time
}

func (l *log) deliver(c Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes, l.at = append(l.changes, c), append(l.at, time.Now())
}

// wait polls until ok accepts a change that was delivered after the first n, and returns it with its time.
func (l *log) wait(t *testing.T, n int, what string, ok func(Change) bool) (Change, time.Time) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		l.mu.Lock()
		for i := n; i < len(l.changes); i++ {
			if ok(l.changes[i]) {
				c, at := l.changes[i], l.at[i]
				l.mu.Unlock()
				return c, at
			}
		}
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t.Fatalf("%s was not delivered; got %+v", what, l.changes[n:])
	return Change{}, time.Time{}
}

func (l *log) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.changes)
}

func start(t *testing.T, o Options) *log {
	t.Helper()
	l := &log{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, o, l.deliver) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
	l.wait(t, 0, "the first change", func(c Change) bool { return c.Full })
	return l
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".tmp", text)
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

func has(path, text string, settled bool) func(Change) bool {
	return func(c Change) bool {
		for _, f := range c.Files {
			if f.Path == path && string(f.Data) == text && f.Settled == settled && !f.Gone && f.Err == nil {
				return true
			}
		}
		return false
	}
}

func isGone(path string) func(Change) bool {
	return func(c Change) bool {
		for _, f := range c.Files {
			if f.Path == path && f.Gone && f.Settled {
				return true
			}
		}
		return false
	}
}

func TestFirstChangeHoldsEverything(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "b.yaml"), "b")
	write(t, filepath.Join(dir, "a.yml"), "a")
	write(t, filepath.Join(dir, "c.txt"), "c")
	write(t, filepath.Join(dir, ".hidden.yaml"), "h")
	write(t, filepath.Join(dir, "empty.yaml"), "")
	single := filepath.Join(t.TempDir(), "routes.conf")
	write(t, single, "s")
	l := start(t, Options{Paths: []string{dir + "/./", single}})
	got := map[string]string{}
	for _, f := range l.all()[0].Files {
		if !f.Settled || f.Gone || f.Err != nil {
			t.Errorf("%+v is not settled", f)
		}
		got[f.Path] = string(f.Data)
	}
	want := map[string]string{filepath.Join(dir, "a.yml"): "a", filepath.Join(dir, "b.yaml"): "b", filepath.Join(dir, "empty.yaml"): "", single: "s"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	files, err := Read(Options{Paths: []string{dir, single}})
	if err != nil || len(files) != 4 {
		t.Errorf("Read: %v %v", files, err)
	}
	if _, err := Read(Options{Paths: []string{filepath.Join(dir, "none")}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of nothing: %v", err)
	}
}

func TestChangedContentIsDeliveredAtOnceAndAgainWhenQuiet(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	write(t, path, "1")
	l := start(t, Options{Paths: []string{dir}, Quiet: 300 * time.Millisecond})
	for i, save := range []func(*testing.T, string, string){write, replace} {
		n, text := l.len(), fmt.Sprint("content ", i)
		save(t, path, text)
		saved := time.Now()
		_, at := l.wait(t, n, "new content", has(path, text, false))
		if d := at.Sub(saved); d > 250*time.Millisecond {
			t.Errorf("delivered after %v", d)
		}
		_, settled := l.wait(t, n, "settled content", has(path, text, true))
		if d := settled.Sub(at); d < 250*time.Millisecond {
			t.Errorf("settled %v after the first delivery", d)
		}
	}
}

func TestNewFileInDirectory(t *testing.T) {
	dir := t.TempDir()
	l := start(t, Options{Paths: []string{dir}})
	path := filepath.Join(dir, "new.yaml")
	n := l.len()
	replace(t, path, "x")
	l.wait(t, n, "the new file", has(path, "x", false))
	write(t, filepath.Join(dir, "ignored.txt"), "x")
	n = l.len()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l.wait(t, n, "the removal", isGone(path))
	for _, c := range l.all() {
		for _, f := range c.Files {
			if strings.HasSuffix(f.Path, ".txt") {
				t.Errorf("%s was read", f.Path)
			}
		}
	}
}

func TestTruncatedThenWrittenIsNeverSeenEmpty(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	write(t, path, "1")
	l := start(t, Options{Paths: []string{dir}, Quiet: 100 * time.Millisecond})
	n := l.len()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	time.Sleep(30 * time.Millisecond) // the editor takes its time
	write(t, path, "2")
	l.wait(t, n, "new content", has(path, "2", true))
	n2 := l.len()
	if err := os.Rename(path, path+"~"); err != nil { // vi: away, then anew
		t.Fatal(err)
	}
	time.Sleep(30 * time.Millisecond)
	write(t, path, "3")
	l.wait(t, n2, "new content", has(path, "3", true))
	for _, c := range l.all()[n:] {
		for _, f := range c.Files {
			if f.Gone || len(f.Data) == 0 {
				t.Errorf("a moment without content was told: %+v", f)
			}
		}
	}
	n = l.len()
	write(t, path, "")
	l.wait(t, n, "the emptied file", has(path, "", true))
}

func TestConfigMapSwap(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symlinks need a privilege there")
	}
	dir := t.TempDir()
	version := func(n, text string) {
		d := filepath.Join(dir, ".."+n)
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(d, "a.yaml"), text)
		if err := os.Symlink(".."+n, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("v1", "one")
	if err := os.Symlink("..data/a.yaml", filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	l := start(t, Options{Paths: []string{dir}, Rescan: time.Hour})
	single := start(t, Options{Paths: []string{filepath.Join(dir, "a.yaml")}, Rescan: time.Hour})
	version("v2", "two")
	l.wait(t, 0, "the swapped content", has(filepath.Join(dir, "a.yaml"), "two", false))
	single.wait(t, 0, "the swapped content of a single file", has(filepath.Join(dir, "a.yaml"), "two", false))
}

func TestTargetOfSymlinkElsewhereIsSeenByRescan(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symlinks need a privilege there")
	}
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "x.yaml")
	write(t, other, "one")
	path := filepath.Join(dir, "a.yaml")
	if err := os.Symlink(other, path); err != nil {
		t.Fatal(err)
	}
	l := start(t, Options{Paths: []string{dir}, Rescan: 50 * time.Millisecond})
	n := l.len()
	write(t, other, "two!")
	l.wait(t, n, "the target's content", has(path, "two!", true))
}

// More files than a rescan looks at in one go.
func TestRescanComesToTheLastFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symlinks need a privilege there")
	}
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "x.yaml")
	write(t, other, "one")
	last, lost := filepath.Join(dir, "zz-last.yaml"), filepath.Join(dir, "zz-lost.yaml")
	for _, path := range []string{last, lost} {
		if err := os.Symlink(other, path); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 * stride {
		write(t, filepath.Join(dir, fmt.Sprintf("a-%d.yaml", i)), "same")
	}
	l := start(t, Options{Paths: []string{dir}, Rescan: 20 * time.Millisecond})
	for _, text := range []string{"two!", "and again"} {
		n := l.len()
		write(t, other, text)
		l.wait(t, n, text, has(last, text, true))
	}
	if err := os.Remove(lost); err != nil {
		t.Fatal(err)
	}
	l.wait(t, 0, "the end of another", isGone(lost))
	if c := l.all(); slices.ContainsFunc(c[1:], func(c Change) bool {
		return slices.ContainsFunc(c.Files, func(f File) bool { return f.Path != last && f.Path != lost })
	}) {
		t.Error("a file that did not change was delivered")
	}
}

func TestDirectoryThatGoesKeepsItsFiles(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "conf")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a.yaml")
	write(t, path, "1")
	l := start(t, Options{Paths: []string{dir}, Rescan: time.Hour})
	n := l.len()
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	l.wait(t, n, "the fault", func(c Change) bool { return c.Err != nil && strings.Contains(c.Err.Error(), dir) })
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, "2")
	l.wait(t, n, "the directory's return", has(path, "2", true))
	last := l.all()[l.len()-1]
	if last.Err != nil {
		t.Errorf("the fault still stands: %v", last.Err)
	}
	n2 := l.len()
	write(t, path, "3")
	l.wait(t, n2, "a change in the new directory", has(path, "3", false))
	for _, c := range l.all()[n:] {
		for _, f := range c.Files {
			if f.Gone {
				t.Errorf("%s was told gone", f.Path)
			}
		}
	}
}

func TestUnreadableFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	write(t, path, "1")
	l := start(t, Options{Paths: []string{dir}})
	n := l.len()
	big, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := big.Truncate(MaxFileSize + 1); err != nil {
		t.Fatal(err)
	}
	big.Close()
	l.wait(t, n, "the error", func(c Change) bool {
		return len(c.Files) == 1 && c.Files[0].Settled && c.Files[0].Err != nil && strings.Contains(c.Files[0].Err.Error(), "larger")
	})
	n = l.len()
	write(t, path, "2")
	l.wait(t, n, "its mending", has(path, "2", false))
}

func TestSingleFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "routes.yml")
	write(t, path, "1")
	l := start(t, Options{Paths: []string{path}, Rescan: time.Hour})
	n := l.len()
	replace(t, path, "2")
	l.wait(t, n, "new content", has(path, "2", false))
	write(t, filepath.Join(dir, "neighbour.yml"), "x")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l.wait(t, n, "the removal", isGone(path))
	n = l.len()
	write(t, path, "3")
	l.wait(t, n, "the return", has(path, "3", false))
}

func TestTwoHundredEdits(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	write(t, path, "0")
	l := start(t, Options{Paths: []string{dir}})
	late := 0
	for i := range 200 {
		n, text := l.len(), fmt.Sprint("edit ", i)
		replace(t, path, text)
		saved := time.Now()
		if _, at := l.wait(t, n, text, has(path, text, false)); at.Sub(saved) > 100*time.Millisecond {
			late++
		}
	}
	if late > 2 {
		t.Errorf("%d of 200 edits took over 100ms", late)
	}
}

// A file that is renamed over another is whole and read at once; of many the first is, and the others are gathered. What is
// written in place, or after it was taken away, may be in parts and is gathered.
func TestReplacedFileIsReadWithoutGathering(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the events of other systems do not tell a replaced file from a new one")
	}
	dir := t.TempDir()
	path, other := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml")
	write(t, path, "1")
	write(t, other, "1")
	const gather = 300 * time.Millisecond
	l := start(t, Options{Paths: []string{dir}, Gather: gather, Quiet: 2 * gather, Rescan: time.Hour})
	n, began := l.len(), time.Now()
	replace(t, path, "2")
	_, first := l.wait(t, n, "the replaced file", has(path, "2", false))
	if d := first.Sub(began); d >= gather {
		t.Errorf("read after %v", d)
	}
	replace(t, path, "3")
	replace(t, other, "3")
	soon := time.Since(first) < gather/32 // a machine with other things to do may take its time
	if c, at := l.wait(t, n, "both", has(other, "3", false)); soon && (at.Sub(first) < gather || !has(path, "3", false)(c)) {
		t.Errorf("the second and third, right after the first: %v later, %+v", at.Sub(first), c)
	}
	for _, save := range []func(){
		func() { write(t, path, "in place") },
		func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			write(t, path, "taken away before")
		},
	} {
		l.wait(t, n, "quiet", func(c Change) bool { return len(c.Files) > 0 && c.Files[0].Settled }) // whose look would take this change along
		n, began = l.len(), time.Now()
		save()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, at := l.wait(t, n, string(text), has(path, string(text), false)); at.Sub(began) < gather {
			t.Errorf("%s: read after %v", text, at.Sub(began))
		}
	}
}

// all is a copy of what was delivered.
func (l *log) all() []Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Change(nil), l.changes...)
}
