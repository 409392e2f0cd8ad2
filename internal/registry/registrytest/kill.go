// Package registrytest kills a registry that writes, and looks whether what was acknowledged is there.
package registrytest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/registry"
	"paifang/internal/registry/auth"
	"paifang/internal/registry/config"
	"paifang/internal/registry/probe"
	"paifang/internal/registry/storage/bolt"
)

// fileVariable tells the test program that it is the process to be killed, firstVariable the number it begins with.
const (
	fileVariable  = "PAIFANG_REGISTRY_KILL"
	firstVariable = "PAIFANG_REGISTRY_FIRST"
)

// Child is the process to be killed, if this is it: it returns true when it failed instead, and the program ends then.
// TestMain calls it first.
func Child() bool {
	file := os.Getenv(fileVariable)
	if file == "" {
		return false
	}
	first, err := strconv.Atoi(os.Getenv(firstVariable))
	if err == nil {
		err = write(file, first, os.Stdout)
	}
	fmt.Fprintln(os.Stderr, err)
	return true
}

// kept is a registry in a file.
type kept struct {
	store   *bolt.Store
	naming  *registry.Registry
	configs *config.Store
	users   *auth.Auth
}

const cost = 4 // of bcrypt, its least: here disks are tested

func openKept(file string) (*kept, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	store, err := bolt.Open(file)
	if err != nil {
		return nil, err
	}
	k := &kept{store: store}
	k.naming, err = registry.Open(ctx, registry.Options{Store: store, Probes: probe.Options{Every: time.Hour}, Wait: 20 * time.Second, SaveEvery: time.Millisecond})
	if err == nil {
		k.configs, err = config.Open(ctx, store, config.Options{})
	}
	if err == nil {
		k.users, err = auth.Open(ctx, store, auth.Options{Cost: cost})
	}
	return k, err
}

func (k *kept) close() error {
	k.users.Close()
	k.configs.Close()
	k.naming.Close()
	return k.store.Close()
}

// The services and the bounds of what is written: keys are written again and again, so that the file does not only grow.
func fixedKey() registry.Key { return registry.Key{Namespace: "public", Group: "g", Service: "fixed"} }
func beatKey() registry.Key  { return registry.Key{Namespace: "public", Group: "g", Service: "beating"} }
func leftKey() registry.Key  { return registry.Key{Namespace: "public", Group: "g", Service: "leaving"} }

// Numbers of things of each kind; a number that is written goes to the thing that it is modulo these. What is left was written and taken
// away.
const (
	fixedThings  = 200
	configThings = 10
	userThings   = 20
	leftThings   = 10
)

func things() map[string]int {
	return map[string]int{"fixed": fixedThings, "config": configThings, "user": userThings, "left": leftThings}
}

func configID(i int) config.ID {
	return config.ID{Namespace: "public", Group: "g", Name: fmt.Sprint("c", i%configThings)}
}

func leftID(i int) config.ID {
	return config.ID{Namespace: "public", Group: "g", Name: fmt.Sprint("left", i%leftThings)}
}

func instance(i int) registry.Instance {
	return registry.Instance{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80), Weight: 1, Enabled: true, Healthy: true}
}

