package adminapi

import (
	"testing"

	"paifang/internal/hub"
	"paifang/internal/model"
)

// A source that runs shows what a finder says of it, one that failed why it did, and what the hub has stays as it is.
func TestTroubleOfASource(t *testing.T) {
	l, p := local()
	p.sources = []hub.SourceStatus{{Name: "manifest", Synced: true}, {Name: "registry", Synced: true}, {Name: "nacos", Failed: true, Error: "refused"}}
	of := func(name string) model.Diagnostic {
		return model.Diagnostic{Origin: model.Origin{Source: name, Kind: "source", Name: name}, Message: name + " has no quorum"}
	}
	l.Finders = append(l.Finders, found{of("registry"), of("nacos")})
	s := read(t, l, Sources).Sources
	if len(s) != 3 || s[0].Error != "" || s[1].Error != "registry has no quorum" || s[2].Error != "refused" || p.sources[1].Error != "" {
		t.Errorf("sources are %+v, the hub has %+v", s, p.sources)
	}
}

// found are diagnostics of a Finder.
type found []model.Diagnostic

func (f found) Diagnostics() []model.Diagnostic { return f }
