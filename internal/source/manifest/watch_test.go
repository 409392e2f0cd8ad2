package manifest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/model"
	"paifang/internal/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hub is what stands behind a source: it applies updates as the contract says.
type hub struct {
	mu     sync.Mutex
	groups map[string]model.Objects
	gone   []string // keys of groups that were deleted, in order
	fulls  int
	err    error
	done   chan struct{}
}

// start runs a source until the test ends or stop is called.
func start(t *testing.T, s *Source) (h *hub, stop func()) {
	t.Helper()
	h = &hub{groups: map[string]model.Objects{}, done: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	out := make(chan source.Update)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, out) }()
	go func() {
		defer close(h.done)
		for {
			select {
			case u := <-out:
				h.apply(u)
			case err := <-ended:
				h.mu.Lock()
				h.err = err
				h.mu.Unlock()
				return
			}
		}
	}()
	stop = func() { cancel(); <-h.done }
	t.Cleanup(stop)
	h.wait(t, "the first full listing", func() bool { return h.fulls == 1 })
	return h, stop
}

func (h *hub) apply(u source.Update) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if u.Full {
		h.fulls++
		clear(h.groups)
	}
	for _, g := range u.Groups {
		if g.Objects.Empty() {
			delete(h.groups, g.Key)
			h.gone = append(h.gone, g.Key)
			continue
		}
		h.groups[g.Key] = *g.Objects
	}
}

// wait polls a condition; it is called with the hub locked.
func (h *hub) wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		h.mu.Lock()
		good := ok()
		h.mu.Unlock()
		if good {
			return
		}
		select {
		case <-h.done:
			t.Fatalf("the source ended while waiting for %s: %v", what, h.err)
		default:
		}
		if time.Now().After(deadline) {
			h.mu.Lock()
			defer h.mu.Unlock()
			t.Fatalf("waited in vain for %s; have %q", what, slices.Sorted(maps.Keys(h.groups)))
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// lost lists the groups that were deleted.
func (h *hub) lost() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.gone)
}

// port is the port of a service, 0 where there is none.
func (h *hub) port(name string) (port int) {
	if u := h.groups["service/default/"+name].Upstreams; len(u) > 0 {
		_, _ = fmt.Sscanf(strings.TrimPrefix(string(u[0].ID), "kubernetes/default/"+name+":"), "%d", &port)
	}
	return port
}

func (h *hub) waitPort(t *testing.T, name string, port int) {
	t.Helper()
	h.wait(t, fmt.Sprintf("%s:%d", name, port), func() bool { return h.port(name) == port })
}

// says tells whether a file's diagnostics contain a text.
func (h *hub) says(text string) bool {
	for k, o := range h.groups {
		for _, d := range o.Diagnostics {
			if strings.HasPrefix(k, "file/") && strings.Contains(d.String(), text) {
				return true
			}
		}
	}
	return false
}

