package nacosapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"paifang/internal/model"
	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/probe"
)

// settings are those of a service with what the parameters change of them.
func (c call) settings(s registry.Settings) (registry.Settings, error) {
	var err error
	if v := c.q.Get("protectThreshold"); v != "" {
		if s.ProtectThreshold, err = strconv.ParseFloat(v, 64); err != nil {
			return s, fmt.Errorf("nacosapi: protectThreshold %.32q: want a number: %w", v, registry.ErrInvalid)
		}
	}
	if v := c.q.Get("ephemeral"); v != "" {
		if s.Ephemeral, err = strconv.ParseBool(v); err != nil {
			return s, fmt.Errorf("nacosapi: ephemeral %.32q: want true or false: %w", v, registry.ErrInvalid)
		}
	}
	if v := c.q.Get("metadata"); v != "" {
		m, err := nacoswire.ParseMetadata(v)
		if err != nil {
			return s, invalid(err)
		}
		s.Metadata = model.NewTags(m)
	}
	return s, nil
}

// createService makes a service, for persistent instances where nothing else is said, as Nacos does.
func createService(c call) (any, error) {
	key, err := c.service()
	if err != nil {
		return nil, err
	}
	s, err := c.settings(registry.Settings{})
	if err != nil {
		return nil, err
	}
	return "ok", c.CreateService(key, s)
}

// present are the settings of a service that is there.
func (c call) present(key registry.Key) (registry.Settings, error) {
	v := c.View(key)
	switch {
	case !v.Known:
		return registry.Settings{}, unknownService(key)
	case v.Settings != nil:
		return *v.Settings, nil
	}
	return registry.Settings{Ephemeral: ephemeral(v)}, nil
}

// ephemeral tells which kind of instances a service has, or has had.
func ephemeral(v *registry.View) bool {
	if v.Settings != nil {
		return v.Settings.Ephemeral
	}
	return len(v.Instances) == 0 || v.Instances[0].Ephemeral
}

func updateService(c call) (any, error) {
	key, err := c.service()
	if err != nil {
		return nil, err
	}
	s, err := c.present(key)
	if err != nil {
		return nil, err
	}
	if s, err = c.settings(s); err != nil {
		return nil, err
	}
	return "ok", c.ChangeService(key, s)
}

func removeService(c call) (any, error) {
	key, err := c.service()
	if err != nil {
		return nil, err
	}
	return "ok", c.RemoveService(key)
}

// healthChecker is how the persistent instances of a cluster are asked (AbstractHealthChecker of the Java sources).
type healthChecker struct {
	Type    string `json:"type"`
	Path    string `json:"path,omitempty"`
	Headers string `json:"headers,omitempty"` // "name:value|name:value"
	Code    int    `json:"expectedResponseCode,omitempty"`
}

// updateCluster changes how the persistent instances of a cluster are asked whether they are well.
func updateCluster(c call) (any, error) {
	key, err := c.service()
	if err != nil {
		return nil, err
	}
	name, err := c.required("clusterName")
	if err != nil {
		return nil, err
	}
	check, err := c.check()
	if err != nil {
		return nil, err
	}
	s, err := c.present(key)
	if err != nil {
		return nil, err
	}
	clusters := maps.Clone(s.Clusters) // a view's is not to be changed
	if clusters == nil {
		clusters = map[string]probe.Check{}
	}
	clusters[name] = check
	s.Clusters = clusters
	return "ok", c.ChangeService(key, s)
}

func (c call) check() (probe.Check, error) {
	h := healthChecker{Type: string(probe.TCP)}
	if v := c.q.Get("healthChecker"); v != "" {
		if err := json.Unmarshal([]byte(v), &h); err != nil {
			return probe.Check{}, invalid(err)
		}
	}
	check := probe.Check{Kind: probe.Kind(h.Type), Path: h.Path, Code: h.Code, Headers: parseHeaders(h.Headers)}
	own := c.q.Get("useInstancePort4Check")
	if own == "" {
		own = c.q.Get("useInstancePortForCheck") // its name since v3
	}
	if instances, _ := strconv.ParseBool(own); own == "" || instances {
		return check, nil
	}
	port, err := strconv.ParseUint(c.q.Get("checkPort"), 10, 16)
	if err != nil || port == 0 {
		return check, fmt.Errorf("nacosapi: checkPort %.32q: want 1 to 65535: %w", c.q.Get("checkPort"), registry.ErrInvalid)
	}
	check.Port = uint16(port)
	return check, nil
}

func parseHeaders(s string) map[string]string {
	var out map[string]string
	for pair := range strings.SplitSeq(s, "|") {
		name, value, ok := strings.Cut(pair, ":")
		if !ok {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return out
}

// checkOf is how a cluster's instances are asked, as it is shown.
func checkOf(v *registry.View, cluster string) healthChecker {
	if v.Settings == nil {
		return healthChecker{Type: string(probe.TCP)}
	}
	check := v.Settings.Clusters[cluster]
	return healthChecker{Type: nacoswire.NonEmpty(string(check.Kind), string(probe.TCP)), Path: check.Path, Code: check.Code}
}

// threshold and labels are what a service's settings say, where it has any.
func threshold(v *registry.View) float64 {
	if v.Settings == nil {
		return 0
	}
	return v.Settings.ProtectThreshold
}

func labels(v *registry.View) nacoswire.Metadata {
	if v.Settings == nil {
		return nil
	}
	return metadata(v.Settings.Metadata)
}
