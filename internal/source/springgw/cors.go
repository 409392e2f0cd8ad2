package springgw

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
)

// corsConfig is the filter "cors" as a CorsConfiguration of Spring means it.
type corsConfig struct {
	Origins     []string `json:"origins,omitempty"`
	Patterns    []string `json:"patterns,omitempty"`
	Methods     []string `json:"methods"`
	Headers     []string `json:"headers,omitempty"`
	Expose      []string `json:"expose,omitempty"`
	Credentials bool     `json:"credentials,omitempty"`
	Private     bool     `json:"privateNetwork,omitempty"`
	MaxAge      int      `json:"maxAge,omitempty"`
	Refuse      bool     `json:"refuse"`
}

// corsRule is what holds for the paths of a pattern.
type corsRule struct {
	pattern string
	at      *bootconfig.Property
	spec    model.FilterSpec
	err     error // why it cannot be served
}

// readCORS reads a CorsConfiguration. What it does not name is not allowed, but for GET and HEAD.
func readCORS(p *bootconfig.Property) (model.FilterSpec, error) {
	c := corsConfig{Methods: []string{"GET", "HEAD"}, Headers: []string{"Accept"}, Refuse: true} // a field that needs no permission
	for _, k := range p.Kids {
		all := k.Words()
		for i, w := range all {
			if err := checkLiteral(w); err != nil {
				return model.FilterSpec{}, err
			}
			all[i] = strings.TrimSuffix(w, "/")
		}
		any := slices.Contains(all, "*")
		switch bootconfig.Relaxed(k.Name) {
		case "allowedorigins":
			c.Origins = all
			if any {
				c.Origins = []string{"*"}
			}
		case "allowedoriginpatterns":
			c.Patterns = rejoined(all)
		case "allowedmethods":
			c.Methods = all
			if any {
				c.Methods = []string{"*"}
			}
		case "allowedheaders":
			c.Headers = all
			if any {
				c.Headers = nil // those that were asked for
			}
		case "exposedheaders":
			c.Expose = all
		case "allowcredentials":
			c.Credentials = k.IsTrue()
		case "maxage":
			n, err := strconv.Atoi(k.Text())
			if err != nil || n < 0 {
				return model.FilterSpec{}, fmt.Errorf("%s %q is no number of seconds", k.Name, k.Text())
			}
			c.MaxAge = n
		case "allowprivatenetwork":
			c.Private = k.IsTrue()
		default:
			return model.FilterSpec{}, fmt.Errorf("%s is not supported", k.Name)
		}
	}
	switch {
	case len(c.Origins)+len(c.Patterns) == 0:
		return model.FilterSpec{}, errors.New("names no origin that is allowed: give allowedOrigins or allowedOriginPatterns")
	case c.Credentials && slices.Equal(c.Origins, []string{"*"}):
		return model.FilterSpec{}, errors.New("allows credentials to every origin by allowedOrigins, which browsers refuse, and Spring too: name the origins, or use allowedOriginPatterns")
	}
	if c.Private && slices.Equal(c.Origins, []string{"*"}) {
		return model.FilterSpec{}, errors.New("allows private networks to every origin by allowedOrigins, to which Spring answers 500: name the origins, or use allowedOriginPatterns")
	}
	raw, err := json.Marshal(c)
	return model.FilterSpec{Kind: "cors", Config: raw}, err
}

// readGlobal reads globalcors: a configuration for each pattern of paths.
func (c *gatewayConfig) readGlobal(p *bootconfig.Property) {
	for _, k := range kids(p.Get("cors-configurations")) {
		rule := corsRule{pattern: k.Name, at: k}
		// Spring Boot drops the slash of a key that is not in brackets. A pattern is for paths below the base path.
		if rule.pattern, rule.err = c.around.based(rule.pattern); rule.err == nil {
			rule.spec, rule.err = readCORS(k)
		}
		if rule.err == nil {
			rule.err = checkPattern(rule.pattern)
		}
		if rule.err != nil {
			c.say(k, "globalcors.cors-configurations."+k.Name, model.CodeUnsupported, model.Error, rule.err.Error()+"; routes for its paths answer 503")
		}
		c.cors = append(c.cors, rule)
	}
	c.preflights = c.preflights || p.Get("add-to-simple-url-handler-mapping").IsTrue()
}

