package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"paifang/internal/model"
)

// Config is what a Kind is configured with: a struct that decodes from JSON and states its own rules. Validate must be
// pure: it runs in compile.
type Config interface{ Validate() error }

// Sender is a Config of a kind that sends requests of its own to upstreams, which FilterSpec.Upstreams names. Of other kinds there
// are none.
type Sender interface {
	// ValidateUpstreams tells what is wrong with the configuration beside so many of them. It is pure.
	ValidateUpstreams(n int) error
}

// SecretUser is a Config of a kind that takes something out of the Secret which its filter names.
type SecretUser interface {
	// ValidateSecret tells what the Secret should hold and does not. It is pure. The data is empty where no Secret is named.
	ValidateSecret(d model.SecretData) error
}

// Doubter is a Config that may be one which is served and hardly does what was meant.
type Doubter interface {
	// Doubts says so, a sentence each. It is pure. before are the filters in front of it on its route, secret is what its Secret holds.
	Doubts(before []model.FilterSpec, secret model.SecretData) []string
}

// Templated is a Config with templates: texts in which {name} stands for a variable of the route.
type Templated interface{ Templates() []string }

// Setting is a Config of a kind that is no step: what it says are settings of its route, wherever it stands in the list. Make such a kind with
// DefineSetting.
type Setting interface {
	Config
	// Setting is what it says. It is pure.
	Setting() model.FilterSetting
}

// Rerouting is a Config of a kind that may have requests looked up again, as Exchange.Reroute does.
type Rerouting interface {
	// Reroute is the path that they are looked up with, and may be a template; "" where it is not known before there is a request.
	Reroute() string
}

// Kind is one type of filter. Make one with Define.
type Kind struct {
	name  string
	check func(spec model.FilterSpec) (model.Code, error)
	doubt func(spec model.FilterSpec, before []model.FilterSpec) []string
	texts func(spec model.FilterSpec) []string
	leads func(spec model.FilterSpec) string
	sets  func(spec model.FilterSpec) model.FilterSetting // nil: it is a step
	build func(raw json.RawMessage, env Env) (Filter, error)
}

// Define makes a kind from a typed configuration. Decoding is strict: a field that C does not have is an error. build
// runs when a plane binds a route; it touches no network and no disk, and does not fail for a configuration that
// Validate accepts, except where Env does.
func Define[C Config](name string, build func(cfg C, env Env) (Filter, error)) Kind {
	return Kind{
		name: name,
		check: func(spec model.FilterSpec) (model.Code, error) {
			cfg, err := decode[C](spec.Config)
			if err == nil {
				err = checkUpstreams(cfg, len(spec.Upstreams))
			}
			if err != nil {
				return model.CodeInvalidFilter, err
			}
			return checkSecret(cfg, &spec)
		},
		doubt: doubts[C],
		texts: texts[C],
		leads: leads[C],
		build: func(raw json.RawMessage, env Env) (Filter, error) {
			cfg, err := decode[C](raw)
			if err != nil {
				return nil, err
			}
			return build(cfg, env)
		},
	}
}

// DefineSetting makes a kind of which nothing is built: compile takes its filters out of the list, and what they say into the route.
func DefineSetting[C Setting](name string) Kind {
	k := Define(name, func(C, Env) (Filter, error) { return nil, errors.New("is a setting of its route, and no step") })
	k.sets = func(spec model.FilterSpec) model.FilterSetting {
		cfg, err := decode[C](spec.Config)
		if err != nil {
			return model.FilterSetting{}
		}
		return cfg.Setting()
	}
	return k
}

// Name is what FilterSpec.Kind says.
func (k Kind) Name() string { return k.name }

// Build makes the filter of one route.
func (k Kind) Build(raw json.RawMessage, env Env) (Filter, error) { return k.build(raw, env) }

// doubts are those of a configuration that Check has found nothing wrong with.
func doubts[C Config](spec model.FilterSpec, before []model.FilterSpec) []string {
	var cfg C
	if _, ok := any(cfg).(Doubter); !ok {
		return nil // most kinds have none, and are not decoded for it
	}
	cfg, err := decode[C](spec.Config)
	if d, ok := any(cfg).(Doubter); ok && err == nil {
		return d.Doubts(before, spec.Data)
	}
	return nil
}

// texts are those of a configuration in which variables may be named.
func texts[C Config](spec model.FilterSpec) []string {
	var cfg C
	if _, ok := any(cfg).(Templated); !ok {
		return nil
	}
	cfg, err := decode[C](spec.Config)
	if t, ok := any(cfg).(Templated); ok && err == nil {
		return t.Templates()
	}
	return nil
}

