package springgw

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"paifang/internal/bootconfig"
	"paifang/internal/http1"
	"paifang/internal/model"
)

// effect is what the filters of a route do together.
type effect struct {
	filters  []model.FilterSpec
	host     model.HostMode
	hostName string
	retry    model.Retry
	again    bool          // a filter that is read already tries again
	prefixed bool          // a filter that is read already puts a prefix in front
	limit    time.Duration // of the time to an answer, whatever is tried meanwhile; 0 = none
	limitTry time.Duration // of the time to the answer of one try; 0 = none
	naming   *naming       // how requests name their target; nil = they do not
	call     *grpcCall     // that requests become; nil = none
	texts    []variableText
	notes    []fault // what works, but not as somebody may expect
}

// filters are all that Spring has; those without a reader are not supported.
func filters() map[string]func(*effect, *part) error {
	return map[string]func(*effect, *part) error{
		"StripPrefix": (*effect).stripPrefix, "RewritePath": (*effect).rewritePath, "PrefixPath": (*effect).prefixPath, "SetPath": (*effect).setPath,
		"AddRequestHeader": headerFilter("request-headers", "add"), "SetRequestHeader": headerFilter("request-headers", "set"),
		"RemoveRequestHeader": headerFilter("request-headers", "remove"), "AddResponseHeader": (*effect).addResponseHeader,
		"SetResponseHeader": headerFilter("response-headers", "set"), "RemoveResponseHeader": headerFilter("response-headers", "remove"),
		"PreserveHostHeader": (*effect).preserveHost, "SetRequestHostHeader": (*effect).setHost,

		"AddRequestHeadersIfNotPresent": (*effect).defaultHeaders, "MapRequestHeader": (*effect).mapHeader,
		"AddRequestParameter": queryFilter("add"), "RewriteRequestParameter": queryFilter("rewrite"), "RemoveRequestParameter": queryFilter("remove"),
		"DedupeResponseHeader": (*effect).dedupe, "RewriteResponseHeader": (*effect).rewriteHeader, "SecureHeaders": (*effect).secureHeaders,
		"RewriteLocationResponseHeader": (*effect).rewriteLocation, "SetStatus": (*effect).setStatus, "RedirectTo": (*effect).redirectTo,
		"RequestSize": (*effect).requestSize, "RequestHeaderSize": (*effect).headerSize, "Retry": (*effect).retryAgain,
		"RemoveJsonAttributesResponseBody": (*effect).removeJSON, "CircuitBreaker": (*effect).circuitBreaker,
		"CacheRequestBody": (*effect).cacheBody, "FallbackHeaders": (*effect).fallbackHeaders, "RequestRateLimiter": (*effect).rateLimiter, "LocalResponseCache": (*effect).cacheAnswers,

		"SetRequestUri": (*effect).setRequestURI, "RequestHeaderToRequestUri": (*effect).headerURI,

		"JsonToGrpc": (*effect).jsonToGRPC,

		"ModifyRequestBody": nil, "ModifyResponseBody": nil, "SaveSession": nil, "TokenRelay": nil,
	}
}

// add reads one filter into the effect.
func (e *effect) add(p *part) error {
	if p.fault != "" {
		return fmt.Errorf("%s", p.fault)
	}
	all := filters()
	read, known := all[p.name]
	switch {
	case !known:
		return unknown("filter", p.name, all)
	case read == nil:
		return fmt.Errorf("filter %s is not supported%s", p.name, insteadOf(p.name))
	}
	if err := read(e, p); err != nil {
		return fmt.Errorf("filter %s: %w", p.name, err)
	}
	return nil
}

// remark says of a filter what somebody may not expect.
func (e *effect) remark(p *part, code model.Code, severity model.Severity, format string, args ...any) {
	e.notes = append(e.notes, fault{"", p.line, p.field, code, severity, fmt.Sprintf("filter "+p.name+": "+format, args...)})
}

// interleave puts filters in the order in which Spring runs them: each list is numbered from 1, defaults stand first, and a
// stable sort by number follows.
func interleave(defaults, own []part) []part {
	out := make([]part, 0, len(defaults)+len(own))
	for i := range max(len(defaults), len(own)) {
		if i < len(defaults) {
			out = append(out, defaults[i])
		}
		if i < len(own) {
			out = append(out, own[i])
		}
	}
	return out
}

