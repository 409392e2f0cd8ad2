package compile

import (
	"testing"

	"paifang/internal/model"
)

// TestLocatedFiltersKeepTheirSecrets: a service's route has what is secret of the template's filters, which has no text form.
func TestLocatedFiltersKeepTheirSecrets(t *testing.T) {
	l := model.Locator{ID: "l", Keeper: "registry", Filters: []model.FilterSpec{
		{Kind: "set-path", Config: []byte(`{"template":"/` + model.LocatorService + `"}`)}, {Kind: "basic-auth", Data: model.NewSecretData(map[string]string{"auth": "secret"})}}}
	got := located(&l, "order", included).Routes[0].Filters
	if v, _ := got[1].Data.Get("auth"); v.Reveal() != "secret" || string(got[0].Config) != `{"template":"/order"}` {
		t.Errorf("%+v", got)
	}
}