func newSource(t *testing.T, quiet time.Duration, paths ...string) *Source {
	t.Helper()
	s, err := New(Options{Paths: paths, Quiet: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// marker changes another file and waits until that is seen: whatever was written before has been seen by then too.
func marker(t *testing.T, h *hub, dir string, n int) {
	t.Helper()
	write(t, dir, map[string]string{"zz-marker.yaml": service("marker", n)})
	h.waitPort(t, "marker", n)
}

func TestChangesAreSeen(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": service("a", 80)})
	h, stop := start(t, newSource(t, 0, dir))
	h.waitPort(t, "a", 80)

	write(t, dir, map[string]string{"a.yaml": service("a", 81)})
	h.waitPort(t, "a", 81)
	write(t, dir, map[string]string{"b.yaml": service("b", 1), "c.txt": service("c", 1)})
	h.waitPort(t, "b", 1)
	if err := os.Remove(filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	h.waitPort(t, "a", 0)
	if err := os.Rename(filepath.Join(dir, "c.txt"), filepath.Join(dir, "c.yaml")); err != nil {
		t.Fatal(err)
	}
	h.waitPort(t, "c", 1)
	stop()
	if !errors.Is(h.err, context.Canceled) || h.fulls != 1 {
		t.Errorf("ended with %v after %d full listings", h.err, h.fulls)
	}
}

func TestRenameOverIsSeenAtOnce(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": service("a", 80)})
	h, _ := start(t, newSource(t, 0, dir))
	var took []time.Duration
	for i := range 100 {
		tmp := filepath.Join(dir, ".a.swp")
		if err := os.WriteFile(tmp, []byte(service("a", 1000+i)), 0o644); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := os.Rename(tmp, filepath.Join(dir, "a.yaml")); err != nil {
			t.Fatal(err)
		}
		h.waitPort(t, "a", 1000+i)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("median %v, p99 %v", took[50], took[98])
	if took[50] > 30*time.Millisecond { // the median: this machine has other work
		t.Errorf("a change takes %v", took[50])
	}
	if gone := h.lost(); len(gone) > 0 {
		t.Errorf("groups went away in between: %q", gone)
	}
}

// TestTruncateAndWrite: what an editor does must not take an object away, and what was really deleted must go.
func TestTruncateAndWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	write(t, dir, map[string]string{"a.yaml": service("a", 80) + "---\n" + service("b", 80)})
	h, _ := start(t, newSource(t, time.Second, dir))
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	marker(t, h, dir, 1)
	write(t, dir, map[string]string{"a.yaml": service("b", 81)}) // b is changed at once, a waits
	h.waitPort(t, "b", 81)
	h.wait(t, "a to stay", func() bool { return h.port("a") == 80 })
	write(t, dir, map[string]string{"a.yaml": service("b", 81) + "---\n" + service("a", 82)})
	h.waitPort(t, "a", 82)
	if gone := h.lost(); len(gone) > 0 {
		t.Fatalf("groups went away in between: %q", gone)
	}
	write(t, dir, map[string]string{"a.yaml": service("a", 82)})
	h.waitPort(t, "b", 0)
	if got := h.port("a"); got != 82 {
		t.Errorf("a has port %d", got)
	}
}

// TestHalfWritten: half a document may be valid YAML. It must not be taken for the whole.
func TestHalfWritten(t *testing.T) {
	dir := t.TempDir()
	whole := strings.Replace(service("a", 80), "ports: [{port: 80}]", "ports:\n    - port: 80\n    - name: b\n      port: 90", 1)
	cut := strings.TrimSuffix(whole, "\n    - name: b\n      port: 90\n")
	write(t, dir, map[string]string{"a.yaml": whole})
	h, _ := start(t, newSource(t, time.Second, dir))
	ports := func() int { return len(h.groups["service/default/a"].Upstreams) }
	write(t, dir, map[string]string{"a.yaml": cut})
	marker(t, h, dir, 1)
	h.wait(t, "both ports to stay", func() bool { return ports() == 2 })
	write(t, dir, map[string]string{"a.yaml": strings.Replace(whole, "port: 90", "port: 91", 1)})
	h.wait(t, "the new port", func() bool {
		return ports() == 2 && h.groups["service/default/a"].Upstreams[1].ID == "kubernetes/default/a:91"
	})
	write(t, dir, map[string]string{"a.yaml": cut}) // and if that is all, it counts once the file rests
	h.wait(t, "one port", func() bool { return ports() == 1 })
}

func TestBrokenAndMended(t *testing.T) {
	dir := t.TempDir()
	three := func(middle string) string { return service("a", 80) + "---\n" + middle + "---\n" + route("r", "/") }
	write(t, dir, map[string]string{"a.yaml": three(service("m", 80))})
	s := newSource(t, 10*time.Millisecond, dir)
	h, stop := start(t, s)
	h.waitPort(t, "m", 80)

	// YAML that is none, in place of m: nobody can tell what it holds, so nothing is given up.
	write(t, dir, map[string]string{"a.yaml": strings.Replace(three("m: [broken\n"), "port: 80", "port: 81", 1)})
	h.wait(t, "the fault", func() bool {
		return h.says("is not YAML") && h.says("a.yaml:8") && h.says("the last good version stays in effect")
	})
	h.waitPort(t, "a", 81) // a sibling's change counts all the same
	h.wait(t, "m and r to stay", func() bool { return h.port("m") == 80 && len(h.groups["own/Route/r"].Routes) == 1 })

	// Schema: m is named, so only m is held; a is really deleted.
	write(t, dir, map[string]string{"a.yaml": strings.Replace(service("m", 90), "port:", "prt:", 1) + "---\n" + route("r", "/")})
	h.wait(t, "the field", func() bool { return h.says(`spec.ports[0].prt: unknown field: did you mean "port"?`) })
	h.waitPort(t, "a", 0)
	h.wait(t, "m to stay", func() bool { return h.port("m") == 80 })

	// The process lives on while the source is started again: still the last good version.
	stop()
	h, _ = start(t, s)
	h.wait(t, "m after a new start", func() bool { return h.port("m") == 80 && h.port("a") == 0 && h.says("unknown field") })

	write(t, dir, map[string]string{"a.yaml": service("m", 90)})
	h.waitPort(t, "m", 90)
	h.wait(t, "no faults", func() bool { return !h.says("a.yaml") && len(h.groups["own/Route/r"].Routes) == 0 })

	// A new process has no last good version: what is broken is not there, and its siblings are.
	write(t, dir, map[string]string{"a.yaml": three("m: [broken\n")})
	h, _ = start(t, newSource(t, 0, dir))
	h.wait(t, "a without m", func() bool { return h.port("a") == 80 && h.port("m") == 0 && h.says("is not YAML") })
}

// swap replaces a symbolic link the way the kubelet does: a new link renamed over the old.
func swap(t *testing.T, link, target string) {
	t.Helper()
	tmp := link + "_tmp"
	if err := os.Symlink(target, tmp); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	if err := os.Rename(tmp, link); err != nil {
		t.Fatal(err)
	}
}

func TestConfigMapMount(t *testing.T) {
	dir := t.TempDir()
	version := func(name string, port int) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), map[string]string{"a.yaml": service("a", port), "b.yaml": service("b", port)})
	}
	version("..1", 80)
	swap(t, filepath.Join(dir, "..data"), "..1")
	for _, f := range []string{"a.yaml", "b.yaml"} {
		swap(t, filepath.Join(dir, f), filepath.Join("..data", f))
	}
	whole, _ := start(t, newSource(t, 0, dir))
	single, _ := start(t, newSource(t, 0, filepath.Join(dir, "a.yaml")))
	for i := range 3 {
		name := fmt.Sprintf("..%d", i+2)
		version(name, 81+i)
		swap(t, filepath.Join(dir, "..data"), name)
		if err := os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..%d", i+1))); err != nil {
			t.Fatal(err)
		}
		whole.waitPort(t, "a", 81+i)
		whole.waitPort(t, "b", 81+i)
		single.waitPort(t, "a", 81+i)
	}
	if gone := whole.lost(); len(gone) > 0 {
		t.Errorf("groups went away in between: %q", gone)
	}
}