// tries is how often the request is sent, and for how long at most.
func (e *effect) tries() model.Retry {
	out := e.retry
	for _, limit := range [...]time.Duration{e.limit, e.limitTry} { // the whole has more time for a body that comes slowly; a try has not
		if limit > 0 && (out.PerTry == 0 || limit < out.PerTry) {
			out.PerTry = limit
		}
	}
	return out
}

// emit adds a filter with its configuration as the kind decodes it.
func (e *effect) emit(kind string, config any) error {
	raw, err := json.Marshal(config)
	if err != nil {
		return err
	}
	e.filters = append(e.filters, model.FilterSpec{Kind: kind, Config: raw})
	return nil
}

// positions are the arguments of a factory by name; those in need must be there. others have a name and no position. Spring passes over
// arguments of other names, so they are warned of and the filter acts without them.
func (e *effect) positions(p *part, names []string, need int, others ...string) (map[string]string, error) {
	values, err := e.given(p, names, need)
	if err != nil {
		return nil, err
	}
	e.notes = append(e.notes, p.drop("filter", values, slices.Concat(names, others))...)
	return values, nil
}

// gathered is that of the part, of whose notes care is taken.
func (e *effect) gathered(p *part, list string, apart ...string) (values []string, named map[string]string, err error) {
	values, named, notes, err := p.gathered("filter", list, apart...)
	e.notes = append(e.notes, notes...)
	return values, named, err
}

// given is positions for factories that look at all names themselves.
func (e *effect) given(p *part, names []string, need int) (map[string]string, error) {
	values, extra, err := p.named(names...)
	if err != nil {
		return nil, err
	}
	for _, n := range names[:need] {
		if values[bootconfig.Relaxed(n)] == "" {
			return nil, fmt.Errorf("%s is missing", n)
		}
	}
	if extra {
		e.notes = append(e.notes, fault{"", p.line, p.field, model.CodeUnsupported, model.Warning,
			fmt.Sprintf("filter %s: more arguments than %s have no effect (a comma always divides arguments)", p.name, strings.Join(names, ", "))})
	}
	return values, nil
}

func (e *effect) stripPrefix(p *part) error {
	values, err := e.positions(p, []string{"parts"}, 0)
	if err != nil {
		return err
	}
	n := 1
	if text := values["parts"]; text != "" {
		if n, err = strconv.Atoi(text); err != nil || n < 0 || n > 1000 {
			return fmt.Errorf("parts %q is not a number of path segments", text)
		}
	}
	if n == 0 {
		return nil
	}
	return e.emit("strip-prefix", struct {
		Parts int `json:"parts"`
	}{n})
}

