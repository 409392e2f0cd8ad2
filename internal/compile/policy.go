package compile

import (
	"cmp"
	"fmt"
	"slices"

	"paifang/internal/model"
)

// policies decides which TLS policies are in force. A policy protects its hosts, so one that is wrong is not left out as
// other objects are: it stays and refuses them. Only what names no host, or no class, has nothing to refuse.
func (c *compiler) policies(all []model.TLSPolicy) []model.TLSPolicy {
	slices.SortFunc(all, func(a, b model.TLSPolicy) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), a.Origin.Before(b.Origin), cmp.Compare(a.Origin.Source, b.Origin.Source))
	})
	var out []model.TLSPolicy
	var ds []model.Diagnostic
	for _, p := range all {
		err := p.Validate()
		p.Hosts = slices.DeleteFunc(slices.Clone(p.Hosts), func(h model.Host) bool { return h.Validate() != nil })
		placed := len(p.Hosts) > 0 && len(p.Attach) > 0
		if err != nil {
			d := invalid(p.Origin, err)
			if placed {
				d.Message += "; requests for its hosts are refused"
			}
			ds = append(ds, d)
			p.Reject = cmp.Or(p.Reject, d.Code)
		}
		if n := len(out); n > 0 && out[n-1].ID == p.ID && err == nil {
			ds = append(ds, model.Diagnostic{Origin: p.Origin, Severity: model.Error, Code: model.CodeDuplicateID,
				Message: fmt.Sprintf("TLS policy %s is already defined by %s: give one of them another name; requests for hosts that only this one names are refused", p.ID, out[n-1].Origin)})
			p.Reject = cmp.Or(p.Reject, model.CodeDuplicateID)
		}
		if placed {
			out = append(out, p)
		}
	}
	c.say("tls policy", append(ds, taken(out)...))
	return out
}

// taken reports hosts that several policies of a class name: the one whose origin comes first has them.
func taken(all []model.TLSPolicy) []model.Diagnostic {
	inOrder := slices.Clone(all)
	slices.SortStableFunc(inOrder, func(a, b model.TLSPolicy) int { return model.CompareTLSPolicies(&a, &b) })
	first := map[place]*model.TLSPolicy{}
	var ds []model.Diagnostic
	for i := range inOrder {
		p := &inOrder[i]
		for _, class := range p.Attach {
			for _, h := range p.Hosts {
				at := place{class, h}
				if by := first[at]; by == nil {
					first[at] = p
				} else if by != p {
					ds = append(ds, model.Diagnostic{Origin: p.Origin, Field: "hosts", Severity: model.Error, Code: model.CodeTLSHostTaken,
						Message: fmt.Sprintf("the TLS rules of host %q on listeners of class %s are given by %s already, which comes first", h, class, by.Origin)})
				}
			}
		}
	}
	return ds
}
