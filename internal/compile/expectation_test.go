package compile

import (
	"net/netip"
	"strings"
	"testing"

	"paifang/internal/model"
)

// TestExpectations: a listener that reads requests otherwise than the class on it expects is told, once for all listeners
// that do the same, and not when it does as expected.
func TestExpectations(t *testing.T) {
	listeners := func(p model.Parsing) *model.Objects {
		o := &model.Objects{}
		for i, id := range []model.ListenerID{"node-1/http", "node-2/http", "other", "tcp"} {
			l := model.Listener{ID: id, Class: "ingress", Protocol: model.HTTP, Parsing: p, Bind: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(8080+i))}}
			switch id {
			case "other":
				l.Class = "other"
			case "tcp":
				l.Protocol = model.TCP
			}
			o.Listeners = append(o.Listeners, l)
		}
		return o
	}
	wants := &model.Objects{Expectations: []model.Expectation{{Class: "ingress", Who: "ingress-nginx",
		Origin: model.Origin{Kind: "IngressClass", Name: "nginx"}, Parsing: model.Parsing{Underscores: model.UnderscoresDrop, Slashes: model.SlashesMerge}}}}
	groups := map[string]*model.Objects{"s/l": listeners(model.Parsing{}), "s/c": wants}
	snap := Compile(nil, input(groups, nil), check)
	ds := snap.Diagnostics()
	if len(ds) != 1 || ds[0].Code != model.CodeParsingDiffers || ds[0].Severity != model.Warning || ds[0].Origin.Name != "nginx" ||
		!strings.Contains(ds[0].Message, "written for ingress-nginx, and node-1/http, node-2/http reads requests otherwise: underscores is refuse, not drop;") {
		t.Errorf("%v", ds)
	}
	groups = map[string]*model.Objects{"s/l": listeners(model.Parsing{Underscores: model.UnderscoresDrop}), "s/c": wants}
	if ds := Compile(snap, edited(input(groups, nil), groups, nil), check).Diagnostics(); len(ds) != 0 {
		t.Errorf("%v", ds)
	}
}