func (e *effect) rewritePath(p *part) error {
	// A replacement is full of what looks like a placeholder.
	values, err := p.unchecked("regexp", "replacement")
	if err != nil {
		return err
	}
	if _, given := values["replacement"]; !given || values["regexp"] == "" {
		return fmt.Errorf("wants regexp and replacement")
	}
	if len(p.words) > 2 {
		return fmt.Errorf("has %d arguments and wants two: a comma always divides arguments", len(p.words))
	}
	re, err := translateRegexp(values["regexp"])
	if err != nil {
		return fmt.Errorf("regexp %q: %w", values["regexp"], err)
	}
	replacement, err := re.replacement(strings.ReplaceAll(values["replacement"], `$\`, "$"))
	if err != nil {
		return fmt.Errorf("replacement %q: %w", values["replacement"], err)
	}
	return e.emit("rewrite-path", struct {
		Regexp      string `json:"regexp"`
		Replacement string `json:"replacement"`
	}{re.text, replacement})
}

func (e *effect) prefixPath(p *part) error {
	values, err := e.positions(p, []string{"prefix"}, 1)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(values["prefix"], "/") {
		return fmt.Errorf("prefix %q does not begin with /", values["prefix"])
	}
	if e.prefixed {
		e.remark(p, model.CodeIgnored, model.Info, "the path has a prefix already, and gets one only, as in Spring Cloud Gateway")
		return nil
	}
	e.prefixed = true
	e.expands(p, values["prefix"])
	return e.emit("prefix-path", struct {
		Prefix string `json:"prefix"`
	}{values["prefix"]})
}

func (e *effect) setPath(p *part) error {
	values, err := e.positions(p, []string{"template"}, 1)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(values["template"], "/") {
		return fmt.Errorf("template %q does not begin with /", values["template"])
	}
	e.expands(p, values["template"])
	return e.emit("set-path", struct {
		Template string `json:"template"`
	}{values["template"]})
}

type headerValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type headerCopy struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type headerConfig struct {
	Set     []headerValue `json:"set,omitempty"`
	Default []headerValue `json:"default,omitempty"`
	Add     []headerValue `json:"add,omitempty"`
	Copy    []headerCopy  `json:"copy,omitempty"`
	Remove  []string      `json:"remove,omitempty"`

	OverBlank bool `json:"overBlank,omitempty"`
}

// headerFilter reads the factories that do one thing to one header.
func headerFilter(kind, verb string) func(*effect, *part) error {
	return func(e *effect, p *part) error {
		names := []string{"name", "value"}
		if verb == "remove" {
			names = names[:1]
		}
		values, err := e.positions(p, names, len(names))
		if err != nil {
			return err
		}
		e.expands(p, values["value"])
		if verb == "remove" && framing(values["name"]) {
			e.remark(p, model.CodeIgnored, model.Info, "%s is managed by the gateway, and is not passed on as it comes", values["name"])
			return nil
		}
		return e.header(kind, verb, values["name"], values["value"])
	}
}

// framing tells whether a header is never passed on as it comes, so that to take it out is to do nothing. What asks for a WebSocket, or for leave to
// send a body, is passed on.
func framing(name string) bool {
	return http1.Managed(name) && !strings.EqualFold(name, "Upgrade") && !strings.EqualFold(name, "Expect")
}

// settable refuses names that are none, and those of headers that nobody sets but the gateway itself.
func settable(name string) error {
	switch {
	case strings.ContainsAny(name, "{}"):
		return fmt.Errorf("a variable in the name %q is not supported", name)
	case !http1.IsToken(name):
		return fmt.Errorf("%q is no name of a header", name)
	case http1.Managed(name):
		return errors.New(name + " is managed by the gateway: take the filter out" + map[bool]string{true: ", or write SetRequestHostHeader"}[strings.EqualFold(name, "Host")])
	}
	return nil
}

func (e *effect) header(kind, verb, name, value string) error {
	if err := settable(name); err != nil {
		return err
	}
	switch verb {
	case "add":
		return e.emit(kind, headerConfig{Add: []headerValue{{name, value}}})
	case "set":
		return e.emit(kind, headerConfig{Set: []headerValue{{name, value}}})
	default:
		return e.emit(kind, headerConfig{Remove: []string{name}})
	}
}

// tellPrefix has services told what was taken off the front of the path, in X-Forwarded-Prefix, as they need it for links of their own.
func (e *effect) tellPrefix(around *setting) error {
	off := func(name string) bool { return strings.EqualFold(around.gateway("x-forwarded", name).Text(), "false") }
	shortens := func(f model.FilterSpec) bool {
		return f.Kind == "strip-prefix" || f.Kind == "rewrite-path" || f.Kind == "set-path"
	}
	if off("enabled") || off("prefix-enabled") || !slices.ContainsFunc(e.filters, shortens) {
		return nil
	}
	return e.emit("tell-origin", struct {
		Prefix []string `json:"prefix"`
	}{[]string{"X-Forwarded-Prefix"}})
}

// addResponseHeader replaces the upstream's value unless override is false.
func (e *effect) addResponseHeader(p *part) error {
	values, err := e.positions(p, []string{"name", "value", "override"}, 2)
	if err != nil {
		return err
	}
	verb := "set"
	switch override := values["override"]; {
	case strings.EqualFold(override, "false"):
		verb = "add"
	case override != "" && !strings.EqualFold(override, "true"):
		return fmt.Errorf("override %q is neither true nor false", override)
	}
	e.expands(p, values["value"])
	return e.header("response-headers", verb, values["name"], values["value"])
}

func (e *effect) preserveHost(*part) error {
	e.host, e.hostName = model.HostKeep, ""
	return nil
}

func (e *effect) setHost(p *part) error {
	values, err := e.positions(p, []string{"host"}, 1)
	if err != nil {
		return err
	}
	if strings.ContainsAny(values["host"], "{} \t") {
		return fmt.Errorf("host %q is not supported: want a name without variables", values["host"])
	}
	e.host, e.hostName = model.HostLiteral, values["host"]
	return nil
}

// SupportedFilters are the names of the filters that have an effect, sorted.
func SupportedFilters() []string { return supported(filters()) }
