package kubernetes

import (
	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/source"
	"paifang/internal/source/kubernetes/translate"
)

// Try returns the groups that would come out if an Ingress were applied, without applying it. The Ingress is the source's
// from then on.
func (s *Source) Try(v *networkingv1.Ingress) ([]source.Group, error) {
	if _, err := trim(v); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.store.Try(translate.Object{Value: v})
}
