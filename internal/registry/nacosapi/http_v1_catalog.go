package nacosapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// v1Catalog is /v1/ns/catalog (CatalogController), the lists of the console before 3.0.
func v1Catalog() []endpoint {
	return []endpoint{
		{method: "GET", path: "/v1/ns/catalog/services", need: reads, handle: catalogServices},
		{method: "GET", path: "/v1/ns/catalog/service", need: reads, handle: catalogService},
		{path: "/v1/ns/catalog/instances", need: reads, handle: catalogInstances},
		{path: "/v2/ns/catalog/instances", need: reads, handle: catalogInstances, result: true},
	}
}

// matching are the services of the namespace whose names have in them what the parameters say; without those that are empty where
// these are not wanted.
func (c call) matching() (out []registry.Key) {
	group, name := c.q.Get("groupNameParam"), c.q.Get("serviceNameParam")
	full := false
	for _, p := range []string{"hasIpCount", "ignoreEmptyService"} {
		yes, _ := strconv.ParseBool(c.q.Get(p))
		full = full || yes
	}
	for _, key := range c.Keys() {
		if key.Namespace == c.namespace && strings.Contains(key.Group, group) && strings.Contains(key.Service, name) &&
			(!full || len(c.View(key).Instances) > 0) {
			out = append(out, key)
		}
	}
	return out
}

// serviceView is a service in a list.
type serviceView struct {
	Name      string `json:"name"`
	Group     string `json:"groupName"`
	Clusters  int    `json:"clusterCount"`
	Instances int    `json:"ipCount"`
	Healthy   int    `json:"healthyInstanceCount"`
	Triggered string `json:"triggerFlag"` // "true": so few are healthy that all are shown as such
}

func (c call) viewsOf(keys []registry.Key) []serviceView {
	out := make([]serviceView, 0, len(keys))
	for _, key := range keys {
		v := c.View(key)
		one := serviceView{Name: key.Service, Group: key.Group, Clusters: len(clustersOf(v)), Instances: len(v.Instances)}
		for i := range v.Instances {
			if v.Instances[i].Healthy {
				one.Healthy++
			}
		}
		one.Triggered = strconv.FormatBool(v.Protected(one.Healthy, one.Instances))
		out = append(out, one)
	}
	return out
}

// filledService is a service with its instances, by cluster.
type filledService struct {
	Service  string                   `json:"serviceName"`
	Group    string                   `json:"groupName"`
	Clusters map[string]filledCluster `json:"clusterMap"`
	Metadata nacoswire.Metadata       `json:"metadata"`
}

type filledCluster struct {
	Hosts []nacoswire.Instance `json:"hosts"`
}

func (c call) filled(keys []registry.Key) []filledService {
	out := make([]filledService, 0, len(keys))
	for _, key := range keys {
		v := c.View(key)
		one := filledService{key.Service, key.Group, map[string]filledCluster{}, labels(v)}
		for i := range v.Instances {
			in := renderFull(key, &v.Instances[i])
			one.Clusters[in.ClusterName] = filledCluster{append(one.Clusters[in.ClusterName].Hosts, in)}
		}
		out = append(out, one)
	}
	return out
}

// servicesOf is the answer of GET /v1/ns/catalog/services.
type servicesOf struct {
	Count    int           `json:"count"`
	Services []serviceView `json:"serviceList"`
}

func catalogServices(c call) (any, error) {
	all := c.matching()
	no, size := c.paging()
	if with, _ := strconv.ParseBool(c.q.Get("withInstances")); with {
		return c.filled(newPage(all, no, size).Items), nil
	}
	return servicesOf{len(all), c.viewsOf(newPage(all, no, size).Items)}, nil
}

// v3Services has the views of services, or the services with their instances.
func v3Services(c call) (any, error) {
	no, size := c.paging()
	found := newPage(c.matching(), no, size)
	if with, _ := strconv.ParseBool(c.q.Get("withInstances")); with {
		return pageOf[filledService]{found.Total, found.No, found.Pages, c.filled(found.Items)}, nil
	}
	return pageOf[serviceView]{found.Total, found.No, found.Pages, c.viewsOf(found.Items)}, nil
}

// consoleService is the answer of GET /v1/ns/catalog/service.
type consoleService struct {
	Service struct {
		Name      string             `json:"name"`
		Group     string             `json:"groupName"`
		Threshold float64            `json:"protectThreshold"`
		Selector  selector           `json:"selector"`
		Metadata  nacoswire.Metadata `json:"metadata"`
	} `json:"service"`
	Clusters []consoleCluster `json:"clusters"`
}

type consoleCluster struct {
	clusterDetail
	Service     string `json:"serviceName"` // with its group
	DefaultPort int    `json:"defaultPort"`
	CheckPort   int    `json:"defaultCheckPort"`
	OwnPort     bool   `json:"useIPPort4Check"`
}

func catalogService(c call) (any, error) {
	key, v, err := c.known()
	if err != nil {
		return nil, err
	}
	var out consoleService
	out.Service.Name, out.Service.Group, out.Service.Threshold = key.Service, key.Group, threshold(v)
	out.Service.Selector, out.Service.Metadata, out.Clusters = selector{noSelector}, labels(v), []consoleCluster{}
	for _, name := range clustersOf(v) {
		one := clusterOf(v, name)
		out.Clusters = append(out.Clusters, consoleCluster{one, nacoswire.GroupedName(key.Group, key.Service), usualPort, one.checkPort, one.ownPort})
	}
	return out, nil
}

// instancesOf is the answer of /ns/catalog/instances.
type instancesOf struct {
	Instances []nacoswire.Instance `json:"list"`
	Count     int                  `json:"count"`
}

// catalogInstances has those of one cluster, or of all where none is named, also those that were taken out by hand.
func catalogInstances(c call) (any, error) {
	key, v, err := c.known()
	if err != nil {
		return nil, err
	}
	cluster := c.q.Get("clusterName")
	if cluster != "" && !slices.Contains(clustersOf(v), cluster) {
		return nil, fmt.Errorf("nacosapi: cluster %.64s is not found!: %w", cluster, registry.ErrUnknown)
	}
	all := c.hosts(key, cluster)
	no, size := c.paging()
	return instancesOf{newPage(all, no, size).Items, len(all)}, nil
}
