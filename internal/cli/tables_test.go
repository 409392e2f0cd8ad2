package cli

import (
	"testing"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/hub"
)

// What is known to one registry alone is marked, and so is a source that runs with something wrong.
func TestMarks(t *testing.T) {
	v := adminapi.View{Services: []adminapi.Service{{Name: "a", KeptBy: "registry", Local: true}, {Name: "b", KeptBy: "registry"}},
		Sources: []hub.SourceStatus{{Name: "registry", Synced: true, Error: "no quorum"}, {Name: "manifest", Synced: true}}}
	for _, x := range []struct {
		kind     adminapi.Kind
		column   int
		one, two cell
	}{
		{adminapi.Services, 4, toned("registry (local)", warn), c("registry")},
		{adminapi.Sources, 1, toned("running", warn), toned("running", good)},
	} {
		rows := tableOf(v, x.kind, false, time.Now()).rows
		if len(rows) != 2 || rows[0][x.column] != x.one || rows[1][x.column] != x.two {
			t.Errorf("%s: %+v", x.kind, rows)
		}
	}
}
