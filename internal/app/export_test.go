package app

import (
	"context"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/manifest"
)

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "16"); err != nil { // those that are parallel wait, which no processor is needed for
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// told is a source that says what a test tells it to.
type told struct {
	say  chan source.Update
	fail chan error
}

func (told) Name() string { return "pods" }

func (s told) Run(ctx context.Context, out chan<- source.Update) error {
	for {
		select {
		case u := <-s.say:
			select {
			case out <- u:
			case <-ctx.Done():
				return ctx.Err()
			}
		case err := <-s.fail:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Addresses are in the file before anybody here hears of them, and who reads the file as a manifest finds the same.
func TestExportedAddresses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "endpoints")
	s := told{say: make(chan source.Update), fail: make(chan error)}
	e, err := newExported(s, dir)
	if err != nil {
		t.Fatal(err)
	}
	updates := run(t, e)
	id := func(name string) model.EndpointsID {
		return model.EndpointsID{Keeper: model.KeeperKubernetes, Name: name}
	}
	group := func(name string, all ...string) source.Group {
		g := source.Group{Key: name, Objects: &model.Objects{}}
		for _, a := range all {
			set := model.EndpointSet{List: id(name), Origin: model.Origin{Source: "pods", Kind: "pods", Name: name}}
			if len(g.Endpoints()) > 0 {
				set = g.Endpoints()[0]
			}
			set.Endpoints = append(set.Endpoints, model.Endpoint{Addr: netip.MustParseAddrPort(a), Name: "order-a", Node: "node-1"})
			g.Objects.Endpoints = []model.EndpointSet{set}
		}
		return g
	}
	read := func() map[model.EndpointsID][]model.Endpoint {
		t.Helper()
		groups, found, err := manifest.Load(manifest.Options{Paths: []string{dir}, Translate: new(Config).translateOptions()})
		if err != nil || len(found) > 0 {
			t.Fatalf("%v %v", err, found)
		}
		out := map[model.EndpointsID][]model.Endpoint{}
		for _, g := range groups {
			for _, set := range g.Endpoints() {
				out[set.List] = append(out[set.List], set.Endpoints...)
			}
		}
		return out
	}
	say := func(groups ...source.Group) {
		t.Helper()
		s.say <- source.Update{Groups: groups, Full: true}
		if u := next(t, updates); len(u.Groups) != len(groups) || !u.Full {
			t.Errorf("passed on: %+v", u)
		}
	}
	say(group("default/order:80", "127.1.1.2:8080", "127.1.2.2:8080"), group("default/pay:80", "127.1.1.3:8080"))
	got := read()
	if o := got[id("default/order:80")]; len(got) != 2 || len(o) != 2 || o[0].Addr.String() != "127.1.1.2:8080" || o[0].Name != "order-a" || o[0].Node != "node-1" {
		t.Errorf("the file says %+v", got)
	}
	say(group("default/order:80", "127.1.2.2:8080"), group("default/pay:80"))
	if got := read(); len(got) != 1 || len(got[id("default/order:80")]) != 1 {
		t.Errorf("with one pod left the file says %+v", got)
	}
	say(group("default/order:80"))
	if got := read(); len(got) != 0 {
		t.Errorf("without pods the file says %+v", got)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left in the directory: %v (%v)", left, err)
	}
}

// A source that fails, and a file that cannot be written, end the run with the reason; nobody is left blocked.
func TestExportFails(t *testing.T) {
	s := told{say: make(chan source.Update), fail: make(chan error, 1)}
	e, err := newExported(s, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	s.fail <- broken
	if err := e.Run(t.Context(), make(chan source.Update)); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the source", err)
	}
	dir := filepath.Join(t.TempDir(), "gone")
	s = told{say: make(chan source.Update, 1), fail: make(chan error, 1)}
	if e, err = newExported(s, dir); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s.say <- source.Update{Full: true}
	if err := e.Run(t.Context(), make(chan source.Update)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want that of the file", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newExported(s, file); err == nil {
		t.Error("a file is taken for a directory")
	}
}
