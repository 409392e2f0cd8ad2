package nacoswire

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Form is an instance as HTTP v1 passes it in the query or in a form (InstanceController of the server). Given tells
// apart what was said from what is a default: an update changes only what was said.
type Form struct {
	Namespace string
	Group     string
	Service   string
	Instance  Instance
	Given     Given
}

// Given says which optional parameters a form had.
type Given struct {
	Weight, Enabled, Healthy, Metadata bool
}

// ParseForm reads the parameters of an instance. Errors name the parameter.
func ParseForm(q url.Values) (Form, error) {
	f := Form{Namespace: NonEmpty(q.Get("namespaceId"), PublicNamespace)}
	if q.Get("serviceName") == "" {
		return f, missing("serviceName")
	}
	f.Group, f.Service = SplitName(q.Get("groupName"), q.Get("serviceName"))
	ip := strings.TrimSpace(q.Get("ip"))
	if ip == "" {
		return f, missing("ip")
	}
	port, err := strconv.Atoi(q.Get("port"))
	if err != nil {
		return f, fmt.Errorf("Param 'port' is required and must be a number, not %q", q.Get("port")) //nolint:staticcheck // the wording clients know
	}
	f.Instance = NewInstance(ip, port)
	f.Instance.ClusterName = NonEmpty(q.Get("clusterName"), NonEmpty(q.Get("cluster"), DefaultCluster))
	if w := q.Get("weight"); w != "" {
		if f.Instance.Weight, err = strconv.ParseFloat(w, 64); err != nil {
			return f, notA("weight", "number", w)
		}
		f.Given.Weight = true
	}
	for _, flag := range []struct {
		names []string
		value *bool
		given *bool
	}{
		{[]string{"enabled", "enable"}, &f.Instance.Enabled, &f.Given.Enabled},
		{[]string{"healthy"}, &f.Instance.Healthy, &f.Given.Healthy},
		{[]string{"ephemeral"}, &f.Instance.Ephemeral, new(bool)},
	} {
		for _, name := range flag.names {
			if q.Get(name) == "" {
				continue
			}
			if *flag.value, err = parseBool(q.Get(name)); err != nil {
				return f, notA(name, "boolean", q.Get(name))
			}
			*flag.given = true
			break
		}
	}
	if m := q.Get("metadata"); m != "" {
		if f.Instance.Metadata, err = ParseMetadata(m); err != nil {
			return f, err
		}
		f.Given.Metadata = true
	}
	return f, nil
}

// ParseMetadata reads metadata as JSON, or as the older "k1=v1,k2=v2".
func ParseMetadata(s string) (Metadata, error) {
	if strings.HasPrefix(strings.TrimSpace(s), "{") {
		var m Metadata
		if err := json.Unmarshal([]byte(s), &m); err != nil {
			return nil, fmt.Errorf("metadata is not a JSON object of texts: %w", err)
		}
		return m, nil
	}
	m := Metadata{}
	for pair := range strings.SplitSeq(s, ",") {
		k, v, ok := strings.Cut(pair, "=")
		if !ok || k == "" {
			return nil, fmt.Errorf("metadata format incorrect: %q, want JSON or k1=v1,k2=v2", pair)
		}
		m[k] = v
	}
	return m, nil
}

// Beat is the parameter "beat" of PUT /instance/beat (RsInfo of the server).
type Beat struct {
	IP          string   `json:"ip"`
	Port        int      `json:"port"`
	Weight      float64  `json:"weight"`
	ServiceName string   `json:"serviceName"`
	Cluster     string   `json:"cluster"`
	Metadata    Metadata `json:"metadata"`
	Scheduled   bool     `json:"scheduled"`
}

// ParseBeat reads a full heartbeat; a missing weight is 1. Numbers and flags may be written as texts.
func ParseBeat(s string) (Beat, error) {
	b := Beat{Weight: 1}
	if json.Unmarshal([]byte(s), &b) == nil {
		return b, nil
	}
	b = Beat{Weight: 1}
	texts := struct {
		*Beat
		Port      *coercedInt    `json:"port"`
		Weight    *coercedNumber `json:"weight"`
		Scheduled *coercedFlag   `json:"scheduled"`
	}{&b, (*coercedInt)(&b.Port), (*coercedNumber)(&b.Weight), (*coercedFlag)(&b.Scheduled)}
	if err := json.Unmarshal([]byte(s), &texts); err != nil {
		return b, fmt.Errorf("beat is not the JSON of a heartbeat: %w", err)
	}
	return b, nil
}

// Codes in the answer to a heartbeat (NamingResponseCode of the server).
const (
	BeatOK      = 10200
	BeatUnknown = 20404 // no such instance: register again
)

// BeatAnswer is the answer to a heartbeat.
type BeatAnswer struct {
	Interval  int64 `json:"clientBeatInterval"` // until the next one, milliseconds
	Code      int   `json:"code"`
	LightBeat bool  `json:"lightBeatEnabled"` // a heartbeat may leave out the parameter "beat"
}

// ServiceNames is the answer of HTTP v1 to a question for services.
type ServiceNames struct {
	Count int      `json:"count"` // of all pages
	Names []string `json:"doms"`  // of this page, without group
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "1", "on", "yes", "y":
		return true, nil
	case "false", "0", "off", "no", "n":
		return false, nil
	}
	return false, strconv.ErrSyntax
}

func missing(name string) error { return fmt.Errorf("Param '%s' is required.", name) } //nolint:staticcheck // the wording clients know

func notA(name, what, got string) error {
	return fmt.Errorf("param '%s' is not a %s: %q", name, what, got)
}
