package nacosapi

import (
	"errors"
	"fmt"
	"strconv"

	"paifang/internal/nacoswire"
	"paifang/internal/registry/config"
)

// v2Endpoints is /v2: what v1 does, with answers wrapped and groups apart from names.
func v2Endpoints() []endpoint {
	const (
		instance = "/v2/ns/instance"
		cs       = "/v2/cs/config"
	)
	return []endpoint{
		{method: "POST", path: instance, need: writes, handle: registerInstance, result: true},
		{method: "DELETE", path: instance, need: writes, handle: deregisterInstance, result: true},
		{method: "PUT", path: instance, need: writes, handle: updateInstance, result: true},
		{method: "PATCH", path: instance, need: writes, handle: updateInstance},
		{method: "GET", path: instance, need: reads, handle: v2Instance, result: true},
		{method: "GET", path: instance + "/list", need: reads, handle: v2List, result: true},
		{method: "PUT", path: instance + "/beat", need: writes, handle: beat},
		{method: "PUT", path: instance + "/metadata/batch", need: writes, handle: batchMetadata(false), result: true},
		{method: "DELETE", path: instance + "/metadata/batch", need: writes, handle: batchMetadata(true), result: true},
		{method: "GET", path: "/v2/ns/service", need: reads, handle: v2Service, result: true},
		{method: "POST", path: "/v2/ns/service", need: writes, handle: createService, result: true},
		{method: "PUT", path: "/v2/ns/service", need: writes, handle: updateService, result: true},
		{method: "DELETE", path: "/v2/ns/service", need: writes, handle: removeService, result: true},
		{method: "GET", path: "/v2/ns/service/list", need: reads, handle: v2Services, result: true},
		{method: "GET", path: cs, need: reads, handle: v2GetConfig, result: true, variants: []variant{beta()}},
		{method: "POST", path: cs, need: writes, handle: v1PublishConfig, result: true, large: true},
		{method: "DELETE", path: cs, need: writes, handle: v1RemoveConfig, result: true, variants: []variant{beta()}},
		{method: "GET", path: "/v2/cs/history/list", need: reads, handle: v1History, result: true},
		{method: "GET", path: "/v2/cs/history", need: reads, handle: v1History, result: true},
		{method: "GET", path: "/v2/cs/history/detail", need: reads, handle: v1History, result: true},
		{method: "GET", path: cs + "/searchDetail", need: reads, handle: v1Search, tenant: true},
		{method: "GET", path: "/v2/cs/history/previous", need: reads, handle: v1Previous, result: true},
		{method: "GET", path: "/v2/console/health/liveness", handle: well, result: true},
		{method: "GET", path: "/v2/console/health/readiness", handle: well, result: true},
	}
}

// instanceDetail2 is the answer of GET /v2/ns/instance.
type instanceDetail2 struct {
	Service string `json:"serviceName"`
	instanceFields
}

func v2Instance(c call) (any, error) {
	service, fields, err := c.one()
	if err != nil {
		return nil, err
	}
	return instanceDetail2{service, fields}, nil
}

// v2List reads the clusters from the parameter clusterName.
func v2List(c call) (any, error) {
	key, err := c.service()
	if err != nil {
		return nil, err
	}
	healthy, _ := strconv.ParseBool(c.q.Get("healthyOnly"))
	return groupedInfo(c, key, filter{c.q.Get("clusterName"), healthy, true}), nil
}

// serviceDetail2 is the answer of GET /v2/ns/service.
type serviceDetail2 struct {
	Namespace string             `json:"namespace"`
	Name      string             `json:"serviceName"`
	Group     string             `json:"groupName"`
	Clusters  map[string]any     `json:"clusterMap"`
	Metadata  nacoswire.Metadata `json:"metadata"`
	Threshold float64            `json:"protectThreshold"`
	Selector  selector           `json:"selector"`
	Ephemeral bool               `json:"ephemeral"`
}

// v3Service has other names for the same.
func v3Service(c call) (any, error) {
	answer, err := v2Service(c)
	out, ok := answer.(serviceDetail2)
	if !ok {
		return nil, err
	}
	for name, cluster := range out.Clusters {
		if d, ok := cluster.(clusterDetail); ok {
			out.Clusters[name] = struct {
				clusterDetail
				Name      string `json:"clusterName"`
				CheckPort int    `json:"healthyCheckPort"`
				OwnPort   bool   `json:"useInstancePortForCheck"`
			}{d, d.Name, d.checkPort, d.ownPort}
		}
	}
	return struct {
		serviceDetail2
		Namespace string `json:"namespaceId"`
	}{out, out.Namespace}, nil
}

func v2Service(c call) (any, error) {
	key, v, err := c.known()
	if err != nil {
		return nil, err
	}
	out := serviceDetail2{Namespace: key.Namespace, Name: key.Service, Group: key.Group, Clusters: map[string]any{},
		Metadata: labels(v), Threshold: threshold(v), Selector: selector{noSelector}, Ephemeral: ephemeral(v)}
	for _, name := range clustersOf(v) {
		out.Clusters[name] = clusterOf(v, name)
	}
	return out, nil
}

// serviceNames2 is the answer of GET /v2/ns/service/list.
type serviceNames2 struct {
	Count    int      `json:"count"`
	Services []string `json:"services"`
}

func v2Services(c call) (any, error) {
	no, size := c.paging()
	names := c.names()
	return serviceNames2{len(names), page(names, no, size)}, nil
}

// v2GetConfig answers with the content.
func v2GetConfig(c call) (any, error) {
	s, id, err := c.configID("group")
	if err != nil {
		return nil, err
	}
	item, _, err := c.readConfig(s, id)
	if errors.Is(err, config.ErrUnknown) {
		return nil, fmt.Errorf("nacosapi: config data not exist: %w", err)
	}
	return item.Content, err
}
