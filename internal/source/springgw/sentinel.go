package springgw

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"paifang/internal/model"
)

// sentinelRule is a rule for a gateway (gw-flow) as Sentinel's datasources have it, with Sentinel's own defaults.
type sentinelRule struct {
	Resource        string         `json:"resource"`
	ResourceMode    int            `json:"resourceMode"`    // 0 = a route by its ID, 1 = a group of APIs
	Grade           int            `json:"grade"`           // 0 = requests at a time, 1 = in a time
	Count           float64        `json:"count"`           // of requests
	IntervalSec     int            `json:"intervalSec"`     // that count is for
	ControlBehavior int            `json:"controlBehavior"` // 0 = refuse, 2 = have requests queue
	Burst           int            `json:"burst"`
	ParamItem       *sentinelParam `json:"paramItem"`
}

// sentinelParam is by what requests are told apart.
type sentinelParam struct {
	ParseStrategy int    `json:"parseStrategy"` // 0 = address, 1 = host, 2 = header, 3 = parameter of the query, 4 = cookie
	FieldName     string `json:"fieldName"`
	Pattern       string `json:"pattern"`       // requests of another value pass
	MatchStrategy int    `json:"matchStrategy"` // of the pattern
}

// The ways in which Sentinel compares with a pattern.
const (
	matchExact    = 0
	matchPrefix   = 1 // of paths, an Ant pattern; of values, none at all
	matchRegexp   = 2
	matchContains = 3 // of values alone
)

// rateConfig and concurrencyConfig are the filters' own configuration, as their kinds decode it.
type rateConfig struct {
	Requests int      `json:"requests"`
	Per      string   `json:"per"`
	Burst    int      `json:"burst,omitempty"`
	Key      limitKey `json:"key"`
	limitPart
}

type concurrencyConfig struct {
	Requests int      `json:"requests"`
	Key      limitKey `json:"key"`
	limitPart
}

// limitPart says which requests a limit is for.
type limitPart struct {
	Scope string   `json:"scope,omitempty"`
	Group string   `json:"group,omitempty"`
	Paths []string `json:"paths,omitempty"`
}

// filter is the limit that a rule is, for the paths of the group of APIs that it names. A window of Sentinel may be used up at once,
// which is a burst here. The note is what differs.
func (r *sentinelRule) filter(groups map[string]*apiGroup) (spec model.FilterSpec, note string, err error) {
	switch {
	case r.ResourceMode != 0 && r.ResourceMode != 1:
		return spec, "", fmt.Errorf("resourceMode %d is neither a route nor a group of APIs", r.ResourceMode)
	case r.ControlBehavior != 0:
		return spec, "", errors.New("requests do not queue here: they are refused, which controlBehavior 0 says")
	case r.Count < 1 || r.Count > 1<<30 || r.Count != float64(int(r.Count)):
		return spec, "", fmt.Errorf("count is %v: want a whole number, 1 or more", r.Count)
	case r.Burst < 0 || r.Burst > 1<<30 || r.IntervalSec < 1 || r.IntervalSec > 86400:
		return spec, "", errors.New("burst or intervalSec is none")
	}
	part := limitPart{Scope: "object"}
	if r.ResourceMode == 1 {
		g := groups[r.Resource]
		switch {
		case g == nil:
			return spec, "", fmt.Errorf("there is no group of APIs %q (rule-type gw-api-group)", r.Resource)
		case g.err != nil:
			return spec, "", fmt.Errorf("its group of APIs cannot be read: %w", g.err)
		}
		part = limitPart{Group: "sentinel " + r.Resource, Paths: g.paths}
	}
	key, note, err := r.key()
	if err != nil {
		return spec, "", err
	}
	var config any
	switch {
	case r.Grade == 0 && r.ParamItem == nil:
		spec.Kind, config = "concurrency-limit", concurrencyConfig{int(r.Count), key, part}
	case r.Grade == 1:
		spec.Kind, config = "rate-limit", rateConfig{int(r.Count), fmt.Sprintf("%ds", r.IntervalSec), int(r.Count) - 1 + r.Burst, key, part}
	default:
		return spec, "", fmt.Errorf("grade %d is no limit that a gateway of Sentinel keeps", r.Grade)
	}
	spec.Config, err = json.Marshal(config)
	return spec, note, err
}

