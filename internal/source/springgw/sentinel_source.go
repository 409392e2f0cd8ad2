package springgw

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
)

// RuleItem is a configuration in Nacos that has rules of Sentinel, where the configuration of the application says it is.
type RuleItem struct {
	Server             string // host:port; several with commas
	Namespace          string
	Group              string
	DataID             string
	Username, Password string
}

// sentinelRules is the property that says where rules are.
const sentinelRules = "spring.cloud.sentinel.datasource"

// maxRules bounds a file with rules, in bytes.
const maxRules = 4 << 20

// sentinelSource is one datasource with the list in it.
type sentinelSource struct {
	name  string
	at    *bootconfig.Property
	apis  bool // groups of APIs; false = rules
	items []json.RawMessage
}

// sentinel has the rules for gateways become limits of the routes that they are for, in front of all other filters. ask reads those that
// are in Nacos; nil = nobody does.
func (j *judge) sentinel(root *bootconfig.Property, objects *model.Objects, ask func(RuleItem) (string, error)) {
	var sources []sentinelSource
	for _, d := range below(root.Get("spring", "cloud", "sentinel", "datasource")) {
		for _, of := range d.Kids {
			s := sentinelSource{name: d.Name, at: of}
			if err := s.read(ask); err != nil {
				j.rule(of, d.Name, "", Unsupported, err.Error())
			}
			sources = append(sources, s)
		}
	}
	groups := map[string]*apiGroup{}
	for _, s := range sources {
		if s.apis {
			j.apiGroups(&s, groups)
		}
	}
	for _, s := range sources {
		if !s.apis {
			j.rules(&s, groups, objects)
		}
	}
}

func (j *judge) rule(at *bootconfig.Property, name, route string, v Judgement, why string) {
	j.findings = append(j.findings, Finding{Verdict: Verdict{"sentinel", name, v, why}, File: at.File, Line: at.Line, Route: route})
}

func (j *judge) apiGroups(s *sentinelSource, into map[string]*apiGroup) {
	for i, raw := range s.items {
		g, err := readAPIGroup(raw)
		switch {
		case err != nil:
			j.rule(s.at, s.name, "", Unsupported, fmt.Sprintf("group %d: %v", i+1, err))
			continue
		case g.err != nil:
			j.rule(s.at, g.name, "", Unsupported, g.err.Error())
		case g.note != "":
			j.rule(s.at, g.name, "", Differs, g.note)
		default:
			j.rule(s.at, g.name, "", Supported, "")
		}
		into[g.name] = g
	}
}

func (j *judge) rules(s *sentinelSource, groups map[string]*apiGroup, objects *model.Objects) {
	for i, raw := range s.items {
		r := &sentinelRule{Grade: 1, IntervalSec: 1}
		if err := json.Unmarshal(raw, r); err != nil {
			j.rule(s.at, s.name, "", Unsupported, fmt.Sprintf("rule %d: %v", i+1, err))
			continue
		}
		spec, note, err := r.filter(groups)
		route := r.Resource
		switch {
		case err != nil:
		case r.ResourceMode == 1:
			route = ""
			if !limitAll(objects, spec) {
				err = errors.New("there is no route that is served")
			}
		case !limitRoutes(objects.Routes, route, spec):
			err = fmt.Errorf("there is no route with the ID %q that is served", route)
		}
		switch {
		case err != nil:
			j.rule(s.at, r.Resource, "", Unsupported, err.Error())
		case note != "":
			j.rule(s.at, r.Resource, route, Differs, note)
		default:
			j.rule(s.at, r.Resource, route, Supported, "")
		}
	}
}

func limitRoutes(routes []model.Route, id string, spec model.FilterSpec) bool {
	found := false
	for i := range routes {
		r := &routes[i]
		if refused, is := r.Action.(model.Respond); r.Origin.Kind != "route" || id != "" && r.Origin.Name != id || is && refused.Code != "" {
			continue
		}
		r.Filters = append([]model.FilterSpec{spec}, r.Filters...)
		found = true
	}
	return found
}

// limitAll limits all routes, those of services included: a group of APIs has its paths on whichever they are.
func limitAll(objects *model.Objects, spec model.FilterSpec) bool {
	found := limitRoutes(objects.Routes, "", spec)
	for i := range objects.Locators {
		l := &objects.Locators[i]
		l.Filters = append([]model.FilterSpec{spec}, l.Filters...)
		found = true
	}
	return found
}

// read reads what a datasource has.
func (s *sentinelSource) read(ask func(RuleItem) (string, error)) error {
	of := s.at
	rules := of.Get("rule-type").Text()
	if s.apis = bootconfig.Same(rules, "gw-api-group"); !s.apis && !bootconfig.Same(rules, "gw-flow") {
		return fmt.Errorf("rules of type %q are not imported: write them as filters of routes, docs/filters.md", rules)
	}
	if kind := of.Get("data-type").Text(); kind != "" && kind != "json" {
		return fmt.Errorf("rules in %s are not read: want JSON", kind)
	}
	var where string
	var text []byte
	var err error
	switch of.Name {
	case "file":
		where, text, err = readRules(of)
	case "nacos":
		where, text, err = askRules(of, ask)
	default:
		return errors.New("only rules in a file or in Nacos are read: save those in " + of.Name + " to a file, and name it by file.file")
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &s.items); err != nil {
		return fmt.Errorf("%s is no JSON list of rules: %w", where, err)
	}
	return nil
}

// readRules reads the file of a datasource: one on the class path, or one that is named relatively, lies beside the configuration.
func readRules(of *bootconfig.Property) (path string, text []byte, err error) {
	path = strings.TrimPrefix(strings.TrimSpace(strings.TrimPrefix(of.Get("file").Text(), "classpath:")), "file:")
	if err := checkLiteral(path); err != nil {
		return "", nil, err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(of.File), path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", nil, fmt.Errorf("the rules cannot be read: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxRules {
		return "", nil, fmt.Errorf("%s is no file with rules", path)
	}
	if text, err = os.ReadFile(path); err != nil {
		return "", nil, fmt.Errorf("the rules cannot be read: %w", err)
	}
	return path, text, nil
}

// askRules reads the configuration of a datasource in Nacos.
func askRules(of *bootconfig.Property, ask func(RuleItem) (string, error)) (where string, text []byte, err error) {
	get := func(name, otherwise string) string {
		v := cmp.Or(of.Get(name).Text(), otherwise)
		if e := checkLiteral(v); e != nil && err == nil {
			err = fmt.Errorf("%s %w", name, e)
		}
		return v
	}
	item := RuleItem{Server: get("server-addr", "localhost:8848"), Namespace: get("namespace", ""), Group: get("group-id", "DEFAULT_GROUP"), DataID: get("data-id", ""), Username: get("username", ""), Password: get("password", "")}
	where = fmt.Sprintf("%s of group %s at %s", item.DataID, item.Group, item.Server)
	switch {
	case err != nil:
		return "", nil, err
	case item.DataID == "":
		return "", nil, errors.New("data-id is missing")
	case of.Get("endpoint") != nil || of.Get("access-key") != nil:
		return "", nil, errors.New("a server that is named by endpoint, or wants an access-key, is not asked: save the rules to a file, and name it by file.file")
	case ask == nil:
		return "", nil, fmt.Errorf("%s was not asked for: give --nacos, or save the rules to a file and name it by file.file", where)
	}
	content, err := ask(item)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", where, err)
	}
	return where, []byte(content), nil
}
