package springgw

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"paifang/internal/model"
)

// versionDiffers is how the predicate differs from Spring's, where a version that is none, or that is missing and required, has any
// route answer 400.
const versionDiffers = "the version is in one header or one query parameter, of which any value counts; a request whose version is none, or is missing and required, is not answered 400: " +
	"routes with Version do not serve it"

// version asks for a version of the API, or with a plus for it or a later one. A request without one has the default version, and where
// there is none it does, as it does in 5.0.3.
func (c *condition) version(p *part) error {
	values, extra, err := p.named("version")
	text := values["version"]
	switch {
	case err != nil:
		return err
	case text == "" || extra:
		return errors.New("wants one version")
	}
	fixed, orLater := strings.CutSuffix(text, "+")
	want, err := readVersion(fixed)
	if err != nil {
		return err
	}
	into, m, err := c.versionPlace(p.around)
	if err != nil {
		return err
	}
	m.Regex, m.Value = true, want.expression(orLater)
	if otherwise := p.around.get("spring", "webflux", "apiversion", "default-version").Text(); otherwise != "" {
		v, err := readVersion(otherwise)
		if err != nil {
			return fmt.Errorf("spring.webflux.apiversion.default-version: %w", err)
		}
		order := slices.Compare(v[:], want[:])
		m.OrAbsent = order == 0 || orLater && order > 0
	} else {
		m.OrAbsent = !p.around.get("spring", "webflux", "apiversion", "required").IsTrue()
	}
	*into = append(*into, m)
	return nil
}

// versionPlace returns where the application reads versions of requests, and the conditions on it.
func (c *condition) versionPlace(around *setting) (*[]model.FieldMatch, model.FieldMatch, error) {
	use := func(name string) string { return around.get("spring", "webflux", "apiversion", "use", name).Text() }
	header, parameter := use("header"), use("query-parameter")
	for _, other := range []string{"path-segment", "media-type-parameter"} {
		if around.get("spring", "webflux", "apiversion", "use", other) != nil {
			return nil, model.FieldMatch{}, fmt.Errorf("spring.webflux.apiversion.use.%s is not supported: use a header or a query parameter", other)
		}
	}
	switch {
	case header != "" && parameter != "":
		return nil, model.FieldMatch{}, errors.New("spring.webflux.apiversion.use has a header and a query parameter: only one of them is supported")
	case header != "":
		return &c.match.Headers, model.FieldMatch{Name: header}, nil
	case parameter != "":
		return &c.match.Query, model.FieldMatch{Name: parameter}, nil
	default:
		return nil, model.FieldMatch{}, errors.New("the application reads no version of requests: set spring.webflux.apiversion.use.header or query-parameter")
	}
}

// version is a major, minor and patch number. Those that are not written are 0.
type version [3]int64

// readVersion reads what Spring's semantic parser does: "1", "1.2" or "1.2.3", behind anything that is no digit.
func readVersion(text string) (version, error) {
	var out version
	found := regexp.MustCompile(`^\P{Nd}*([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?$`).FindStringSubmatch(text)
	if found == nil {
		return out, fmt.Errorf("%q is no version: want one like 1, 1.2 or 1.2.3", text)
	}
	for i, number := range found[1:] {
		if number == "" {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil {
			return out, fmt.Errorf("%q is no version: %s is more than 32 bits hold", text, number)
		}
		out[i] = n
	}
	return out, nil
}

// expression matches the version in every form, or with orLater that and all later ones.
func (v version) expression(orLater bool) string {
	out := ""
	for i := len(v) - 1; i >= 0; i-- {
		this := "0*" + strconv.FormatInt(v[i], 10) + out
		switch last := i == len(v)-1; {
		case orLater && last:
			this = atLeast(v[i])
		case orLater:
			this = fmt.Sprintf(`(?:%s|%s(?:\.[0-9]+){0,%d})`, this, atLeast(v[i]+1), len(v)-1-i)
		}
		if i == 0 {
			return `\P{Nd}*` + this
		}
		out = `\.` + this
		if !slices.ContainsFunc(v[i:], func(n int64) bool { return n > 0 }) {
			out = "(?:" + out + ")?" // what is not written is 0
		}
	}
	return out
}

// atLeast matches whole numbers of up to ten digits, without zeros in front, from n on.
func atLeast(n int64) string {
	digits := strconv.FormatInt(n, 10)
	either := []string{digits}
	for i, d := range digits { // the same up to here, and then more
		if d < '9' {
			either = append(either, fmt.Sprintf("%s[%c-9][0-9]{%d}", digits[:i], d+1, len(digits)-1-i))
		}
	}
	if len(digits) < 10 {
		either = append(either, fmt.Sprintf("[1-9][0-9]{%d,9}", len(digits)))
	}
	return "0*(?:" + strings.Join(either, "|") + ")"
}