// rejoined puts together what a comma in a list of ports has divided.
func rejoined(words []string) []string {
	var out []string
	open := false
	for _, w := range words {
		if open {
			out[len(out)-1] += "," + w
		} else {
			out = append(out, w)
		}
		open = strings.Contains(out[len(out)-1], "[") && !strings.HasSuffix(w, "]")
	}
	return out
}

func kids(p *bootconfig.Property) []*bootconfig.Property {
	if p == nil {
		return nil
	}
	return p.Kids
}

func checkPattern(pattern string) error {
	if i := strings.Index(pattern, "**"); i >= 0 && (i != len(pattern)-2 || pattern[i-1] != '/') {
		return fmt.Errorf("pattern %q: ** may only stand at the end, as a segment", pattern)
	}
	return nil
}

// corsOf is the filter for a route at one of its paths: the route's own, or that of the first pattern which has the path. One that
// has a part of it only is not applied: which part is not known before the request.
func (t *translator) corsOf(own *corsRule, path model.PathMatch, say func(fault)) (*model.FilterSpec, error) {
	if own != nil {
		return &own.spec, own.err
	}
	for i := range t.cors {
		r := &t.cors[i]
		whole, some := relation(r.pattern, path)
		switch {
		case whole && r.err != nil:
			return nil, fmt.Errorf("globalcors for %s cannot be served", r.pattern)
		case whole:
			return &r.spec, nil
		case some:
			say(fault{r.at.File, r.at.Line, "globalcors", model.CodeUnsupported, model.Warning,
				fmt.Sprintf("globalcors for %s has no effect on this route, of whose path %s it has only a part: give the route metadata.cors, or divide it", r.pattern, path.Value)})
		}
	}
	return nil, nil //nolint:nilnil // nothing is said of it
}

// relation tells whether a pattern has every path of a match, and whether it has some.
func relation(pattern string, path model.PathMatch) (whole, some bool) {
	if pattern == "/**" {
		return true, true
	}
	if path.Kind == model.PathPrefix {
		path = model.PathMatch{Kind: model.PathPattern, Value: strings.TrimSuffix(path.Value, "/") + "/**"}
	}
	if path.Kind != model.PathPattern {
		return false, true // any path
	}
	want := strings.Split(strings.Trim(pattern, "/"), "/")
	have := strings.Split(strings.Trim(path.Value, "/"), "/")
	whole = true
	for i, w := range want {
		if w == "**" {
			return whole, true
		}
		if i == len(have) {
			return false, false
		}
		h := have[i]
		open := strings.ContainsAny(h, "{*?")
		switch {
		case h == "**" || strings.HasPrefix(h, "{*"):
			return false, true
		case strings.ContainsAny(w, "{*?"):
			whole = whole && (w == "*" || strings.HasPrefix(w, "{") && strings.HasSuffix(w, "}") && !strings.ContainsAny(w[1:len(w)-1], "{:"))
		case open:
			whole = false
		case h != w:
			return false, false
		}
	}
	if len(have) > len(want) {
		return false, len(have) == len(want)+1 && (have[len(want)] == "**" || strings.HasPrefix(have[len(want)], "{*"))
	}
	return whole, true
}

// preflight answers the preflights that no route matches, where the configuration says so.
func (t *translator) preflight(rules []corsRule) {
	for i := range rules {
		r := &rules[i]
		if r.err != nil {
			continue
		}
		path := model.PathMatch{Kind: model.PathPattern, Value: r.pattern}
		if r.pattern == "/**" {
			path = model.PathMatch{Kind: model.PathPrefix, Value: "/"}
		}
		origin := model.Origin{Source: t.c.Name, Kind: "cors", Name: "globalcors" + r.pattern, File: r.at.File, Line: r.at.Line}
		g := t.group("globalcors/" + r.at.File + "#" + r.pattern)
		g.Routes = []model.Route{{
			ID: model.RouteID(t.c.Name + "/globalcors" + r.pattern), Origin: origin, Attach: []model.Class{t.c.Class}, Priority: t.c.Priority, Default: true,
			Rank: model.Rank{Position: afterAll + 1 + i},
			Match: model.Match{Path: path, Methods: []string{"OPTIONS"},
				Headers: []model.FieldMatch{{Name: "Origin", Present: true}, {Name: "Access-Control-Request-Method", Present: true}}},
			Filters: []model.FilterSpec{r.spec},
			Action:  model.Respond{Status: 403},
		}}
	}
}
