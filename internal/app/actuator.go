package app

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"paifang/internal/actuator"
	"paifang/internal/filter"
	"paifang/internal/filter/builtin"
	"paifang/internal/model"
	"paifang/internal/source/springgw"
)

// Actuator has routes added and taken away over HTTP.
type Actuator struct {
	TokenFile     string `json:"tokenFile,omitempty" doc:"file with the token that requests must bring, 16 bytes or more; read with each request, so that it can be changed"`
	TokenVariable string `json:"tokenVariable,omitempty" doc:"environment variable with the token, in place of tokenFile"`
}

// minToken is how long a token is at least, in bytes.
const minToken = 16

// token reads the token.
func (c *Actuator) token() (string, error) {
	text, where := os.Getenv(c.TokenVariable), "$"+c.TokenVariable
	if c.TokenFile != "" {
		b, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return "", fmt.Errorf("app: sources.spring.actuator.tokenFile: %w", err)
		}
		text, where = string(b), c.TokenFile
	}
	text = strings.TrimSpace(text)
	if len(text) < minToken {
		return "", fmt.Errorf("app: sources.spring.actuator: the token in %s has %d bytes: want %d or more that nobody can guess", where, len(text), minToken)
	}
	return text, nil
}

func (c *Config) actuatorFaults(f *faults) {
	a := c.Sources.Spring.Actuator
	if a == nil {
		return
	}
	const at = "sources.spring.actuator"
	if (a.TokenFile == "") == (a.TokenVariable == "") {
		f.say(at, "give tokenFile or tokenVariable: whoever has the token changes routes")
	}
	if c.Data == "" {
		f.say(at, "needs a directory for the routes: set data")
	}
	if c.Gateway == nil {
		f.say(at, "is for the routes of a gateway, and this process has none")
	}
}

// openActuator opens the routes that were added over HTTP, where that is switched on.
func (a *App) openActuator() error {
	c := a.cfg.Sources.Spring.Actuator
	if c == nil {
		return nil
	}
	if _, err := c.token(); err != nil {
		return err
	}
	a.posted = actuator.Open(filepath.Join(a.cfg.Data, "actuator"))
	return nil
}

// newActuator is what answers at /actuator/gateway; nil where that is not switched on.
func (a *App) newActuator() http.Handler {
	if a.posted == nil {
		return nil
	}
	return actuator.Handler(actuator.Config{
		Store: a.posted, Spring: springConfig(&a.cfg), Check: filter.Catalog(builtin.Kinds()).Check, Token: a.cfg.Sources.Spring.Actuator.token,
		Definitions: func() []springgw.Definition {
			var all []springgw.Definition
			for _, s := range a.springs {
				all = append(all, s.Definitions()...)
			}
			return all
		},
		Located: a.located,
	})
}

// located are the definitions of the routes that locators make. Those of a locator that stands in a document of ours have paths alone.
func (a *App) located() []springgw.Definition {
	var out []springgw.Definition
	kept := a.store.Load().Contents().Kept
	for _, o := range kept.Located.All() {
		if len(o.Routes) == 0 {
			continue
		}
		at := o.Routes[0].Origin
		i := slices.IndexFunc(a.springs, func(s *springgw.Source) bool { return s.Name() == at.Source })
		if i >= 0 {
			if d, ok := a.springs[i].Located(at.Name, a.metadataOf(kept.Locators, o.Routes[0].Origin)); ok {
				out = append(out, d)
				continue
			}
		}
		paths := springgw.Part{Name: "Path"}
		for i, r := range o.Routes {
			path := r.Match.Path.Value
			if r.Match.Path.Kind == model.PathPrefix {
				path = strings.TrimSuffix(path, "/") + "/**"
			}
			paths.Args = append(paths.Args, springgw.Argument{Name: fmt.Sprintf("_genkey_%d", i), Value: path})
		}
		out = append(out, springgw.Definition{ID: springgw.LocatedPrefix + at.Name, URI: "lb://" + at.Name, Predicates: []springgw.Part{paths}})
	}
	slices.SortFunc(out, func(x, y springgw.Definition) int { return strings.Compare(x.ID, y.ID) })
	return out
}

// metadataOf is the metadata of the instance that a route of a locator has its own from, or of the one that would be that.
func (a *App) metadataOf(locators []model.Locator, at model.Origin) model.Tags {
	i := slices.IndexFunc(locators, func(l model.Locator) bool { return l.Origin.Source == at.Source && l.Origin.At() == at.At() })
	if i < 0 {
		return nil
	}
	var all [][]model.Endpoint
	for _, id := range locators[i].Lists(at.Name) {
		list, _ := a.table.List(id)
		all = append(all, list.Endpoints)
	}
	return locators[i].Speaker(at.Name, all)
}

// springFiles is the source of routes in files, and of those that were posted; nil where there are neither.
func (a *App) springFiles() *springgw.Source {
	c := springConfig(&a.cfg)
	if c.List = a.posted != nil; c.List {
		c.Feeds = []springgw.Feed{{Name: a.posted.Path(), Follow: a.posted.Follow, Plain: true}}
	}
	if len(c.Paths)+len(c.Feeds) == 0 {
		return nil
	}
	return springgw.New(c)
}
