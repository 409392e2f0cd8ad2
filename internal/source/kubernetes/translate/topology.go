package translate

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"paifang/internal/model"
)

// What the source of a live cluster marks the slice with that has the addresses of a Service of type ExternalName.
const (
	ManagedByResolver = "resolver.paifang.dev"
	AnnotationRefused = "paifang.dev/refused" // why addresses are missing in it
)

// refusesExternal tells whether a Service leads to a name that nobody looks up.
func (b *builder) refusesExternal(v *corev1.Service) bool {
	return v.Spec.Type == corev1.ServiceTypeExternalName && !b.store.opt.Resolved
}

// zonesOf is how much a Service prefers the own zone: spec.trafficDistribution (KEP-4444, KEP-3015), or the older annotation.
func zonesOf(v *corev1.Service) model.ZonePreference {
	switch deref(v.Spec.TrafficDistribution) {
	case corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone, corev1.ServiceTrafficDistributionPreferSameNode:
		return model.ZonePreference{Prefer: true}
	}
	switch v.Annotations[corev1.AnnotationTopologyMode] {
	case "Auto", "auto":
		return model.ZonePreference{Prefer: true}
	}
	return model.ZonePreference{}
}

// zone is where an endpoint counts as: the zone that its slice hints it is meant for, this process's own if it is one of
// several, else where it is (KEP-2433).
func (b *builder) zone(e discoveryv1.Endpoint) string {
	if e.Hints == nil || len(e.Hints.ForZones) == 0 {
		return deref(e.Zone)
	}
	for _, z := range e.Hints.ForZones {
		if z.Name == b.store.opt.Zone {
			return z.Name
		}
	}
	return e.Hints.ForZones[0].Name
}
