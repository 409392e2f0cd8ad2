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

// TestListedMetadata has what Spring Boot 3.4 binds to a Map<String, Object>: what stands in a property file, or was filled in, is a text, and what
// is nothing in YAML an empty one.
func TestListedMetadata(t *testing.T) {
	const route = "spring.cloud.gateway.routes[0].%s\n"
	properties := ""
	for _, line := range []string{"id=a", "uri=lb://a", "predicates[0]=Path=/a", "metadata.z=007", "metadata.i=5", "metadata.b=true", "metadata.e=", "metadata.k.c=1", "metadata.l[0]=007", "metadata.n=null"} {
		properties += fmt.Sprintf(route, line)
	}
	for _, c := range []struct{ file, text, want string }{
		{"a.properties", properties, `{"z":"007","i":"5","b":"true","e":"","k":{"c":"1"},"l":["007"],"n":"null"}`},
		{"a.yml", "five: '5'\nspring.cloud.gateway.routes: [{id: a, uri: 'lb://a', predicates: ['Path=/a'], metadata: {n: , t: ~, w: null, z: 007, q: '007', i: 5, b: true, p: '${five}', s: 'a${five}', k: {c: null, d: 1}, l: [1, null]}}]\n",
			`{"n":"","t":"","w":"","z":7,"q":"007","i":5,"b":true,"p":"5","s":"a5","k":{"c":"","d":1},"l":[1,""]}`},
	} {
		s := New(Config{List: true})
		r := newReading(&s.c)
		r.take([]watch.File{{Path: c.file, Data: []byte(c.text), Settled: true}})
		s.list(r.applications(), nil)
		if all := s.Definitions(); len(all) != 1 || string(all[0].Metadata) != c.want {
			t.Errorf("%s: %+v, want %s", c.file, all, c.want)
		}
	}
}
