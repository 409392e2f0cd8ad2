package nacosapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
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
	return s, checkSelector(c.q.Get("selector"))
}

// checkSelector takes the selector that chooses nobody. One by labels would show each client instances near to it alone, which is not done
// here: to take it and show all would send traffic where nobody wants it.
func checkSelector(text string) error {
	if text == "" {
		return nil
	}
	var s selector
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return fmt.Errorf("nacosapi: selector: %w: %w", err, registry.ErrInvalid)
	}
	switch s.Type {
	case noSelector:
		return nil
	case "label":
		return fmt.Errorf("nacosapi: selector of type label: services have no selectors, leave it out or say none: %w", errUnserved)
	}
	return fmt.Errorf("nacosapi: selector of type %.32q: not match any type of selector! Want none: %w", s.Type, registry.ErrInvalid)
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

// updateCluster sets what is said of a cluster: how its persistent instances are asked whether they are well, and metadata.
func updateCluster(c call) (any, error) {
	key, err := c.service()
	if err != nil {
		return nil, err
	}
	name, err := c.required("clusterName")
	if err != nil {
		return nil, err
	}
	cluster, err := c.cluster()
	if err != nil {
		return nil, err
	}
	s, err := c.present(key)
	if err != nil {
		return nil, err
	}
	clusters := maps.Clone(s.Clusters) // a view's is not to be changed
	if clusters == nil {
		clusters = map[string]registry.Cluster{}
	}
	clusters[name] = cluster
	s.Clusters = clusters
	return "ok", c.ChangeService(key, s)
}

// cluster reads the parameters that say something of one. As in Nacos they are all there is: metadata that is not named is none.
func (c call) cluster() (registry.Cluster, error) {
	var out registry.Cluster
	h := healthChecker{Type: string(probe.TCP)}
	if v := c.q.Get("healthChecker"); v != "" {
		if err := json.Unmarshal([]byte(v), &h); err != nil {
			return out, invalid(err)
		}
	}
	out.Check = probe.Check{Kind: probe.Kind(h.Type), Path: h.Path, Code: h.Code, Headers: parseHeaders(h.Headers)}
	if v := c.q.Get("metadata"); v != "" {
		m, err := nacoswire.ParseMetadata(v)
		if err != nil {
			return out, invalid(err)
		}
		out.Metadata = model.NewTags(m)
	}
	own := c.q.Get("useInstancePort4Check")
	if own == "" {
		own = c.q.Get("useInstancePortForCheck") // its name since v3
	}
	instances, _ := strconv.ParseBool(own)
	instances = instances || own == ""
	text := c.q.Get("checkPort")
	if text == "" && instances {
		return out, nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 && !instances {
		return out, fmt.Errorf("nacosapi: checkPort %.32q: want 1 to 65535: %w", text, registry.ErrInvalid)
	}
	if out.CheckPort = uint16(port); !instances {
		out.Check.Port = out.CheckPort
	}
	return out, nil
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

// headerText is what parseHeaders reads.
func headerText(headers map[string]string) string {
	var pairs []string
	for name, value := range headers {
		pairs = append(pairs, name+":"+value)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "|")
}

// usualPort is what Nacos shows for ports that nobody has set.
const usualPort = 80

// clusterOf is what is said of a cluster, as it is shown.
func clusterOf(v *registry.View, name string) clusterDetail {
	var set registry.Cluster
	if v.Settings != nil {
		set = v.Settings.Clusters[name]
	}
	check := healthChecker{Type: nacoswire.NonEmpty(string(set.Check.Kind), string(probe.TCP)), Path: set.Check.Path, Code: set.Check.Code, Headers: headerText(set.Check.Headers)}
	return clusterDetail{name, check, metadata(set.Metadata), int(cmp.Or(set.CheckPort, usualPort)), set.Check.Port == 0}
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