// write writes all kinds of things until it is killed, and prints a line after each that was acknowledged.
func write(file string, first int, out io.Writer) error {
	k, err := openKept(file)
	if err != nil {
		return err
	}
	ctx := context.Background()
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, format+"\n", args...)
	}
	say("open")
	failed := make(chan error, 4)
	run := func(f func(n int) error) {
		go func() {
			for n := first; ; n++ {
				if err := f(n); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	run(func(n int) error {
		in := instance(n % fixedThings)
		in.Metadata = model.NewTags(map[string]string{"n": fmt.Sprint(n)})
		if err := k.naming.Register(fixedKey(), in); err != nil {
			return err
		}
		say("fixed %d %d", n%fixedThings, n)
		return nil
	})
	run(func(n int) error {
		in := instance(n % fixedThings)
		in.Ephemeral = true
		if err := k.naming.Register(beatKey(), in); err != nil {
			return err
		}
		if _, err := k.configs.Publish(ctx, config.Item{ID: configID(n), Content: fmt.Sprint(n)}, ""); err != nil {
			return err
		}
		say("config %d %d", n%configThings, n)
		return nil
	})
	run(func(n int) error {
		name := fmt.Sprint("user", n%userThings)
		err := k.users.CreateUser(ctx, name, fmt.Sprint("password-", n))
		if errors.Is(err, auth.ErrConflict) {
			err = k.users.SetPassword(ctx, name, fmt.Sprint("password-", n))
		}
		if err != nil {
			return err
		}
		say("user %d %d", n%userThings, n)
		return nil
	})
	run(func(n int) error {
		in := instance(n % leftThings)
		in.Metadata = model.NewTags(map[string]string{"n": fmt.Sprint(n)})
		if err := k.naming.Register(leftKey(), in); err != nil {
			return err
		}
		if _, err := k.configs.Publish(ctx, config.Item{ID: leftID(n), Content: fmt.Sprint(n)}, ""); err != nil {
			return err
		}
		if _, err := k.naming.Deregister(leftKey(), in.Addr); err != nil {
			return err
		}
		if _, err := k.configs.Remove(ctx, leftID(n), "", ""); err != nil {
			return err
		}
		say("left %d %d", n%leftThings, n)
		return nil
	})
	return <-failed
}

// acknowledged is what the processes said.
type acknowledged struct {
	n    int
	next int // the number that the next process begins with
	// may are the numbers that a thing may have: the last that was acknowledged, and later ones that may have been written
	// before their process was killed. A thing without acknowledgement may also be missing, and one that is left always.
	may   map[string][]int
	acked map[string]bool
}

// begins notes that a process begins with a number: each thing may get the first one that is its own.
func (a *acknowledged) begins(first int) {
	for kind, all := range things() {
		for i := range all {
			n := first + ((i-first)%all+all)%all
			what := fmt.Sprint(kind, " ", i)
			a.may[what] = append(a.may[what], n)
		}
	}
}

func (a *acknowledged) says(kind string, i, n int) {
	what, next := fmt.Sprint(kind, " ", i), n+things()[kind]
	a.may[what], a.acked[what] = []int{n, next}, true
	if kind == "left" {
		a.may[what] = []int{next} // what was taken away stays away
	}
	a.n++
	a.next = max(a.next, n+fixedThings+1)
}

// Kill starts a process that writes and kills it, as often as is said, and looks each time whether everything that it had
// acknowledged is in the file.
func Kill(t *testing.T, times int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "registry.db")
	ack := acknowledged{may: map[string][]int{}, acked: map[string]bool{}}
	empty := 0
	for i := range times {
		before := ack.n
		ack.once(t, self, file)
		if ack.n == before {
			empty++
		}
		if i%5 == 4 || i == times-1 {
			ack.check(t, file)
		}
		if t.Failed() {
			t.Fatalf("after %d kills", i+1)
		}
	}
	t.Logf("%d kills, %d of them before anything was written, %d acknowledged writes", times, empty, ack.n)
	if ack.n < times {
		t.Errorf("only %d writes were acknowledged before %d kills: the test shows little", ack.n, times)
	}
}

// once starts the process and kills it some time after it began to open the file.
func (a *acknowledged) once(t *testing.T, self, file string) {
	t.Helper()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), fileVariable+"="+file, fmt.Sprint(firstVariable, "=", a.next))
	a.begins(a.next)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// One in eight dies while it opens the file; the others have written for a while.
	kill := func() { _ = cmd.Process.Kill() }
	early, more := rand.IntN(8) == 0, rand.IntN(6)
	if early {
		time.AfterFunc(time.Duration(rand.IntN(20))*time.Millisecond, kill)
	}
	stuck := time.AfterFunc(30*time.Second, kill)
	opened := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) == 1 && f[0] == "open":
			opened = true
		case len(f) == 3:
			i, err1 := strconv.Atoi(f[1])
			n, err2 := strconv.Atoi(f[2])
			if err1 != nil || err2 != nil {
				t.Errorf("the process said %q", lines.Text())
				continue
			}
			a.says(f[0], i, n)
		}
		if opened && !early {
			if more--; more == 0 {
				time.AfterFunc(time.Duration(rand.IntN(8))*time.Millisecond, kill)
			} else if more < 0 {
				kill()
			}
		}
	}
	_ = cmd.Wait() // it was killed
	if !stuck.Stop() || !early && !opened || errs.Len() > 0 {
		t.Errorf("the process did not start: %s", errs.String())
	}
}

