package springgw

import (
	"strings"
	"testing"

	"paifang/internal/model"
)

// TestManagedNames: to take out what the gateway never passes on as it comes is to do nothing, for which no route is refused; to set it is an error
// that is said of the filter, and so is a name that is none.
func TestManagedNames(t *testing.T) {
	for filter, want := range map[string]struct {
		message string
		refused bool
	}{
		"RemoveRequestHeader=Host":                           {"Host is managed by the gateway, and is not passed on", false},
		"RemoveRequestHeader=Connection":                     {"Connection is managed", false},
		"RemoveResponseHeader=Content-Length":                {"Content-Length is managed", false},
		"RemoveRequestHeader=Upgrade":                        {"Upgrade is managed by the gateway: take the filter out", true},
		"RemoveRequestHeader=X Y":                            {`"X Y" is no name of a header`, true},
		"DedupeResponseHeader=Transfer-Encoding":             {"Transfer-Encoding is managed by the gateway, and is there once", false},
		"MapRequestHeader=X-Host, Host":                      {"write SetRequestHostHeader", true},
		"AddRequestHeadersIfNotPresent=Connection:close":     {"Connection is managed by the gateway: take", true},
		"RewriteResponseHeader=Content-Length, 1, 2":         {"Content-Length is managed by the gateway: take", true},
		"SetResponseHeader=X-{a}, 2":                         {"a variable in the name", true},
		"DedupeResponseHeader=Vary Connection, RETAIN_FIRST": {"Connection is managed", false},
	} {
		o := load(t, Config{}, routes("      - {id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: ['"+filter+"']}\n"))
		if len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, want.message) || o.Diagnostics[0].Field != "filters[0]" ||
			(o.Diagnostics[0].Severity == model.Error) != want.refused {
			t.Errorf("%s: %v", filter, o.Diagnostics)
		}
		if _, forwards := o.Routes[0].Action.(model.Forward); forwards == want.refused {
			t.Errorf("%s: %+v", filter, o.Routes[0].Action)
		}
		for _, f := range o.Routes[0].Filters {
			if config := string(f.Config); strings.Contains(config, "Connection") {
				t.Errorf("%s: %s", filter, config)
			}
		}
	}
}
