package annotation

import (
	"strconv"
	"strings"

	"paifang/internal/model"
)

// Errors is who answers in place of endpoints.
type Errors struct {
	Statuses []model.StatusRange // of answers that are replaced
	Backend  string              // the service that answers instead, and where there is no endpoint: one of the same namespace; "" = none
	ForAll   bool                // the installation has a default backend, which answers instead where Backend is empty
}

func errorsFamily() family {
	return family{name: "Errors and headers", settle: settleErrors, rows: append([]Annotation{
		{Name: "custom-headers", Scope: OwnPaths, Verdict: Ignored, Note: "a response-headers filter in paifang.dev/filters adds fields, and add-headers of the ConfigMap does for all"},
		{Name: "custom-http-errors", Scope: OwnPaths, Verdict: Supported, read: readErrors},
		{Name: "disable-proxy-intercept-errors", Scope: OwnPaths, Verdict: Ignored, Note: "answers with a status of custom-http-errors are always replaced: an Ingress with a list of its own has no other"},
	}, mirrorRows()...)}
}

func readErrors(v *value) {
	var all []model.StatusRange
	for _, text := range v.list() {
		n, err := strconv.Atoi(text)
		if err != nil || n < 400 || n > 599 {
			v.invalid("%q is no status from 400 to 599: it has no effect", text)
			return
		}
		all = append(all, model.StatusRange{From: n, To: n})
	}
	switch {
	case len(all) > 0:
	case v.forAll: // the default
		v.same()
	default:
		v.invalid("is empty: it has no effect")
		return
	}
	v.s.Errors.Statuses = all
}

// readDefaultBackend reads the name of a Service of the same namespace.
func readDefaultBackend(v *value) {
	if model.Host(v.text).Validate() != nil || strings.ContainsAny(v.text, ".*") || v.text == "" {
		v.invalid("%q is no name of a service: it has no effect", v.text)
		return
	}
	v.s.Errors.Backend = v.text
}

func settleErrors(r *reading) {
	settleMirror(r)
	if len(r.Errors.Statuses) > 0 && r.Errors.Backend == "" && !r.Errors.ForAll && r.has("custom-http-errors") {
		r.say("custom-http-errors", Ignored, "needs default-backend: there is none for all Ingresses, so answers stay as they are")
	}
}