// check compares. What was acknowledged is there, or what was written after it and not acknowledged any more.
func (a *acknowledged) check(t *testing.T, file string) {
	t.Helper()
	k, err := openKept(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := k.close(); err != nil {
			t.Error(err)
		}
	}()
	numbers := map[netip.AddrPort]string{}
	for _, in := range k.naming.View(fixedKey()).Instances {
		numbers[in.Addr], _ = in.Metadata.Get("n")
	}
	for what, may := range a.may {
		kind, number, _ := strings.Cut(what, " ")
		i, _ := strconv.Atoi(number)
		var have string
		switch kind {
		case "fixed":
			have = numbers[instance(i).Addr]
		case "config":
			have = k.content(t, i)
		case "user":
			for _, n := range may {
				if _, err := k.users.Login(context.Background(), fmt.Sprint("user", i), fmt.Sprint("password-", n)); err == nil {
					have = fmt.Sprint(n)
				}
			}
		}
		if kind == "left" {
			a.gone(t, k, i)
			continue
		}
		n, err := strconv.Atoi(have)
		if have == "" && !a.acked[what] {
			continue
		}
		if err != nil || !slices.Contains(may, n) {
			t.Errorf("%s is %q, acknowledged or written later were %v", what, have, may)
		}
	}
}

// gone looks for what was taken away: the instance, and the configuration, whose history must end as it is.
func (a *acknowledged) gone(t *testing.T, k *kept, i int) {
	t.Helper()
	what := fmt.Sprint("left ", i)
	var have []string
	for _, in := range k.naming.View(leftKey()).Instances {
		if in.Addr == instance(i).Addr {
			n, _ := in.Metadata.Get("n")
			have = append(have, n)
		}
	}
	ctx, ends := context.Background(), []config.Operation{config.Removed}
	if item, _, err := k.configs.Get(ctx, leftID(i)); err == nil { // written over, where a process was killed between writing and removing
		have, ends = append(have, item.Content), []config.Operation{config.Added, config.Changed}
	}
	for _, text := range have {
		if n, err := strconv.Atoi(text); err != nil || !slices.Contains(a.may[what], n) {
			t.Errorf("%s is there again: %v; written after its removal were %v", what, have, a.may[what])
		}
	}
	h, err := k.configs.History(ctx, leftID(i))
	if a.acked[what] && (err != nil || !slices.Contains(ends, h[0].Op)) {
		t.Errorf("%s is %v, and its history ends with %+v (%v)", what, have, h[:min(len(h), 1)], err)
	}
}

// content is that of a configuration, whose history must end with it.
func (k *kept) content(t *testing.T, i int) string {
	t.Helper()
	item, _, err := k.configs.Get(context.Background(), configID(i))
	if err != nil {
		return ""
	}
	h, err := k.configs.History(context.Background(), configID(i))
	if err != nil || h[0].Version != item.Version || len(h) > 1 && h[0].Op != config.Changed {
		t.Errorf("configuration %d is at version %d, %q, and its history at %+v (%v)", i, item.Version, item.Content, h[0], err)
	}
	return item.Content
}
