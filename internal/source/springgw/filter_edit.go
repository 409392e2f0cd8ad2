package springgw

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"paifang/internal/http1"
	"paifang/internal/model"
)

// defaultHeaders reads "name:value" pairs, of which each is added where the client sent none of the name.
func (e *effect) defaultHeaders(p *part) error {
	values, _, err := e.gathered(p, "keyValues")
	if err != nil {
		return err
	}
	c := headerConfig{OverBlank: true}
	for _, v := range values {
		name, value, ok := strings.Cut(v, ":")
		if !ok || name == "" {
			return fmt.Errorf("%q is not of the form name:value", v)
		}
		if err := settable(strings.TrimSpace(name)); err != nil {
			return err
		}
		e.expands(p, value)
		c.Default = append(c.Default, headerValue{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	if len(c.Default) == 0 {
		return errors.New("names no header")
	}
	return e.emit("request-headers", c)
}

func (e *effect) mapHeader(p *part) error {
	values, err := e.positions(p, []string{"fromHeader", "toHeader"}, 2)
	if err != nil {
		return err
	}
	if err := settable(values["toheader"]); err != nil {
		return err
	}
	return e.emit("request-headers", headerConfig{Copy: []headerCopy{{values["fromheader"], values["toheader"]}}})
}

type queryConfig struct {
	Add     []headerValue `json:"add,omitempty"`
	Rewrite []headerValue `json:"rewrite,omitempty"`
	Remove  []string      `json:"remove,omitempty"`
}

// queryFilter reads the factories that do one thing to one query parameter.
func queryFilter(verb string) func(*effect, *part) error {
	return func(e *effect, p *part) error {
		names := map[string][]string{"add": {"name", "value"}, "rewrite": {"name", "replacement"}, "remove": {"name"}}[verb]
		values, err := e.positions(p, names, len(names))
		if err != nil {
			return err
		}
		c := queryConfig{}
		switch verb {
		case "add":
			e.expands(p, values["value"])
			c.Add = []headerValue{{values["name"], values["value"]}}
		case "rewrite":
			c.Rewrite = []headerValue{{values["name"], values["replacement"]}}
		default:
			c.Remove = []string{values["name"]}
		}
		return e.emit("request-query", c)
	}
}

func (e *effect) dedupe(p *part) error {
	values, err := e.positions(p, []string{"name", "strategy"}, 1)
	if err != nil {
		return err
	}
	keep, ok := map[string]string{"": "first", "RETAIN_FIRST": "first", "RETAIN_LAST": "last", "RETAIN_UNIQUE": "unique"}[strings.ToUpper(values["strategy"])]
	if !ok {
		return fmt.Errorf("strategy %q is none of RETAIN_FIRST, RETAIN_LAST, RETAIN_UNIQUE", values["strategy"])
	}
	var names []string
	for _, name := range strings.Fields(values["name"]) {
		if http1.Managed(name) { // there is one, or none
			e.remark(p, model.CodeIgnored, model.Info, "%s is managed by the gateway, and is there once", name)
		} else {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return e.emit("dedupe-response-headers", struct {
		Names []string `json:"names"`
		Keep  string   `json:"keep"`
	}{names, keep})
}

func (e *effect) rewriteHeader(p *part) error {
	values, err := p.unchecked("name", "regexp", "replacement")
	switch _, given := values["replacement"]; {
	case err != nil:
		return err
	case values["name"] == "" || values["regexp"] == "" || !given:
		return errors.New("wants name, regexp and replacement")
	case len(p.words) > 3:
		return fmt.Errorf("has %d arguments and wants three: a comma always divides arguments", len(p.words))
	}
	if err := settable(values["name"]); err != nil {
		return err
	}
	re, err := compileFor(ofPart, values["regexp"])
	if err != nil {
		return fmt.Errorf("regexp %q: %w", values["regexp"], err)
	}
	replacement, err := (&expression{values["regexp"], re.SubexpNames()}).replacement(strings.ReplaceAll(values["replacement"], `$\`, "$"))
	if err != nil {
		return fmt.Errorf("replacement %q: %w", values["replacement"], err)
	}
	return e.emit("rewrite-response-header", struct {
		Name        string `json:"name"`
		Regexp      string `json:"regexp"`
		Replacement string `json:"replacement"`
	}{values["name"], re.String(), replacement})
}

// removeJSON reads names of attributes, and a last flag that says whether those of inner objects go too.
func (e *effect) removeJSON(p *part) error {
	values, named, err := e.gathered(p, "fieldList", "deleteRecursively")
	if err != nil {
		return err
	}
	flag := named["deleterecursively"]
	if n := len(values); n > 1 && isFlag(values[n-1]) {
		values, flag = values[:n-1], values[n-1]
	}
	if len(values) == 0 {
		return errors.New("names no attribute")
	}
	return e.emit("remove-json-attributes", struct {
		Attributes []string `json:"attributes"`
		Deep       bool     `json:"deep,omitempty"`
	}{values, strings.EqualFold(flag, "true")})
}

func (e *effect) rewriteLocation(p *part) error {
	values, err := e.positions(p, []string{"stripVersion", "locationHeaderName", "hostValue", "protocols"}, 0)
	if err != nil {
		return err
	}
	version, ok := map[string]string{"": "", "AS_IN_REQUEST": "as-in-request", "ALWAYS_STRIP": "always", "NEVER_STRIP": "never"}[strings.ToUpper(values["stripversion"])]
	if !ok {
		return fmt.Errorf("stripVersion %q is none of AS_IN_REQUEST, ALWAYS_STRIP, NEVER_STRIP", values["stripversion"])
	}
	var schemes []string
	if text := values["protocols"]; text != "" {
		for one := range strings.SplitSeq(text, "|") {
			switch plain, optional := strings.CutSuffix(one, "s?"); {
			case optional && plain != "":
				schemes = append(schemes, plain, plain+"s")
			case isWord(one):
				schemes = append(schemes, one)
			default:
				return fmt.Errorf("protocols %q is not a list of names divided by |", text)
			}
		}
	}
	return e.emit("rewrite-location", struct {
		Header  string   `json:"header,omitempty"`
		Host    string   `json:"host,omitempty"`
		Version string   `json:"version,omitempty"`
		Schemes []string `json:"schemes,omitempty"`
	}{values["locationheadername"], values["hostvalue"], version, schemes})
}

func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 || !isWordByte(byte(r)) })
}

func (e *effect) setStatus(p *part) error {
	values, err := e.positions(p, []string{"status"}, 1)
	if err != nil {
		return err
	}
	n, err := statusOf(values["status"])
	if err != nil {
		return err
	}
	if n < 200 || n > 599 {
		return fmt.Errorf("status %d is not supported: want 200 to 599", n)
	}
	return e.emit("status", struct {
		Status   int    `json:"status"`
		Original string `json:"original,omitempty"`
	}{n, p.around.gateway("set-status", "original-status-header-name").Text()})
}

// statusOf reads a number, or a name as UNAUTHORIZED.
func statusOf(text string) (int, error) {
	if n, err := strconv.Atoi(text); err == nil {
		return n, nil
	}
	switch text {
	case "I_AM_A_TEAPOT":
		return 418, nil
	case "PAYLOAD_TOO_LARGE", "CONTENT_TOO_LARGE":
		return 413, nil
	case "UNPROCESSABLE_CONTENT":
		return 422, nil
	}
	for n := 100; n < 600; n++ {
		name := strings.NewReplacer(" ", "_", "-", "_", "'", "").Replace(strings.ToUpper(http.StatusText(n)))
		if name != "" && name == text {
			return n, nil
		}
	}
	return 0, fmt.Errorf("status %q is neither a number nor the name of one", text)
}