// key is by what a rule tells requests apart. Those without the header, parameter or cookie are not counted.
func (r *sentinelRule) key() (key limitKey, note string, err error) {
	p := r.ParamItem
	switch {
	case p == nil:
		return limitKey{By: "all"}, "", nil
	case p.ParseStrategy == 0:
		key = limitKey{By: "address"}
	case p.ParseStrategy == 1 && p.Pattern == "":
		key = limitKey{By: "text", Text: "{host}"}
	case p.ParseStrategy == 1:
		key = limitKey{By: "text", Text: "{authority}"} // which is what the pattern was written for
	case p.ParseStrategy == 2 && p.FieldName != "":
		key = limitKey{By: "header", Header: p.FieldName, Without: "pass"}
	case p.ParseStrategy == 3 && p.FieldName != "":
		key = limitKey{By: "text", Text: "{query." + p.FieldName + "}", Without: "pass"}
	case p.ParseStrategy == 4 && p.FieldName != "":
		key = limitKey{By: "text", Text: "{cookie." + p.FieldName + "}", Without: "pass"}
	default:
		return key, "", fmt.Errorf("requests are not told apart by parseStrategy %d", p.ParseStrategy)
	}
	if p.Pattern == "" {
		return key, "", nil
	}
	switch p.MatchStrategy {
	case matchExact:
		key.Only = regexp.QuoteMeta(p.Pattern)
	case matchContains:
		key.Only = "(?s:.*)" + regexp.QuoteMeta(p.Pattern) + "(?s:.*)"
	case matchRegexp:
		re, err := compileJava(p.Pattern)
		if err != nil {
			return key, "", fmt.Errorf("pattern %q: %w", p.Pattern, err)
		}
		key.Only = re.String()
	default:
		note = fmt.Sprintf("matchStrategy %d of a value has no effect in Sentinel, nor here: each value is counted, whatever the pattern says", p.MatchStrategy)
	}
	return key, note, nil
}

// apiGroup is a group of APIs (gw-api-group): paths, whichever routes they lead to.
type apiGroup struct {
	name  string
	paths []string // regular expressions for whole paths
	note  string   // what differs
	err   error    // why it cannot be read
}

// readAPIGroup reads a group as Sentinel's datasources have it.
func readAPIGroup(raw json.RawMessage) (*apiGroup, error) {
	var in struct {
		Name  string `json:"apiName"`
		Items []struct {
			Pattern       string            `json:"pattern"`
			MatchStrategy int               `json:"matchStrategy"`
			Items         []json.RawMessage `json:"items"`
		} `json:"predicateItems"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	if in.Name == "" {
		return nil, errors.New("apiName is missing")
	}
	g := &apiGroup{name: in.Name}
	for i, p := range in.Items {
		switch {
		case len(p.Items) > 0:
			g.note = "a group within a group has no effect in Sentinel's gateway, nor here"
			continue
		case p.Pattern == "":
			continue
		case len(p.Pattern) > 256:
			g.err = fmt.Errorf("predicateItems[%d]: the pattern is too long", i)
			return g, nil
		}
		switch p.MatchStrategy {
		case matchPrefix:
			text, err := antPattern(p.Pattern)
			if err != nil {
				g.err = fmt.Errorf("predicateItems[%d]: %w", i, err)
				return g, nil
			}
			if text == "" {
				g.note = fmt.Sprintf("%s has no wildcard: with matchStrategy 1 it has no path in Sentinel, nor here", p.Pattern)
				continue
			}
			g.paths = append(g.paths, text)
		case matchRegexp:
			re, err := compileJava(p.Pattern)
			if err != nil {
				g.err = fmt.Errorf("predicateItems[%d]: pattern %q: %w", i, p.Pattern, err)
				return g, nil
			}
			g.paths = append(g.paths, re.String())
		default:
			g.paths = append(g.paths, regexp.QuoteMeta(p.Pattern))
		}
	}
	if len(g.paths) == 0 {
		g.err = errors.New("it has no paths")
	}
	return g, nil
}

// antPattern makes a regular expression of a pattern of Spring's AntPathMatcher; empty where it has no wildcard, in which case Sentinel has it
// match nothing.
func antPattern(s string) (string, error) {
	inner, rooted := strings.CutPrefix(s, "/")
	switch {
	case !rooted:
		return "", fmt.Errorf("pattern %q does not begin with /", s)
	case strings.ContainsAny(s, "{}"):
		return "", fmt.Errorf("pattern %q: variables are not supported: want *, ? and **", s)
	case !strings.ContainsAny(s, "*?"):
		return "", nil
	}
	var b strings.Builder
	inner, slash := strings.CutSuffix(inner, "/")
	segments := strings.FieldsFunc(inner, func(r rune) bool { return r == '/' })
	for i, segment := range segments {
		switch {
		case segment == "**" && i == len(segments)-1 && !slash:
			b.WriteString("(?:/[^/]+)*/?")
		case segment == "**":
			b.WriteString("(?:/[^/]+)*")
		default:
			b.WriteString("/" + strings.NewReplacer(`\*`, "[^/]*", `\?`, "[^/]").Replace(regexp.QuoteMeta(segment)))
		}
	}
	if slash {
		b.WriteString("/")
	}
	return b.String(), nil
}
