package compile

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"paifang/internal/model"
)

// settled returns a route with what filters say that are settings and no steps, and without these filters. A filter counts before what the route
// says itself, and of two the later one: of timeouts each by itself, of retries all at once. What does not count for that is told.
func settled(m *model.Route, said []model.FilterSetting) (*model.Route, []model.Diagnostic) {
	own := *m
	forward, forwards := m.Action.(model.Forward)
	var told []model.Diagnostic
	tell := func(at int, code model.Code, severity model.Severity, format string, args ...any) {
		told = append(told, model.Diagnostic{Origin: m.Origin, Field: fmt.Sprintf("filters[%d]", at), Severity: severity, Code: code,
			Message: fmt.Sprintf("filter %s: ", m.Filters[at].Kind) + fmt.Sprintf(format, args...)})
	}
	by := map[string]int{} // which filter has said a setting
	replaces := func(at int, name string, before, now reflect.Value) {
		first, twice := by[name]
		by[name] = at
		switch {
		case before.IsZero() || reflect.DeepEqual(before.Interface(), now.Interface()):
		case twice:
			tell(at, model.CodeSettingReplaced, model.Warning, "%s of filters[%d] does not count, as it is said here again: say it once", name, first)
		default:
			tell(at, model.CodeSettingReplaced, model.Info, "%s of the route does not count, as it is said here", name)
		}
	}
	for _, s := range said {
		if !forwards {
			tell(s.At, model.CodeFilterDoubtful, model.Warning, "it does nothing, as the route sends no request on")
			continue
		}
		into, from := reflect.ValueOf(&own.Timeouts).Elem(), reflect.ValueOf(s.Timeouts)
		for i := range from.NumField() {
			if now := from.Field(i); !now.IsZero() {
				name, _, _ := strings.Cut(from.Type().Field(i).Tag.Get("json"), ",")
				replaces(s.At, "timeouts."+name, into.Field(i), now)
				into.Field(i).Set(now)
			}
		}
		if now := reflect.ValueOf(s.Retry); !now.IsZero() {
			replaces(s.At, "forward.retry", reflect.ValueOf(forward.Retry), now)
			forward.Retry = s.Retry
		}
	}
	if forwards {
		own.Action = forward
	}
	own.Filters = nil
	for i, f := range m.Filters {
		if !slices.ContainsFunc(said, func(s model.FilterSetting) bool { return s.At == i }) {
			own.Filters = append(own.Filters, f)
		}
	}
	return &own, told
}
