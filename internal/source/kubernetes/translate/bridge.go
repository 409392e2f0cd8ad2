package translate

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"paifang/internal/model"
)

// What Services say about registries.
const (
	// AnnotationOffer is the name a Service is offered under: SERVICE, GROUP/SERVICE or NAMESPACE/GROUP/SERVICE; "true" is its own
	// name, "false" keeps it out although its labels are selected.
	AnnotationOffer = "paifang.dev/offer"
	// AnnotationOfferPort is the port that is offered, by name or number; default the first.
	AnnotationOfferPort = "paifang.dev/offer-port"
	// AnnotationRegistry is the service of a registry whose instances are behind a Service: beside its own endpoints, and alone where
	// it has no selector. Written as AnnotationOffer.
	AnnotationRegistry = "paifang.dev/registry"
	// AnnotationRegistryName is which registry that is, where there are several; default the first.
	AnnotationRegistryName = "paifang.dev/registry-name"
)

// Bridge is how Services and registries meet. The zero value offers nothing.
type Bridge struct {
	Offers    bool            // somebody offers what is to be offered
	Selector  labels.Selector // Services with these labels are offered; nil: those alone that are annotated
	Namespace string          // of the registry, where a Service names none; default "public"
	Group     string          // likewise; default "DEFAULT_GROUP"
	From      string          // what marks the instances that are offered (model.TagFrom); default "kubernetes"
	Keepers   []string        // of the lists of registries, the first is the default
	Services  []string        // of registries, which Services may take; see CheckServices; empty: all
}

// CheckServices tells what is wrong with patterns for names of registries' services: they are written as AnnotationOffer, with * for any
// characters but a slash.
func CheckServices(patterns []string) error {
	for _, p := range patterns {
		if _, err := (&Bridge{}).serviceName(p); err != nil {
			return fmt.Errorf("translate: %w", err)
		}
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("translate: %q: %w", p, err)
		}
	}
	return nil
}

// serviceName reads the name of a registry's service.
func (c *Bridge) serviceName(text string) (string, error) {
	parts := strings.Split(text, "/")
	if len(parts) > 3 || slices.Contains(parts, "") {
		return "", fmt.Errorf("%q is none of SERVICE, GROUP/SERVICE, NAMESPACE/GROUP/SERVICE", text)
	}
	full := []string{cmp.Or(c.Namespace, "public"), cmp.Or(c.Group, "DEFAULT_GROUP"), ""}
	copy(full[3-len(parts):], parts)
	return strings.Join(full, "/"), nil
}

// taken is the full name of a registry's service that a Service names.
func (c *Bridge) taken(text string) (string, error) {
	name, err := c.serviceName(text)
	if err != nil || len(c.Services) == 0 {
		return name, err
	}
	for _, p := range c.Services {
		full, err := c.serviceName(p)
		if fits, err2 := path.Match(full, name); err == nil && err2 == nil && fits {
			return name, nil
		}
	}
	return "", fmt.Errorf("%s is none of the services that may be taken from registries (sources.registryServices)", name)
}

// offered is the name under which a Service is offered, empty where it is not.
func (c *Bridge) offered(v *corev1.Service) (string, error) {
	text, written := v.Annotations[AnnotationOffer]
	switch {
	case text == "false", !written && (c.Selector == nil || !c.Selector.Matches(labels.Set(v.Labels))):
		return "", nil
	case !written || text == "true":
		text = v.Name
	}
	return c.serviceName(text)
}

// offeredPort is the port of a Service that is offered.
func offeredPort(v *corev1.Service) (corev1.ServicePort, error) {
	ports := servicePorts(v)
	want := v.Annotations[AnnotationOfferPort]
	for _, p := range ports {
		if want == "" || want == p.Name || want == strconv.Itoa(int(p.Port)) {
			return p, nil
		}
	}
	if want == "" {
		return corev1.ServicePort{}, fmt.Errorf("the Service has no port")
	}
	return corev1.ServicePort{}, fmt.Errorf("the Service has no port %q", want)
}

// keeper is the registry that a Service takes addresses from.
func (c *Bridge) keeper(v *corev1.Service) (string, error) {
	if len(c.Keepers) == 0 {
		return "", fmt.Errorf("this process reads no registry")
	}
	name := v.Annotations[AnnotationRegistryName]
	if name == "" {
		return c.Keepers[0], nil
	}
	if keeper := model.KeeperRegistry + "/" + name; slices.Contains(c.Keepers, keeper) {
		return keeper, nil
	}
	return "", fmt.Errorf("this process reads no registry %q", name)
}

// registered is the list of a registry that is behind a Service; false: there is none.
func (b *builder) registered(v *corev1.Service) (model.EndpointsID, bool) {
	c := &b.store.opt.Bridge
	text := v.Annotations[AnnotationRegistry]
	if text == "" {
		return model.EndpointsID{}, false
	}
	name, err := c.taken(text)
	keeper, err2 := c.keeper(v)
	return model.EndpointsID{Keeper: keeper, Name: name}, err == nil && err2 == nil
}

// onlyRegistered tells whether a Service has no addresses but those of a registry.
func (b *builder) onlyRegistered(v *corev1.Service) bool {
	_, ok := b.registered(v)
	return ok && len(v.Spec.Selector) == 0
}

// bridged adds to the upstream of a port what registries have to do with it. Only the Service's own list is ever offered, and
// what is marked as offered from here is taken from no registry: nothing goes round in a circle.
func (b *builder) bridged(u *model.Upstream, v *corev1.Service, p corev1.ServicePort) {
	c := &b.store.opt.Bridge
	list, taken := b.registered(v)
	alone := taken && len(v.Spec.Selector) == 0
	switch {
	case alone:
		u.Endpoints = []model.EndpointsID{list}
	case taken:
		u.Endpoints = append(u.Endpoints, list)
	}
	if taken {
		u.Without = model.Tags{{Name: model.TagFrom, Value: cmp.Or(c.From, model.KeeperKubernetes)}}
	}
	if !c.Offers || alone {
		return
	}
	name, err := c.offered(v)
	port, err2 := offeredPort(v)
	if err == nil && err2 == nil && port.Port == p.Port {
		u.Offer = name
	}
}

// bridgeNotes says which annotations about registries cannot be carried out.
func (b *builder) bridgeNotes(o *stored, v *corev1.Service) {
	c := &b.store.opt.Bridge
	note := func(s model.Severity, annotation string, err error) {
		if err != nil {
			b.diagnose(o, "metadata.annotations", s, model.CodeIgnored, "%s: %v", annotation, err)
		}
	}
	say := func(annotation string, err error) { note(model.Warning, annotation, err) }
	if text := v.Annotations[AnnotationRegistry]; text != "" {
		_, err := c.taken(text)
		say(AnnotationRegistry, err)
		_, err = c.keeper(v)
		say(AnnotationRegistry, err)
	}
	name, err := c.offered(v)
	say(AnnotationOffer, err)
	switch {
	case name == "":
	case !c.Offers:
		// Of several processes with the same rules one may offer for all.
		note(model.Info, AnnotationOffer, fmt.Errorf("this process offers nothing: its configuration has no bridge"))
	case b.onlyRegistered(v):
		say(AnnotationOffer, fmt.Errorf("the Service has no addresses but those of a registry, and they do not go back into one"))
	default:
		_, err := offeredPort(v)
		say(AnnotationOfferPort, err)
	}
}

// ParseSelector reads a selector of labels as kubectl takes it.
func ParseSelector(text string) (labels.Selector, error) {
	s, err := labels.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("translate: selector %q: %w", text, err)
	}
	return s, nil
}
