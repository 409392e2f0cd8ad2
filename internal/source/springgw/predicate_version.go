package springgw

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"paifang/internal/model"
)

// apiVersion is what an application says of the versions of its API.
type apiVersion struct {
	in        []model.VersionPlace // empty = it reads none
	required  bool
	otherwise string // default-version
}

const versionKey = "spring.webflux.apiversion."

// apiVersion reads the properties about versions. Requests are looked at in the order in which Spring has its resolvers.
func (s *setting) apiVersion() (v apiVersion, err error) {
	at := s.get("spring", "webflux", "apiversion")
	if at == nil {
		return v, nil
	}
	use := at.Get("use")
	if name := use.Get("header").Text(); name != "" {
		v.in = append(v.in, model.VersionPlace{Header: name})
	}
	if name := use.Get("query-parameter").Text(); name != "" {
		v.in = append(v.in, model.VersionPlace{Query: name})
	}
	if text := use.Get("path-segment").Text(); text != "" {
		base, baseErr := s.basePath()
		n, numberErr := strconv.ParseUint(text, 10, 8)
		if numberErr != nil {
			return v, fmt.Errorf("%suse.path-segment %q is no number of a segment: want 0 for the first", versionKey, text)
		}
		if baseErr != nil {
			return v, baseErr
		}
		v.in = append(v.in, model.VersionPlace{Segment: strings.Count(base, "/") + int(n) + 1}) // segments are the application's own
	}
	for _, k := range kids(use.Get("media-type-parameter")) {
		v.in = append(v.in, model.VersionPlace{MediaType: strings.Trim(k.Name, "[]"), Parameter: k.Text()})
	}
	for _, p := range v.in {
		if err := p.Validate(); err != nil {
			return v, fmt.Errorf("%suse: %w", versionKey, err)
		}
	}
	v.required, v.otherwise = at.Get("required").IsTrue(), at.Get("default-version").Text()
	if _, ok := model.ParseVersion(v.otherwise); v.otherwise != "" && !ok {
		return v, fmt.Errorf("%sdefault-version: %w", versionKey, noVersion(v.otherwise))
	}
	if v.required && v.otherwise != "" {
		return v, fmt.Errorf("%srequired is true beside a default-version, with which Spring does not start: take one of them out", versionKey)
	}
	return v, nil
}

func noVersion(text string) error {
	return fmt.Errorf("%q is no version: want one like 1, 1.2 or 1.2.3", text)
}

// version asks for a version of the API, or with a plus for it or a later one. What becomes of requests without one, and of those whose
// version cannot be read, is as the properties say (checkVersion).
func (c *condition) version(p *part) error {
	values, extra, err := c.named(p, []string{"version"})
	is := values["version"]
	if err != nil {
		return err
	}
	if is == "" || extra {
		return errors.New("wants one version")
	}
	of, err := p.around.apiVersion()
	if err != nil {
		return err
	}
	m := model.VersionMatch{In: of.in, Is: is, Default: of.otherwise}
	if _, _, ok := m.Wanted(); !ok {
		return noVersion(is)
	}
	if len(m.In) == 0 {
		return errors.New("the application reads no version of requests: set " + versionKey + "use.header, query-parameter, path-segment or media-type-parameter")
	}
	c.match.Versions = append(c.match.Versions, m)
	return nil
}

// checkVersion is the filter in front of those of every route, where the application reads versions of requests: what Spring answers 400
// is answered so.
func checkVersion(around *setting) ([]model.FilterSpec, error) {
	of, err := around.apiVersion()
	if err != nil || len(of.in) == 0 {
		return nil, err
	}
	var e effect
	err = e.emit("api-version", struct {
		In       []model.VersionPlace `json:"in"`
		Required bool                 `json:"required,omitempty"`
	}{of.in, of.required})
	return e.filters, err
}

// judgeVersions says once for the application what is wrong with the properties about versions.
func (c *gatewayConfig) judgeVersions() {
	if _, err := c.around.apiVersion(); err != nil {
		c.say(c.around.get("spring", "webflux", "apiversion"), strings.TrimSuffix(versionKey, "."), model.CodeInvalid, model.Error,
			err.Error()+"; every route of the application answers 503 until it is mended")
	}
}
