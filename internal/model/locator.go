package model

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
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
	// Filters are those of every route, the one that takes off the segment included. Empty = that one alone, or with WholePath none.
	Filters   []FilterSpec `json:"filters,omitempty"`
	WholePath bool         `json:"wholePath,omitempty"`

	// Timeouts, Retry and Target are those of every route and its Forward. KeepHost has upstreams see the Host that the client
	// sent, HostName another one; default: the endpoint's own address.
	Timeouts Timeouts   `json:"timeouts,omitzero"`
	Retry    Retry      `json:"retry,omitzero"`
	Target   TargetMode `json:"target,omitempty"`
	KeepHost bool       `json:"keepHost,omitempty"`
	HostName string     `json:"hostName,omitempty"`

	// What follows names tags that the routes of a service have from one of its endpoints: of those that Include includes and that have
	// any of these tags, the one of the lowest address, in the first registry with such a one.
	//
	// ConnectTag and ResponseTag hold milliseconds, for Timeouts.Connect and Timeouts.Response; a negative number is no bound.
	ConnectTag  string `json:"connectTag,omitempty"`
	ResponseTag string `json:"responseTag,omitempty"`
	// Tags are those whose values the template has: where it has LocatorTag(2), that of Tags[2]. A service without such a value has no
	// route, or one that answers 503 where the place of that does not depend on it.
	Tags []string `json:"tags,omitempty"`

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
	// Said is what endpoints of the list say for routes of locators, in the order of what is asked; nothing where none says any of it.
	Said []Said
}

// Said is what one endpoint says of what a locator asks.
type Said struct {
	Question string // of the locator
	Tags     Tags   // those that were asked for
}

// Says returns what is said to a question.
func (o *Offer) Says(question string) Tags {
	for i := range o.Said {
		if o.Said[i].Question == question {
			return o.Said[i].Tags
		}
	}
	return nil
}

// Asked are the names of the tags that routes have from endpoints, in order.
func (l *Locator) Asked() []string {
	var out []string
	for _, name := range append([]string{l.ConnectTag, l.ResponseTag}, l.Tags...) {
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Question is what endpoints are asked for routes, as a text: of whom, and what. It is empty where they are asked nothing.
func (l *Locator) Question() string {
	asked := l.Asked()
	if len(asked) == 0 {
		return ""
	}
	return fmt.Sprintf("%q of %s", asked, l.Include.String())
}

// Speaker returns all tags of the endpoint that the routes of a service have some from, out of what its lists have, each by address. Where
// none has any that is asked for, it is the first of those that Include includes.
func (l *Locator) Speaker(service string, lists [][]Endpoint) Tags {
	asks, asked := l.Include.For(service), l.Asked()
	var first *Endpoint
	for _, list := range lists {
		for i := range list {
			e := &list[i]
			if !asks.Holds(e.Tags) {
				continue
			}
			if slices.ContainsFunc(asked, func(name string) bool { _, has := e.Tags.Get(name); return has }) {
				return e.Tags
			}
			if first == nil {
				first = e
			}
		}
	}
	if first == nil {
		return nil
	}
	return first.Tags
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

// LocatorTag stands for the value of Locator.Tags[i].
func LocatorTag(i int) string { return fmt.Sprintf("paifang0metadata0%d0x", i) }

// Named returns what a Locator says with the name of a service in the place of LocatorService, and values in those of LocatorTag. It fails
// where these make something else of it than a value.
func Named[T any](template T, service string, values ...string) (T, error) {
	var out T
	raw, err := json.Marshal(template)
	if err != nil {
		return out, err
	}
	for i, value := range append([]string{service}, values...) {
		quoted, err := json.Marshal(value)
		if err != nil {
			return out, err
		}
		place := LocatorService
		if i > 0 {
			place = LocatorTag(i - 1)
		}
		raw = bytes.ReplaceAll(raw, []byte(place), quoted[1:len(quoted)-1])
	}
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
	if slices.Contains(l.Tags, "") {
		return fieldError("tags", "has one without a name")
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
