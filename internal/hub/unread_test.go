package hub

import (
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/source"
)

func unreadList(key string) source.Group {
	return source.Group{Key: key, Objects: &model.Objects{Endpoints: []model.EndpointSet{
		{List: model.EndpointsID{Keeper: "kubernetes", Name: key}, Unread: true},
	}}}
}

// A source that reads only the lists in use hears of them after the first generation: the hub is ready when it has read them, or
// when it has been waited for. Lists that nobody uses are not waited for, and none that is not read is saved.
func TestReadyWhenWhatIsUsedIsRead(t *testing.T) {
	rules := func() source.Group {
		g := rule("x", "/x")
		id := model.UpstreamID("up")
		g.Objects.Routes[0].Action = model.Forward{Targets: []model.Target{{Upstream: id, Weight: 1}}}
		g.Objects.Upstreams = []model.Upstream{{ID: id, Endpoints: []model.EndpointsID{{Keeper: "kubernetes", Name: "order"}}}}
		return g
	}
	for name, patience := range map[string]time.Duration{"read": time.Hour, "late": 50 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			s, r, keep := newScripted("s"), newRecorder(), Directory(t.TempDir())
			h := start(t, Config{Parts: []Part{{Source: s, Required: true, Saved: true, Keepers: []string{"kubernetes"}}},
				Endpoints: r, Publisher: r, Keep: keep, Unread: patience})
			s.say <- source.Update{Groups: []source.Group{rules(), unreadList("order"), unreadList("other")}, Full: true}
			eventually(t, "published", func() bool { return len(r.routes()) > 0 })
			if name == "read" {
				s.say <- source.Update{Groups: []source.Group{list("third", "127.1.1.3:80")}}
				if h.Ready() {
					t.Error("ready before the list in use is read")
				}
				s.say <- source.Update{Groups: []source.Group{list("order", "127.1.1.2:80")}}
			}
			eventually(t, "ready", h.Ready)
			if name == "late" {
				return
			}
			eventually(t, "saved", func() bool {
				groups, _, err := keep.Load("s")
				return err == nil && len(groups) == 2
			})
		})
	}
}
