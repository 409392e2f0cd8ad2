package model

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
)

// Locator is a route template for every service that one of its registries lists (Spring Cloud Gateway's discovery locator).
// Compile expands it: a path goes to the service that it is made for.
type Locator struct {
	ID       string  `json:"id"`
	Origin   Origin  `json:"origin"`
	Attach   []Class `json:"attach"`
	Priority int     `json:"priority,omitempty"`
	Keeper   string  `json:"keeper"`
	Prefix   string  `json:"prefix"` // of list names: "public/DEFAULT_GROUP/"; what follows is the service
	// Also are further registries. A service that several of them list is one, with the instances of all.
	Also      []Shelf  `json:"also,omitempty"`
	LowerCase bool     `json:"lowerCase,omitempty"` // the template has the service's name in lower case
	Except    []string `json:"except,omitempty"`    // services without a route: the gateway's own
	// Include says which services have one, by their names and by what one of their instances carries; default all. It leads to all
	// of their instances.
	Include Term `json:"include,omitzero"`
	Rank    Rank `json:"rank,omitzero"`

	// Paths, Hosts and Match are those of every route. Where they and Filters have LocatorService, they are for the service of
	// that name. No path is /LocatorService/**.
	Paths []PathMatch `json:"paths,omitempty"`
	Hosts []Host      `json:"hosts,omitempty"`
	Match Match       `json:"match,omitzero"`
	// Filters are those of every route, the one that takes off the segment included. Empty = that one alone.
	Filters []FilterSpec `json:"filters,omitempty"`

	// Timeouts, Retry and Target are those of every route and its Forward. KeepHost has upstreams see the Host that the client
	// sent, HostName another one; default: the endpoint's own address.
	Timeouts Timeouts   `json:"timeouts,omitzero"`
	Retry    Retry      `json:"retry,omitzero"`
	Target   TargetMode `json:"target,omitempty"`
	KeepHost bool       `json:"keepHost,omitempty"`
	HostName string     `json:"hostName,omitempty"`

	TLS  UpstreamTLS `json:"tls,omitzero"`  // of the upstreams
	Keep Keep        `json:"keep,omitzero"` // likewise
	// Balancing is how the upstreams choose and look after their endpoints: the settings of an Upstream, without ID, origin and
	// lists. BalancingOf is that of single services, in place of it.
	Balancing   Upstream            `json:"balancing,omitzero"`
	BalancingOf map[string]Upstream `json:"balancingOf,omitempty"`
}

// Shelf is where a registry has the lists of its services: the keeper, and what their names begin with.
type Shelf struct {
	Keeper string `json:"keeper"`
	Prefix string `json:"prefix"` // "public/DEFAULT_GROUP/"; of Services of Kubernetes their namespace: "shop/"
}

// List names the list of a service. Kubernetes has services of other namespaces too, by the names that its DNS has for them:
// order.shop.
func (s Shelf) List(service string) EndpointsID {
	if s.Keeper == KeeperKubernetes {
		if name, rest, ok := strings.Cut(service, "."); ok {
			namespace, _, _ := strings.Cut(rest, ".")
			return EndpointsID{Keeper: s.Keeper, Name: namespace + "/" + name}
		}
	}
	return EndpointsID{Keeper: s.Keeper, Name: s.Prefix + service}
}

// service is the service that a list has instances of. Lists of single ports of a Service are none.
func (s Shelf) service(list EndpointsID) (string, bool) {
	service, ok := strings.CutPrefix(list.Name, s.Prefix)
	return service, ok && list.Keeper == s.Keeper && service != "" && !strings.Contains(service, "/") && !(s.Keeper == KeeperKubernetes && strings.Contains(service, ":"))
}

// Lists are the lists of a service, in the order of the registries.
func (l *Locator) Lists(service string) []EndpointsID {
	out := make([]EndpointsID, 0, 1+len(l.Also))
	out = append(out, Shelf{l.Keeper, l.Prefix}.List(service))
	for _, s := range l.Also {
		out = append(out, s.List(service))
	}
	return out
}

// Service returns the service that a list has instances of. It is not ok where the list is in none of the registries, or its
// name has more below the prefix than one word.
func (l *Locator) Service(list EndpointsID) (service string, ok bool) {
	for i := -1; i < len(l.Also); i++ {
		s := Shelf{l.Keeper, l.Prefix}
		if i >= 0 {
			s = l.Also[i]
		}
		if service, ok = s.service(list); ok {
			return service, true
		}
	}
	return "", false
}

// Offer is a list that a source offers, as locators see it.
type Offer struct {
	List EndpointsID
	// Unmet are conditions of locators, as texts, in order: what they ask of endpoints holds for none of the list.
	Unmet []string
}

// Upstream is what the upstream of a service begins with.
func (l *Locator) Upstream(service string) Upstream {
	up, own := l.BalancingOf[service]
	if !own {
		up = l.Balancing
	}
	up.TLS, up.Keep = l.TLS, l.Keep
	return up
}

// LocatorService stands for the name of the service in what a Locator makes.
const LocatorService = "paifang0service0name"

// Named returns what a Locator says with the name of a service in the place of LocatorService. It fails where the name makes
// something else of it than a value.
func Named[T any](template T, service string) (T, error) {
	var out T
	raw, err := json.Marshal(template)
	if err != nil {
		return out, err
	}
	quoted, err := json.Marshal(service)
	if err != nil {
		return out, err
	}
	raw = bytes.ReplaceAll(raw, []byte(LocatorService), quoted[1:len(quoted)-1])
	return out, json.Unmarshal(raw, &out)
}

// Validate reports the first field that its type does not allow.
func (l Locator) Validate() error {
	switch {
	case l.ID == "":
		return fieldError("id", "is empty")
	case len(l.Attach) == 0:
		return fieldError("attach", "is empty")
	case l.Keeper == "":
		return fieldError("keeper", "is empty")
	case strings.Contains(l.Keeper+l.Prefix, LocatorService):
		return fieldError("prefix", "has the name of a service in it")
	}
	for _, s := range l.Also {
		if s.Keeper == "" || strings.Contains(s.Keeper+s.Prefix, LocatorService) {
			return fieldError("also", "has no keeper, or the name of a service in it")
		}
	}
	if l.Target != TargetNormal && l.Target != TargetReceived {
		return fieldError("target", fmt.Sprintf("%q is not known: leave it out, or say received", l.Target))
	}
	if l.KeepHost && l.HostName != "" {
		return fieldError("hostName", "is set beside keepHost")
	}
	if err := cmp.Or(l.Include.validate("include", 0), l.Timeouts.validate(), l.Retry.validate()); err != nil {
		return err
	}
	return cmp.Or(l.TLS.Validate(), l.Keep.validate())
}
