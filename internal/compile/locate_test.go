package compile

import (
	"fmt"
	"strings"
	"testing"

	"paifang/internal/model"
)

// TestLocatedFiltersKeepTheirSecrets: a service's route has what is secret of the template's filters, which has no text form.
func TestLocatedFiltersKeepTheirSecrets(t *testing.T) {
	l := model.Locator{ID: "l", Keeper: "registry", Filters: []model.FilterSpec{
		{Kind: "set-path", Config: []byte(`{"template":"/` + model.LocatorService + `"}`)}, {Kind: "basic-auth", Data: model.NewSecretData(map[string]string{"auth": "secret"})}}}
	got := located(&l, "order", standing{presence: included}).Routes[0].Filters
	if v, _ := got[1].Data.Get("auth"); v.Reveal() != "secret" || string(got[0].Config) != `{"template":"/order"}` {
		t.Errorf("%+v", got)
	}
}

// TestLocatedByMetadata: a template has the values that an instance says, and nothing that is more than a value. Where the place of the route
// does not depend on it, it answers 503 there.
func TestLocatedByMetadata(t *testing.T) {
	l := model.Locator{ID: "l", Keeper: "registry", Attach: []model.Class{"c"}, Tags: []string{"root", "to"}, ConnectTag: "connect", ResponseTag: "wait",
		Paths:   []model.PathMatch{{Kind: model.PathPrefix, Value: "/" + model.LocatorTag(0)}},
		Filters: []model.FilterSpec{{Kind: "set-path", Config: []byte(`{"template":"/` + model.LocatorTag(1) + `"}`)}}}
	for _, c := range []struct {
		said map[string]string
		want string // path, filters, timeouts
		told string
	}{
		{map[string]string{"root": "shop/v1", "to": "a.b", "connect": "20", "wait": " 300 "}, `/shop/v1 {"template":"/a.b"} 20ms 300ms`, ""},
		{map[string]string{"root": "shop", "to": "a", "connect": "0", "wait": "1s"}, `/shop {"template":"/a"} 0s 0s`, "no number of milliseconds"},
		{map[string]string{"root": "shop"}, "/shop 503 0s 0s", `none of its instances has metadata "to"`},
		{map[string]string{"root": "shop", "to": "${remaining}"}, "/shop 503 0s 0s", "letters, digits and"},
		{map[string]string{"root": "shop", "to": "a/../b"}, "/shop 503 0s 0s", "or dots alone"},
		{map[string]string{"root": "{x}", "to": "a"}, "", "letters, digits and"},
		{map[string]string{"root": "/shop//a", "to": "a"}, "", "that is empty"},
		{map[string]string{"root": "a\r\nb", "to": "a"}, "", "letters, digits and"},
		{nil, "", `none of its instances has metadata "root"`},
	} {
		o := located(&l, "order", standing{included, model.NewTags(c.said)})
		got := ""
		for _, r := range o.Routes {
			does := "503"
			if _, rejected := r.Action.(model.Respond); !rejected {
				does = string(r.Filters[0].Config)
			}
			got = fmt.Sprint(r.Match.Path.Value, " ", does, " ", r.Timeouts.Connect, " ", r.Timeouts.Response)
		}
		told := ""
		for _, d := range o.Diagnostics {
			told += d.Message + "\n"
		}
		if got != c.want || !strings.Contains(told, c.told) || (told == "") != (c.told == "") || len(o.Upstreams) != 1 {
			t.Errorf("%v: %s, told %s", c.said, got, told)
		}
	}
}
