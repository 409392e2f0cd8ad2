package translate

import (
	"slices"
	"testing"

	"paifang/internal/model"
)

// bridged is the upstream of the one Service in a store, with the lists that the store offers.
func bridged(t *testing.T, with Bridge, service string) (u model.Upstream, lists []string, wrong []string) {
	t.Helper()
	s := New(Options{Bridge: with})
	putAll(t, s, "service.yaml", []byte(service))
	for _, g := range s.All() {
		for _, e := range g.Objects.Endpoints {
			lists = append(lists, e.List.String())
		}
		for _, d := range g.Objects.Diagnostics {
			wrong = append(wrong, d.Message)
		}
		for _, x := range g.Objects.Upstreams {
			if x.Offer != "" || u.ID == "" {
				u = x
			}
		}
	}
	return u, lists, wrong
}

func service(labels, annotations, spec string) string {
	return "apiVersion: v1\nkind: Service\nmetadata:\n  name: order\n  namespace: shop\n  labels: {" + labels + "}\n  annotations: {" + annotations + "}\nspec:\n  ports: [{name: http, port: 80}, {name: admin, port: 81}]\n  selector: {" + spec + "}\n"
}

func TestServicesAndRegistries(t *testing.T) {
	selector, err := ParseSelector("paifang.dev/offer=true")
	if err != nil {
		t.Fatal(err)
	}
	both := Bridge{Offers: true, Selector: selector, Keepers: []string{"registry", "registry/old"}}
	some := Bridge{Keepers: both.Keepers, Services: []string{"public/shop-*/order", "ord*"}}
	const own, registered = "kubernetes:shop/order:80", "registry:public/DEFAULT_GROUP/order"
	for _, c := range []struct {
		name, service string
		bridge        Bridge
		offer         string
		from          []string // lists of the upstream
		without       bool
		lists, wrong  int
	}{
		{name: "plain", service: service("", "", "app: order"), bridge: both, from: []string{own}, lists: 2},
		{name: "by label", service: service(`paifang.dev/offer: "true"`, "", "app: order"), bridge: both, offer: "public/DEFAULT_GROUP/order", from: []string{own}, lists: 2},
		{name: "by label, kept out", service: service(`paifang.dev/offer: "true"`, `paifang.dev/offer: "false"`, "app: order"), bridge: both, from: []string{own}, lists: 2},
		{name: "by annotation", service: service("", "paifang.dev/offer: a/b/c", "app: order"), bridge: both, offer: "a/b/c", from: []string{own}, lists: 2},
		{name: "of a group", service: service("", "paifang.dev/offer: b/c", "app: order"), bridge: both, offer: "public/b/c", from: []string{own}, lists: 2},
		{name: "another port", service: service("", "paifang.dev/offer: c, paifang.dev/offer-port: admin", "app: order"), bridge: both,
			offer: "public/DEFAULT_GROUP/c", from: []string{"kubernetes:shop/order:81"}, lists: 2},
		{name: "no such port", service: service("", "paifang.dev/offer: c, paifang.dev/offer-port: none", "app: order"), bridge: both, from: []string{own}, lists: 2, wrong: 1},
		{name: "no name", service: service("", "paifang.dev/offer: a//c", "app: order"), bridge: both, from: []string{own}, lists: 2, wrong: 1},
		{name: "nobody offers", service: service("", "paifang.dev/offer: c", "app: order"), bridge: Bridge{}, from: []string{own}, lists: 2, wrong: 1},
		{name: "from a registry alone", service: service("", "paifang.dev/registry: order", ""), bridge: both, from: []string{registered}, without: true},
		{name: "from another registry", service: service("", "paifang.dev/registry: order, paifang.dev/registry-name: old", ""), bridge: both,
			from: []string{"registry/old:public/DEFAULT_GROUP/order"}, without: true},
		{name: "from one that is not read", service: service("", "paifang.dev/registry: order, paifang.dev/registry-name: new", ""), bridge: both, from: []string{own}, lists: 2, wrong: 1},
		{name: "from both", service: service("", "paifang.dev/registry: order", "app: order"), bridge: both, from: []string{own, registered}, without: true, lists: 2},
		{name: "both ways", service: service(`paifang.dev/offer: "true"`, "paifang.dev/registry: order", "app: order"), bridge: both,
			offer: "public/DEFAULT_GROUP/order", from: []string{own, registered}, without: true, lists: 2},
		{name: "one that may be taken", service: service("", "paifang.dev/registry: order", ""), bridge: some, from: []string{registered}, without: true},
		{name: "one of a group that may be taken", service: service("", "paifang.dev/registry: shop-a/order", ""), bridge: some, from: []string{"registry:public/shop-a/order"}, without: true},
		{name: "one that may not be taken", service: service("", "paifang.dev/registry: shop-a/orders", ""), bridge: some, from: []string{own}, lists: 2, wrong: 1},
		{name: "one of a namespace that may not be taken", service: service("", "paifang.dev/registry: dev/DEFAULT_GROUP/order", ""), bridge: some, from: []string{own}, lists: 2, wrong: 1},
		{name: "a circle", service: service(`paifang.dev/offer: "true"`, "paifang.dev/registry: order", ""), bridge: both, from: []string{registered}, without: true, wrong: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, lists, wrong := bridged(t, c.bridge, c.service)
			var from []string
			for _, id := range u.Endpoints {
				from = append(from, id.String())
			}
			if u.Offer != c.offer || !slices.Equal(from, c.from) || c.without != (len(u.Without) > 0) || len(lists) != c.lists || len(wrong) != c.wrong {
				t.Errorf("offer %q, lists of the upstream %v, without %v, offered lists %v, diagnostics %q", u.Offer, from, u.Without, lists, wrong)
			}
		})
	}
}

func TestCheckServices(t *testing.T) {
	if err := CheckServices([]string{"order", "shop-*/*", "public/*/[a-c]*"}); err != nil {
		t.Error(err)
	}
	for _, p := range []string{"", "a/b/c/d", "a//b", "[a"} {
		if CheckServices([]string{"order", p}) == nil {
			t.Errorf("%q is taken for a pattern", p)
		}
	}
}
