package compile_test

import (
	"slices"
	"strings"
	"testing"

	"paifang/internal/compile"
	"paifang/internal/model"
	"paifang/internal/shard"
)

// TestPoliciesOfOneName: two sources give policies one ID. Neither host is left open, whoever comes first.
func TestPoliciesOfOneName(t *testing.T) {
	policy := func(source string, host model.Host) *model.Objects {
		return &model.Objects{TLSPolicies: []model.TLSPolicy{{ID: "p", Origin: model.Origin{Source: source, Name: "p"}, Attach: []model.Class{"ingress"}, Hosts: []model.Host{host}, MinVersion: model.TLS13}}}
	}
	a, b := policy("a", "a.test"), policy("b", "b.test")
	for _, groups := range [][]*model.Objects{{a, b}, {b, a}} {
		e := shard.Map[*model.Objects]{}.Edit()
		for i, g := range groups {
			e.Set(string(rune('x'+i)), g)
		}
		next := compile.Compile(nil, compile.Input{Groups: e.Map()}, nil)
		all := slices.Collect(next.TLSPolicies("ingress"))
		if len(all) != 2 || all[0].Origin.Source != "a" || all[0].Reject != "" || all[1].Reject != model.CodeDuplicateID {
			t.Errorf("%+v", all)
		}
		if ds := next.Diagnostics(); len(ds) != 1 || ds[0].Code != model.CodeDuplicateID || !strings.Contains(ds[0].Message, "are refused") {
			t.Errorf("%v", ds)
		}
		if len(slices.Collect(next.TLSPolicies("gateway"))) != 0 {
			t.Error("a policy counts for another class")
		}
		// What goes, goes.
		e = e.Map().Edit()
		e.Delete("x")
		e.Delete("y")
		if left := compile.Compile(next, compile.Input{Groups: e.Map()}, nil); len(left.Contents().TLSPolicies) != 0 || len(left.Diagnostics()) != 0 {
			t.Errorf("%+v", left.Contents().TLSPolicies)
		}
	}
}
