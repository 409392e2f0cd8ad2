package certs

import (
	"time"

	"paifang/internal/model"
)

// ListEnd tells until when a revocation list counts. After that nobody passes whose certificate its issuer has signed.
type ListEnd struct {
	Policy model.TLSPolicyID
	Origin model.Origin
	Issuer string    // as in RFC 2253
	From   time.Time // when it was made
	Until  time.Time
}

// Soon tells whether a tenth of its time is left, or less: whoever makes lists has a newer one by then.
func (e ListEnd) Soon(now time.Time) bool { return e.Until.Sub(now) <= e.Until.Sub(e.From)/10 }

// policyLists are the lists of a policy.
type policyLists struct {
	id     model.TLSPolicyID
	origin model.Origin
	lists  *lists
}

// ListEnds returns the ends of the revocation lists that policies have, in no order: of the lists of one issuer that of the newest, which
// is the one that counts. Lists without an end are left out.
func (s *Store) ListEnds(now time.Time) []ListEnd {
	var out []ListEnd
	for _, p := range s.index.Load().lists {
		of := map[string][]*model.RevocationList{}
		for _, l := range p.lists.all {
			of[l.Issuer()] = append(of[l.Issuer()], l)
		}
		for issuer, all := range of {
			if l := newest(all, now); l != nil && !l.Next.IsZero() {
				out = append(out, ListEnd{p.id, p.origin, issuer, l.This, l.Next})
			}
		}
	}
	return out
}
