package springgw

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
)

// sentinelRule is a rule for a gateway (gw-flow) as Sentinel's datasources have it, with Sentinel's own defaults.
type sentinelRule struct {
	Resource        string  `json:"resource"`
	ResourceMode    int     `json:"resourceMode"`    // 0 = a route by its ID, 1 = a group of APIs
	Grade           int     `json:"grade"`           // 0 = requests at a time, 1 = in a time
	Count           float64 `json:"count"`           // of requests
	IntervalSec     int     `json:"intervalSec"`     // that count is for
	ControlBehavior int     `json:"controlBehavior"` // 0 = refuse, 2 = have requests queue
	Burst           int     `json:"burst"`
	ParamItem       *struct {
		ParseStrategy int    `json:"parseStrategy"` // 0 = address, 1 = host, 2 = header, 3 = parameter of the query, 4 = cookie
		FieldName     string `json:"fieldName"`
		Pattern       string `json:"pattern"`
	} `json:"paramItem"`
}

// rateConfig and concurrencyConfig are the filters' own configuration, as their kinds decode it.
type rateConfig struct {
	Requests int      `json:"requests"`
	Per      string   `json:"per"`
	Burst    int      `json:"burst,omitempty"`
	Key      limitKey `json:"key"`
	Scope    string   `json:"scope"`
}

type concurrencyConfig struct {
	Requests int      `json:"requests"`
	Key      limitKey `json:"key"`
	Scope    string   `json:"scope"`
}

// maxRules bounds a file with rules, in bytes.
const maxRules = 4 << 20

// filter is the limit that a rule is. A window of Sentinel may be used up at once, which is a burst here.
func (r *sentinelRule) filter() (spec model.FilterSpec, note string, err error) {
	switch {
	case r.ResourceMode != 0:
		return spec, "", errors.New("it is for a group of APIs: write the limit as a filter of the routes that have its paths")
	case r.ControlBehavior != 0:
		return spec, "", errors.New("requests do not queue here: they are refused, which controlBehavior 0 says")
	case r.Count < 1 || r.Count > 1<<30 || r.Count != float64(int(r.Count)):
		return spec, "", fmt.Errorf("count is %v: want a whole number, 1 or more", r.Count)
	case r.Burst < 0 || r.Burst > 1<<30 || r.IntervalSec < 1 || r.IntervalSec > 86400:
		return spec, "", errors.New("burst or intervalSec is none")
	}
	key, note, err := r.key()
	if err != nil {
		return spec, "", err
	}
	var config any
	switch {
	case r.Grade == 0 && r.ParamItem == nil:
		spec.Kind, config = "concurrency-limit", concurrencyConfig{int(r.Count), key, "object"}
	case r.Grade == 1:
		spec.Kind, config = "rate-limit", rateConfig{int(r.Count), fmt.Sprintf("%ds", r.IntervalSec), int(r.Count) - 1 + r.Burst, key, "object"}
	default:
		return spec, "", fmt.Errorf("grade %d is no limit that a gateway of Sentinel keeps", r.Grade)
	}
	spec.Config, err = json.Marshal(config)
	return spec, note, err
}

func (r *sentinelRule) key() (limitKey, string, error) {
	p := r.ParamItem
	switch {
	case p == nil:
		return limitKey{By: "all"}, "", nil
	case p.Pattern != "":
		return limitKey{}, "", errors.New("a pattern of values is not supported: write the limit as a filter of a route that matches them")
	case p.ParseStrategy == 0:
		return limitKey{By: "address"}, "", nil
	case p.ParseStrategy == 1:
		return limitKey{By: "text", Text: "{host}"}, "", nil
	case p.ParseStrategy == 2 && p.FieldName != "":
		return limitKey{By: "header", Header: p.FieldName}, "requests without the header are counted by their address", nil
	case p.ParseStrategy == 3 && p.FieldName != "":
		return limitKey{By: "text", Text: "{query." + p.FieldName + "}"}, "requests without the parameter are counted by their address", nil
	case p.ParseStrategy == 4 && p.FieldName != "":
		return limitKey{By: "text", Text: "{cookie." + p.FieldName + "}"}, "requests without the cookie are counted by their address", nil
	}
	return limitKey{}, "", fmt.Errorf("requests are not told apart by parseStrategy %d", p.ParseStrategy)
}

// sentinel has the rules for gateways in files become limits of the routes that they name, in front of all other filters.
func (j *judge) sentinel(root *bootconfig.Property, routes []model.Route) {
	for _, d := range below(root.Get("spring", "cloud", "sentinel", "datasource")) {
		for _, of := range d.Kids {
			say := func(name, route string, v Judgement, why string) {
				j.findings = append(j.findings, Finding{Verdict: Verdict{"sentinel", name, v, why}, File: of.File, Line: of.Line, Route: route})
			}
			rules := of.Get("rule-type").Text()
			switch {
			case !bootconfig.Same(rules, "gw-flow"):
				say(d.Name, "", Unsupported, fmt.Sprintf("rules of type %q are not imported: write them as filters of routes, docs/filters.md", rules))
				continue
			case of.Name != "file":
				say(d.Name, "", Unsupported, "only rules in a file are read: save those in "+of.Name+" to one, and name it by file.file")
				continue
			}
			all, err := readRules(of)
			if err != nil {
				say(d.Name, "", Unsupported, err.Error())
			}
			for i := range all {
				r := &all[i]
				spec, note, err := r.filter()
				if err == nil && !limitRoutes(routes, r.Resource, spec) {
					err = fmt.Errorf("there is no route with the ID %q that is served", r.Resource)
				}
				switch {
				case err != nil:
					say(r.Resource, "", Unsupported, err.Error())
				case note != "":
					say(r.Resource, r.Resource, Differs, note)
				default:
					say(r.Resource, r.Resource, Supported, "")
				}
			}
		}
	}
}

func limitRoutes(routes []model.Route, id string, spec model.FilterSpec) bool {
	found := false
	for i := range routes {
		r := &routes[i]
		if refused, is := r.Action.(model.Respond); r.Origin.Kind != "route" || r.Origin.Name != id || is && refused.Code != "" {
			continue
		}
		r.Filters = append([]model.FilterSpec{spec}, r.Filters...)
		found = true
	}
	return found
}

// readRules reads the file of a datasource: one on the class path, or one that is named relatively, lies beside the configuration.
func readRules(of *bootconfig.Property) ([]sentinelRule, error) {
	if kind := of.Get("data-type").Text(); kind != "" && kind != "json" {
		return nil, fmt.Errorf("rules in %s are not read: want JSON", kind)
	}
	path := strings.TrimPrefix(strings.TrimSpace(strings.TrimPrefix(of.Get("file").Text(), "classpath:")), "file:")
	if err := checkLiteral(path); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(of.File), path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the rules cannot be read: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxRules {
		return nil, fmt.Errorf("%s is no file with rules", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the rules cannot be read: %w", err)
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("%s is no JSON list of rules: %w", path, err)
	}
	out := make([]sentinelRule, len(raw))
	for i := range raw {
		out[i] = sentinelRule{Grade: 1, IntervalSec: 1}
		if err := json.Unmarshal(raw[i], &out[i]); err != nil {
			return out[:i], fmt.Errorf("rule %d of %s: %w", i+1, path, err)
		}
	}
	return out, nil
}
