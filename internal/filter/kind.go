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

// Kind is one type of filter. Make one with Define.
type Kind struct {
	name  string
	check func(raw json.RawMessage, upstreams int) error
	build func(raw json.RawMessage, env Env) (Filter, error)
}

// Define makes a kind from a typed configuration. Decoding is strict: a field that C does not have is an error. build
// runs when a plane binds a route; it touches no network and no disk, and does not fail for a configuration that
// Validate accepts, except where Env does.
func Define[C Config](name string, build func(cfg C, env Env) (Filter, error)) Kind {
	return Kind{
		name: name,
		check: func(raw json.RawMessage, upstreams int) error {
			cfg, err := decode[C](raw)
			if err != nil {
				return err
			}
			if s, ok := any(cfg).(Sender); ok {
				return s.ValidateUpstreams(upstreams)
			}
			if upstreams > 0 {
				return errors.New("upstreams are given, and this kind sends nothing to any")
			}
			return nil
		},
		build: func(raw json.RawMessage, env Env) (Filter, error) {
			cfg, err := decode[C](raw)
			if err != nil {
				return nil, err
			}
			return build(cfg, env)
		},
	}
}

// Name is what FilterSpec.Kind says.
func (k Kind) Name() string { return k.name }

// Check tells what is wrong with a configuration, beside so many upstreams. It is pure.
func (k Kind) Check(raw json.RawMessage, upstreams int) error { return k.check(raw, upstreams) }

// Build makes the filter of one route.
func (k Kind) Build(raw json.RawMessage, env Env) (Filter, error) { return k.build(raw, env) }

func decode[C Config](raw json.RawMessage) (cfg C, err error) {
	if len(bytes.TrimSpace(raw)) > 0 {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&cfg); err != nil {
			return cfg, errors.New(strings.TrimPrefix(err.Error(), "json: "))
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

// Check tells whether a filter's kind exists, its configuration decodes and its Secret was read: model.CodeUnknownFilter,
// model.CodeInvalidFilter or model.CodeSecretMissing if not. It is what compile is given.
func (c Catalog) Check(spec model.FilterSpec) (model.Code, error) {
	k, ok := c.Kind(spec.Kind)
	if !ok {
		return model.CodeUnknownFilter, fmt.Errorf("filter kind %q does not exist: want one of %s", spec.Kind, c.Names())
	}
	if err := k.check(spec.Config, len(spec.Upstreams)); err != nil {
		return model.CodeInvalidFilter, fmt.Errorf("filter %s: %w", spec.Kind, err)
	}
	if spec.Secret != "" && spec.Data.Empty() {
		return model.CodeSecretMissing, fmt.Errorf("filter %s: secret %s has not been read: it is missing, or empty", spec.Kind, spec.Secret)
	}
	return "", nil
}