func TestDirectoryThatIsALink(t *testing.T) {
	root := t.TempDir()
	for i, name := range []string{"v1", "v2"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, name), map[string]string{"a.yaml": service("a", 80+i)})
	}
	link := filepath.Join(root, "current")
	swap(t, link, "v1")
	h, _ := start(t, newSource(t, 0, link))
	h.waitPort(t, "a", 80)
	swap(t, link, "v2")
	h.waitPort(t, "a", 81)
	write(t, filepath.Join(root, "v2"), map[string]string{"a.yaml": service("a", 90)})
	h.waitPort(t, "a", 90)
}

func TestSingleFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"one.txt": service("a", 80), "other.yaml": service("b", 80), "target": service("l", 80)})
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "sub", "link.yaml")
	swap(t, link, filepath.Join("..", "target"))
	h, _ := start(t, newSource(t, 0, filepath.Join(dir, "one.txt"), link))
	h.wait(t, "only what is named", func() bool { return h.port("a") == 80 && h.port("l") == 80 && h.port("b") == 0 })
	write(t, dir, map[string]string{"one.txt": service("a", 81), "target": service("l", 81)})
	h.waitPort(t, "a", 81)
	h.waitPort(t, "l", 81)
}

func TestAnObjectThatMovesBetweenFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": service("x", 80), "b.yaml": ""})
	h, _ := start(t, newSource(t, 0, dir))
	write(t, dir, map[string]string{"a.yaml": "", "b.yaml": service("x", 81)})
	h.waitPort(t, "x", 81)
	h.wait(t, "no duplicate", func() bool { return !h.says("duplicate") })
	write(t, dir, map[string]string{"a.yaml": service("x", 82)})
	h.waitPort(t, "x", 82)
	h.wait(t, "the duplicate", func() bool { return h.says("b.yaml:1: error: duplicate-id: Service default/x") })
	if err := os.Remove(filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	h.waitPort(t, "x", 81)
	h.wait(t, "no duplicate", func() bool { return !h.says("duplicate") })
	if gone := h.lost(); slices.Contains(gone, "service/default/x") {
		t.Errorf("the service went away in between: %q", gone)
	}
}

