package nacosapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"paifang/internal/model"
	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// v1Instances is /v1/ns/instance (InstanceController of the Nacos server).
func v1Instances() []endpoint {
	const path = "/v1/ns/instance"
	return []endpoint{
		{method: "POST", path: path, need: writes, handle: registerInstance},
		{method: "DELETE", path: path, need: writes, handle: deregisterInstance},
		{method: "PUT", path: path, need: writes, handle: updateInstance},
		{method: "PATCH", path: path, need: writes, handle: updateInstance},
		{method: "GET", path: path, need: reads, handle: v1Instance},
		{method: "PUT", path: path + "/beat", need: writes, handle: beat},
		{method: "GET", path: path + "/list", need: reads, handle: v1List},
		{path: path + "/statuses", need: knows, handle: v1Statuses},
		{method: "PUT", path: path + "/metadata/batch", need: writes, handle: batchMetadata(false)},
		{method: "DELETE", path: path + "/metadata/batch", need: writes, handle: batchMetadata(true)},
	}
}

// form reads the parameters that name an instance.
func (c call) form() (nacoswire.Form, registry.Key, netip.AddrPort, error) {
	f, err := nacoswire.ParseForm(c.q)
	if err != nil {
		return f, registry.Key{}, netip.AddrPort{}, invalid(err)
	}
	key := registry.Key{Namespace: c.namespace, Group: f.Group, Service: f.Service}
	if err := key.Validate(); err != nil {
		return f, key, netip.AddrPort{}, err
	}
	addr, err := parseAddr(f.Instance.IP, f.Instance.Port)
	return f, key, addr, err
}

func registerInstance(c call) (any, error) {
	f, key, _, err := c.form()
	if err != nil {
		return nil, err
	}
	in, err := parseInstance(f.Instance)
	if err != nil {
		return nil, err
	}
	return "ok", c.Register(key, in)
}

// deregisterInstance answers ok also when there is nothing to take away, as when the instance is of the other kind.
func deregisterInstance(c call) (any, error) {
	f, key, addr, err := c.form()
	if err != nil {
		return nil, err
	}
	if _, ok := c.forward(key, addr); ok {
		return "ok", nil
	}
	_, err = c.DeregisterKind(key, addr, f.Instance.Ephemeral)
	return "ok", err
}

// updateInstance changes what the parameters name and leaves the rest. (Nacos sets what is not named to its default.)
func updateInstance(c call) (any, error) {
	f, key, addr, err := c.form()
	if err != nil {
		return nil, err
	}
	var patch registry.Patch
	if f.Given.Weight {
		patch.Weight = &f.Instance.Weight
	}
	if f.Given.Enabled {
		patch.Enabled = &f.Instance.Enabled
	}
	if f.Given.Metadata {
		patch.Metadata = tags(f.Instance.Metadata)
	}
	return "ok", c.Update(key, addr, f.Instance.ClusterName, patch)
}

// tags are never nil: no metadata is something else than metadata that is not mentioned.
func tags(m nacoswire.Metadata) model.Tags {
	if t := model.NewTags(m); t != nil {
		return t
	}
	return model.Tags{}
}

// find returns an instance as it is shown.
func (c call) find() (nacoswire.Instance, registry.Key, error) {
	f, key, addr, err := c.form()
	if err != nil {
		return nacoswire.Instance{}, key, err
	}
	v := c.View(key)
	for i := range v.Instances {
		if in := &v.Instances[i]; in.Addr == addr && in.Cluster == f.Instance.ClusterName {
			return renderFull(key, in), key, nil
		}
	}
	return nacoswire.Instance{}, key, fmt.Errorf("nacosapi: no instance %s in cluster %s of %s: %w", addr, f.Instance.ClusterName, key, registry.ErrUnknown)
}

// instanceDetail is the answer of GET /v1/ns/instance.
type instanceDetail struct {
	Service string `json:"service"`
	instanceFields
}

// instanceFields are what every version of the API says of one instance, besides the name of its service.
type instanceFields struct {
	IP          string             `json:"ip"`
	Port        int                `json:"port"`
	ClusterName string             `json:"clusterName"`
	Weight      float64            `json:"weight"`
	Healthy     bool               `json:"healthy"`
	InstanceID  string             `json:"instanceId"`
	Metadata    nacoswire.Metadata `json:"metadata"`
}

// one returns the service and the fields of the instance that a call names.
func (c call) one() (service string, f instanceFields, err error) {
	in, key, err := c.find()
	if err != nil {
		return "", f, err
	}
	return nacoswire.GroupedName(key.Group, key.Service),
		instanceFields{in.IP, in.Port, in.ClusterName, in.Weight, in.Healthy, in.InstanceID, in.Metadata}, nil
}

func v1Instance(c call) (any, error) {
	service, fields, err := c.one()
	if err != nil {
		return nil, err
	}
	return instanceDetail{service, fields}, nil
}

