package nacosapi

import (
	"fmt"
	"slices"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// v1Services is /v1/ns/service (ServiceController of the Nacos server).
func v1Services() []endpoint {
	const path = "/v1/ns/service"
	return []endpoint{
		{method: "GET", path: path, need: reads, handle: v1Service},
		{method: "POST", path: path, need: writes, handle: createService},
		{method: "PUT", path: path, need: writes, handle: updateService},
		{method: "DELETE", path: path, need: writes, handle: removeService},
		{method: "PUT", path: "/v1/ns/cluster", need: writes, handle: updateCluster},
		{method: "GET", path: path + "/list", need: reads, handle: v1ServiceList},
		{path: path + "/names", need: reads, handle: v1ServiceNames},
		{method: "GET", path: path + "/subscribers", need: reads, handle: v1Subscribers},
	}
}

// names are the services of the group that is asked for.
func (c call) names() []string {
	return c.Services(c.namespace, nacoswire.NonEmpty(c.q.Get("groupName"), nacoswire.DefaultGroup))
}

func v1ServiceList(c call) (any, error) {
	no, err := c.number("pageNo")
	if err != nil {
		return nil, err
	}
	size, err := c.number("pageSize")
	if err != nil {
		return nil, err
	}
	names := c.names()
	return nacoswire.ServiceNames{Count: len(names), Names: page(names, no, size)}, nil
}

// namesOf are the services by namespace, with their groups in their names.
type namesOf struct {
	Count    int                 `json:"count"`
	Services map[string][]string `json:"services"`
}

func v1ServiceNames(c call) (any, error) {
	out := namesOf{Services: map[string][]string{c.namespace: {}}}
	for _, key := range c.Keys() {
		if key.Namespace == c.namespace {
			out.Services[key.Namespace] = append(out.Services[key.Namespace], nacoswire.GroupedName(key.Group, key.Service))
		}
	}
	out.Count = len(out.Services[c.namespace])
	return out, nil
}

// serviceDetail is a service without its instances.
type serviceDetail struct {
	Namespace string             `json:"namespaceId"`
	Group     string             `json:"groupName"`
	Name      string             `json:"name"`
	Threshold float64            `json:"protectThreshold"`
	Metadata  nacoswire.Metadata `json:"metadata"`
	Selector  selector           `json:"selector"`
	Clusters  []clusterDetail    `json:"clusters"`
}

// noSelector is the type of the only selector that services have here.
const noSelector = "none"

type selector struct {
	Type string `json:"type"`
}

type clusterDetail struct {
	Name          string             `json:"name"`
	HealthChecker healthChecker      `json:"healthChecker"`
	Metadata      nacoswire.Metadata `json:"metadata"`
	checkPort     int                // v1 and v2 show it in the catalogue alone
	ownPort       bool
}

func v1Service(c call) (any, error) {
	key, v, err := c.known()
	if err != nil {
		return nil, err
	}
	out := serviceDetail{Namespace: key.Namespace, Group: key.Group, Name: key.Service, Threshold: threshold(v), Metadata: labels(v),
		Selector: selector{noSelector}, Clusters: []clusterDetail{}}
	for _, name := range clustersOf(v) {
		out.Clusters = append(out.Clusters, clusterOf(v, name))
	}
	return out, nil
}

func clustersOf(v *registry.View) []string {
	var names []string
	for i := range v.Instances {
		names = append(names, v.Instances[i].Cluster)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// known reads the parameters that name a service that is there.
func (c call) known() (registry.Key, *registry.View, error) {
	key, err := c.service()
	if err != nil {
		return key, nil, err
	}
	v := c.View(key)
	if !v.Known {
		return key, nil, unknownService(key)
	}
	return key, v, nil
}

func unknownService(key registry.Key) error {
	return fmt.Errorf("nacosapi: service %s: %w", key, registry.ErrUnknown)
}
