package annotation_test

import (
	"strings"
	"testing"

	"paifang/internal/source/kubernetes/annotation"
)

func TestRisksAreOfAnnotations(t *testing.T) {
	count := map[annotation.Risk]int{}
	for _, a := range annotation.Table() {
		count[a.Risk()]++
	}
	if count[annotation.MediumRisk] != 45 || count[annotation.HighRisk] != 10 || count[annotation.CriticalRisk] != 5 {
		t.Errorf("annotations of ingress-nginx by risk: %v", count)
	}
}

func TestForbiddenAnnotations(t *testing.T) {
	base := annotation.Defaults()
	base.Guard = annotation.Guard{MostRisk: annotation.MediumRisk, Words: []string{"proxy_pass"}}
	r := annotation.NewReader("", base)
	for _, c := range []struct{ name, text, why string }{
		{"server-alias", "a.test", "its risk is High, and annotations-risk-level allows Medium"},
		{"whitelist-source-range", "10.0.0.0/8", ""},
		{"app-root", "/x", ""},
		{"app-root", "/proxy_pass", `"proxy_pass"`},
		{"no-such", "proxy_pass", `"proxy_pass"`},
		{"configuration-snippet", "return 200;", "its risk is Critical"},
	} {
		set, found := r.Read(map[string]string{annotation.DefaultPrefix + "/" + c.name: c.text})
		if refused := found[0].Verdict == annotation.Refused; set.Rejected != (c.why != "") || set.Rejected && (!refused || set.Denied == "" || !strings.Contains(found[0].Message, c.why)) {
			t.Errorf("%s: %q: rejected %v, %+v", c.name, c.text, set.Rejected, found)
		}
	}
}