// leads is the path that requests may be looked up again with; "" where there is none, or it has variables.
func leads[C Config](spec model.FilterSpec) string {
	var cfg C
	if _, ok := any(cfg).(Rerouting); !ok {
		return ""
	}
	cfg, err := decode[C](spec.Config)
	r, ok := any(cfg).(Rerouting)
	if !ok || err != nil {
		return ""
	}
	if _, name := variable(r.Reroute()); name != "" {
		return ""
	}
	return r.Reroute()
}

func checkUpstreams(cfg Config, n int) error {
	if s, ok := cfg.(Sender); ok {
		return s.ValidateUpstreams(n)
	}
	if n > 0 {
		return errors.New("upstreams are given, and this kind sends nothing to any")
	}
	return nil
}

// checkSecret tells what is wrong with the Secret of a filter. That one is needed and not named is a mistake of the filter, which no
// Secret that comes later mends.
func checkSecret(cfg Config, spec *model.FilterSpec) (model.Code, error) {
	if spec.Secret != "" && spec.Data.Empty() {
		return model.CodeSecretMissing, fmt.Errorf("secret %s has not been read: it is missing, or empty", spec.Secret)
	}
	s, ok := cfg.(SecretUser)
	if !ok {
		return "", nil
	}
	switch err := s.ValidateSecret(spec.Data); {
	case err == nil:
		return "", nil
	case spec.Data.Empty():
		return model.CodeInvalidFilter, err
	case spec.Secret == "":
		return model.CodeSecretInvalid, fmt.Errorf("its data %w", err)
	default:
		return model.CodeSecretInvalid, fmt.Errorf("secret %s %w", spec.Secret, err)
	}
}

func decode[C Config](raw json.RawMessage) (cfg C, err error) {
	if len(bytes.TrimSpace(raw)) > 0 {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&cfg); err != nil {
			return cfg, errors.New(model.JSONError(err))
		}
		if _, err := d.Token(); err != io.EOF {
			return cfg, errors.New("has something after its end")
		}
	}
	return cfg, cfg.Validate()
}

// Catalog is the kinds that a process knows. It is small: it is searched only when routes change.
type Catalog []Kind

// Kind returns the kind with this name.
func (c Catalog) Kind(name string) (Kind, bool) {
	for _, k := range c {
		if k.name == name {
			return k, true
		}
	}
	return Kind{}, false
}

// Names are the kinds in their order, separated by commas.
func (c Catalog) Names() string {
	var names []string
	for _, k := range c {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}

// Check tells whether a filter's kind exists, its configuration decodes and its Secret was read and holds what is needed:
// model.CodeUnknownFilter, model.CodeInvalidFilter, model.CodeSecretMissing or model.CodeSecretInvalid if not.
func (c Catalog) Check(spec model.FilterSpec) (model.Code, error) {
	k, ok := c.Kind(spec.Kind)
	if !ok {
		return model.CodeUnknownFilter, fmt.Errorf("filter kind %q does not exist: want one of %s", spec.Kind, c.Names())
	}
	if code, err := k.check(spec); err != nil {
		return code, fmt.Errorf("filter %s: %w", spec.Kind, err)
	}
	return "", nil
}

// CheckRoute tells what is wrong with the filters of a route that has variables of these names, and warns of what hardly does what was
// meant; which paths requests may be looked up again with; and which settings of the route the filters say. It is what compile is given.
func (c Catalog) CheckRoute(filters []model.FilterSpec, variables []string) (out []model.FilterFault, paths []model.FilterPath, settings []model.FilterSetting) {
	say := func(at int, severity model.Severity, code model.Code, text string) {
		out = append(out, model.FilterFault{At: at, Severity: severity, Code: code, Message: "filter " + filters[at].Kind + ": " + text})
	}
	for i, spec := range filters {
		if code, err := c.Check(spec); err != nil {
			out = append(out, model.FilterFault{At: i, Severity: model.Error, Code: code, Message: err.Error()})
			continue
		}
		k, _ := c.Kind(spec.Kind)
		for _, d := range k.doubt(spec, filters[:i]) {
			say(i, model.Warning, model.CodeFilterDoubtful, d)
		}
		for _, text := range k.texts(spec) {
			if name := unknown(text, variables); name != "" {
				say(i, model.Error, model.CodeInvalidFilter, nameless(name, text, variables))
			}
		}
		if path := k.leads(spec); path != "" {
			paths = append(paths, model.FilterPath{At: i, Path: path})
		}
		if k.sets != nil {
			s := k.sets(spec)
			s.At = i
			settings = append(settings, s)
		}
	}
	return out, paths, settings
}
