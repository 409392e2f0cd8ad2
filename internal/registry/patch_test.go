package registry

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"paifang/internal/model"
	"paifang/internal/registry/probe"
	"paifang/internal/registry/storage"
	"paifang/internal/registry/storage/bolt"
	"paifang/internal/registry/storage/storagetest"
)

// What an operator says of metadata is laid over what the client says, label by label, whichever of both speaks last.
func TestUpdateIsLaidOver(t *testing.T) {
	for name, open := range map[string]func() storage.Store{
		"memory": func() storage.Store { return storage.NewMemory() },
		"bolt": func() storage.Store {
			s, err := bolt.Open(filepath.Join(t.TempDir(), "registry.db"))
			must(t, err)
			return s
		},
		"shared": func() storage.Store { return storagetest.NewShared() },
	} {
		t.Run(name, func(t *testing.T) {
			s := open()
			defer s.Close()
			r := reopen(t, Options{Store: s, MaxMetadata: 100, Probes: probe.Options{Every: time.Hour}})
			defer r.Close()
			c, err := r.Connect()
			must(t, err)
			defer c.Close()
			fixedOne, other := Key{"public", "g", "fixed"}, Key{"public", "g", "other"}
			for _, client := range []struct {
				key  Key
				says func(version, zone string) error
			}{
				{order, func(version, zone string) error {
					return r.Register(order, labelled(at("10.0.0.1:80"), "version", version, "zone", zone))
				}},
				{other, func(version, zone string) error {
					return c.Publish(other, []Instance{labelled(at("10.0.0.1:80"), "version", version, "zone", zone)})
				}},
				{fixedOne, func(version, zone string) error {
					return r.Register(fixedOne, labelled(fixed("10.0.0.1:80"), "version", version, "zone", zone))
				}},
			} {
				shows := func(want string) {
					t.Helper()
					v := r.View(client.key)
					if len(v.Instances) != 1 || v.Instances[0].Metadata.String() != want {
						t.Fatalf("%s: %+v, want %s", client.key, v.Instances, want)
					}
				}
				update := func(p Patch) {
					t.Helper()
					must(t, r.Update(client.key, at("10.0.0.1:80").Addr, "", p))
				}
				must(t, client.says("1", "a"))
				update(Patch{Metadata: model.Tags{{Name: "version", Value: "2"}, {Name: "wanted", Value: "yes"}}})
				shows("version=2,wanted=yes,zone=a")
				must(t, client.says("3", "b"))
				shows("version=2,wanted=yes,zone=b")
				update(Patch{Add: model.Tags{{Name: "zone", Value: "c"}}})
				update(Patch{Drop: []string{"version", "unknown"}})
				shows("version=3,wanted=yes,zone=c")
				off := false
				update(Patch{Enabled: &off})
				must(t, client.says("4", "d"))
				shows("version=4,wanted=yes,zone=c")
				if r.View(client.key).Instances[0].Enabled {
					t.Errorf("%s: enabled again", client.key)
				}
				update(Patch{Metadata: model.Tags{{Name: "a", Value: "1"}}})
				shows("a=1,version=4,zone=d")
				update(Patch{Metadata: model.Tags{}})
				shows("version=4,zone=d")
				update(Patch{Add: model.Tags{{Name: "a", Value: strings.Repeat("x", 60)}}})
				if err := r.Update(client.key, at("10.0.0.1:80").Addr, "", Patch{Add: model.Tags{{Name: "b", Value: strings.Repeat("x", 60)}}}); !errors.Is(err, ErrInvalid) {
					t.Errorf("many small updates make a large one: %v", err)
				}
			}
		})
	}
}

func labelled(in Instance, pairs ...string) Instance {
	for i := 0; i < len(pairs); i += 2 {
		in.Metadata = append(in.Metadata, model.Tag{Name: pairs[i], Value: pairs[i+1]})
	}
	return in
}

// Times of heartbeats that an operator sets act, and the client's own do again when he takes them back.
func TestUpdateSetsTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		defer r.Close()
		addr := at("10.0.0.1:80").Addr
		must(t, r.Register(order, at("10.0.0.1:80")))
		must(t, r.Update(order, addr, "", Patch{Metadata: model.Tags{{Name: metaInterval, Value: "500"}, {Name: metaUnhealthy, Value: "2000"}}}))
		if every, _, err := r.Beat(order, addr); err != nil || every != 500*time.Millisecond {
			t.Errorf("%s, %v", every, err)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		want(t, r, order, "10.0.0.1:80 unhealthy")
		must(t, r.Update(order, addr, "", Patch{Drop: []string{metaInterval, metaUnhealthy}}))
		if every, _, err := r.Beat(order, addr); err != nil || every != DefaultInterval {
			t.Errorf("%s, %v", every, err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		want(t, r, order, "10.0.0.1:80")
		// As long as the update is there it holds for every registration.
		must(t, r.Update(order, addr, "", Patch{Add: model.Tags{{Name: metaDelete, Value: "1000"}, {Name: metaUnhealthy, Value: "1000"}}}))
		must(t, r.Register(order, labelled(at("10.0.0.1:80"), metaDelete, "90000")))
		time.Sleep(3 * time.Second)
		synctest.Wait()
		want(t, r, order, "")
	})
}