// TestADirectoryThatGoesAway takes nothing with it, and is read again when it is back.
func TestADirectoryThatGoesAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"a.yaml": service("a", 80)})
	s := newSource(t, 0, dir)
	h, stop := start(t, s)
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Fatal(err)
	}
	h.wait(t, "the fault", func() bool { return h.says("source-failed") && h.port("a") == 80 })
	write(t, dir+"2", map[string]string{"a.yaml": service("a", 81)})
	if err := os.Rename(dir+"2", dir); err != nil {
		t.Fatal(err)
	}
	h.wait(t, "the new port and no fault", func() bool { return h.port("a") == 81 && !h.says("source-failed") })
	stop()
	if err := os.Rename(dir, dir+"3"); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background(), nil); err == nil || err.Error() != "manifest: read "+dir+": no such file or directory" {
		t.Errorf("a new start without the directory: %v", err)
	}
}

// TestFilesThatWentBetweenTwoStarts are gone after the second.
func TestFilesThatWentBetweenTwoStarts(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": service("a", 80), "b.yaml": service("b", 80)})
	s := newSource(t, 0, dir)
	_, stop := start(t, s)
	stop()
	if err := os.Remove(filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	h, _ := start(t, s)
	h.wait(t, "b alone", func() bool { return h.port("a") == 0 && h.port("b") == 80 })
}

// TestTheSameAfterARestart: after many changes, a fresh process says what the old one says.
func TestTheSameAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s := newSource(t, time.Millisecond, dir)
	h, _ := start(t, s)
	for i := range 40 {
		name := string(rune('a'+i%3)) + ".yaml"
		text := service("x", 80+i) + "---\n" + service(fmt.Sprint("s", i%5), 1) + "---\n" + route("r", fmt.Sprint("/", i))
		if i%4 == 3 {
			text = "nothing: of ours\n"
		}
		write(t, dir, map[string]string{name: text})
		if i%7 == 0 {
			marker(t, h, dir, i+1)
		}
	}
	marker(t, h, dir, 1000)
	h.wait(t, "the state of a fresh process", func() bool {
		groups, _, err := Load(Options{Paths: []string{dir}})
		return err == nil && reflect.DeepEqual(byKey(groups), h.groups)
	})
}