// beat takes a light heartbeat, which names the instance, or a full one, which also registers it where it is not
// known. To a light one for an unknown instance the answer tells the client to register.
func beat(c call) (any, error) {
	key, err := c.service()
	if err != nil {
		return nil, err
	}
	var full bool
	beat := nacoswire.Beat{IP: c.q.Get("ip"), Cluster: c.q.Get("clusterName")}
	if text := c.q.Get("beat"); text != "" {
		full = true
		if beat, err = nacoswire.ParseBeat(text); err != nil {
			return nil, invalid(err)
		}
	} else if beat.Port, err = c.number("port"); err != nil {
		return nil, err
	}
	addr, err := parseAddr(beat.IP, beat.Port)
	if err != nil {
		return nil, err
	}
	if body, ok := c.forward(key, addr); ok {
		return json.RawMessage(body), nil
	}
	next, known, err := c.beatOf(key, addr)
	if err != nil {
		return nil, err
	}
	if !known && full {
		in := nacoswire.NewInstance(beat.IP, beat.Port)
		in.ClusterName, in.Weight, in.Metadata = beat.Cluster, beat.Weight, beat.Metadata
		instance, err := parseInstance(in)
		if err != nil {
			return nil, err
		}
		if err := c.Register(key, instance); err != nil {
			return nil, err
		}
		if next, known, err = c.Beat(key, addr); err != nil {
			return nil, err
		}
	}
	out := nacoswire.BeatAnswer{Interval: next.Milliseconds(), Code: nacoswire.BeatOK, LightBeat: true}
	if !known {
		out.Code = nacoswire.BeatUnknown
	}
	return out, nil
}

// v1List answers with the grouped name, as v1 does. With the parameter udpPort a client subscribes to pushes for a while; it
// comes again before that ends.
func v1List(c call) (any, error) {
	key, err := c.service()
	if err != nil {
		return nil, err
	}
	healthy, _ := strconv.ParseBool(c.q.Get("healthyOnly"))
	clusters := c.q.Get("clusters")
	if port, _ := strconv.ParseUint(c.q.Get("udpPort"), 10, 16); port > 0 {
		if from, err := netip.ParseAddrPort(c.r.RemoteAddr); err == nil {
			c.server.udp.subscribe(c.Registry, udpKey{netip.AddrPortFrom(from.Addr().Unmap(), uint16(port)), key, clusters}, healthy)
		}
	}
	return groupedInfo(c, key, filter{clusters, healthy, true}), nil
}

func groupedInfo(c call, key registry.Key, f filter) *nacoswire.ServiceInfo {
	info := render(c.View(key), f)
	info.Name = nacoswire.GroupedName(key.Group, key.Service)
	return info
}

// statuses are the instances of a service with their health: "10.0.0.1:80_true".
type statuses struct {
	IPs []string `json:"ips"`
}

// v1Statuses takes the service from the parameter key, "GROUP@@NAME" or "NAMESPACE##GROUP@@NAME", or as other calls name it. Which namespace
// it is about is known only then.
func v1Statuses(c call) (any, error) {
	if key := c.q.Get("key"); key != "" {
		namespace, name, found := strings.Cut(key, "##")
		if !found {
			namespace, name = "", key
		}
		c.namespace = nacoswire.NonEmpty(namespace, nacoswire.PublicNamespace)
		c.q.Set("serviceName", name)
	}
	if _, err := c.server.allow(c.r.Context(), httpProof(&c), reads, c.namespace); err != nil {
		return nil, err
	}
	key, err := c.service()
	if err != nil {
		return nil, err
	}
	out := statuses{[]string{}}
	for _, in := range c.View(key).Instances {
		out.IPs = append(out.IPs, fmt.Sprintf("%s_%t", in.Addr, in.Healthy))
	}
	return out, nil
}

// updated names the instances that were changed: "ip:port:unknown:cluster:ephemeral" or "…:persist"; in the middle was once a site.
type updated struct {
	Updated []string `json:"updated"`
}

// batchMetadata lays labels over those of several instances, or takes away what was laid over them, and leaves the others. Without a
// list it is about all of the service, with consistencyType about those of one kind.
func batchMetadata(remove bool) handler {
	return func(c call) (any, error) {
		key, err := c.service()
		if err != nil {
			return nil, err
		}
		change, err := nacoswire.ParseMetadata(c.q.Get("metadata"))
		if err != nil {
			return nil, invalid(err)
		}
		var chosen []nacoswire.Instance
		if text := c.q.Get("instances"); text != "" {
			if err := json.Unmarshal([]byte(text), &chosen); err != nil {
				return nil, invalid(err)
			}
		}
		only := c.q.Get("consistencyType")
		if only != "" && only != "ephemeral" && only != "persist" {
			return nil, fmt.Errorf("nacosapi: consistencyType %.32q: want ephemeral or persist: %w", only, registry.ErrInvalid)
		}
		patch := registry.Patch{Add: tags(change)}
		if remove {
			patch = registry.Patch{Drop: slices.Collect(maps.Keys(change))}
		}
		out := updated{[]string{}}
		for _, in := range c.View(key).Instances {
			if len(chosen) > 0 && !among(chosen, &in) || only != "" && only != consistency(&in) {
				continue
			}
			if err := c.Update(key, in.Addr, in.Cluster, patch); err != nil {
				return nil, err
			}
			out.Updated = append(out.Updated, fmt.Sprintf("%s:unknown:%s:%s", in.Addr, in.Cluster, consistency(&in)))
		}
		return out, nil
	}
}

// consistency is the kind of an instance in the words of these calls.
func consistency(in *registry.Instance) string {
	if in.Ephemeral {
		return "ephemeral"
	}
	return "persist"
}

func among(list []nacoswire.Instance, in *registry.Instance) bool {
	for _, one := range list {
		addr, err := parseAddr(one.IP, one.Port)
		if err == nil && addr == in.Addr && nacoswire.NonEmpty(one.ClusterName, nacoswire.DefaultCluster) == in.Cluster {
			return true
		}
	}
	return false
}
