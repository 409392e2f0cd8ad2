package manifest

import (
	"testing"
	"time"

	"paifang/internal/model"
)

// TestBrokenPolicyNeverOpensItsHost: the last good version stays; where there is none, the host is refused.
func TestBrokenPolicyNeverOpensItsHost(t *testing.T) {
	dir := t.TempDir()
	policy := func(field string) map[string]string {
		return map[string]string{"p.yaml": "apiVersion: paifang.dev/v1\nkind: TLSPolicy\nmetadata: {name: p}\nspec: {attach: [ingress], hosts: [shop.test], " + field + "}\n"}
	}
	write(t, dir, policy(`minVersoin: "1.3"`))
	h, _ := start(t, newSource(t, 10*time.Millisecond, dir))
	at := func() model.TLSPolicy {
		if all := h.groups["own/TLSPolicy/p"].TLSPolicies; len(all) == 1 {
			return all[0]
		}
		return model.TLSPolicy{}
	}
	h.wait(t, "the refusal", func() bool { return at().Reject == model.CodeUnreadable && h.says("did you mean") })
	write(t, dir, policy(`minVersion: "1.3"`))
	h.wait(t, "the policy", func() bool { return at().Reject == "" && at().MinVersion == model.TLS13 && !h.says("did you mean") })
	write(t, dir, policy(`minVersion: "1.2", depht: 2`))
	h.wait(t, "the last good one to stay", func() bool {
		return at().Reject == "" && at().MinVersion == model.TLS13 && h.says("the last good version stays in effect")
	})
	write(t, dir, policy(`minVersion: "1.2"`))
	h.wait(t, "the next one", func() bool { return at().MinVersion == model.TLS12 && at().Reject == "" })
}
