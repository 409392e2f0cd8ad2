package springgw

import (
	"fmt"
	"testing"

	"paifang/internal/model"
	"paifang/internal/watch"
)

// listing is a source that lists what is in a text.
func listing(text string) *Source {
	s := New(Config{List: true})
	r := newReading(&s.c)
	r.take([]watch.File{{Path: "a.yml", Data: []byte(text), Settled: true}})
	s.list(r.applications(), nil)
	return s
}

// TestLocated: the routes of the locator are listed with what they do.
func TestLocated(t *testing.T) {
	const on = "spring.cloud.gateway:\n  default-filters: ['AddRequestHeader=A, b']\n  discovery.locator:\n    enabled: true\n"
	for _, c := range []struct{ text, predicates, filters, combined string }{
		{on, "[{Path [{_genkey_0 /Order/**}]}]", "[{RewritePath [{_genkey_0 /Order/?(?<remaining>.*)} {_genkey_1 /${remaining}}]}]",
			"[{AddRequestHeader [{_genkey_0 A} {_genkey_1 b}]} {RewritePath [{_genkey_0 /Order/?(?<remaining>.*)} {_genkey_1 /${remaining}}]}]"},
		{on + "    lower-case-service-id: true\n    predicates: [{name: Path, args: {pattern: \"'/api/' + serviceId + '/**'\"}}]\n    filters: [StripPrefix]\n",
			"[{Path [{pattern /api/order/**}]}]", "[{StripPrefix []}]", "[{AddRequestHeader [{_genkey_0 A} {_genkey_1 b}]} {StripPrefix []}]"},
	} {
		d, ok := listing(c.text).Located("Order", nil)
		if !ok || d.ID != "ReactiveCompositeDiscoveryClient_Order" || d.URI != "lb://Order" || fmt.Sprint(d.Predicates) != c.predicates || fmt.Sprint(d.Filters) != c.filters || fmt.Sprint(d.Combined) != c.combined {
			t.Errorf("%+v", d)
		}
	}
	d, _ := listing(on+"    filters: [\"AddRequestHeader='X-Release','r-'+metadata['release']\"]\n").Located("Order", model.NewTags(map[string]string{"release": "7", "wait": "007"}))
	if fmt.Sprint(d.Filters) != "[{AddRequestHeader [{_genkey_0 X-Release} {_genkey_1 r-7}]}]" || string(d.Metadata) != `{"release":"7","wait":"007"}` {
		t.Errorf("%+v %s", d, d.Metadata)
	}
	if d, ok := listing("spring.cloud.gateway.routes: []\n").Located("Order", nil); ok {
		t.Errorf("%+v", d)
	}
}
