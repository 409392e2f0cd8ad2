package kubernetes

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/translate"
)

// mostContests is how often another controller may write over an address before it has its way: two that both go on would
// write for ever. A change of the Ingress's rules, or of our addresses, begins anew.
const mostContests = 3

// statuses knows which addresses Ingresses show and writes those that they should. It reads nothing: the source tells it what
// it sees.
type statuses struct {
	client *Client
	source string
	log    *slog.Logger

	mu      sync.Mutex
	want    string // addresses, see joined; empty: unknown, and nothing is written
	shown   map[translate.Key]*shown
	missing error                      // why nobody knows what to write
	pending map[translate.Key]struct{} // that do not show what they should
	wake    chan struct{}
}

// shown is what is known of the status of one Ingress.
type shown struct {
	addresses  string
	wrote      string // last by us
	generation int64
	served     bool
	contests   int
	origin     model.Origin
}

func newStatuses(o Options) *statuses {
	s := &statuses{client: o.Client, source: o.Name, log: o.Log, shown: map[translate.Key]*shown{}, pending: map[translate.Key]struct{}{}, wake: make(chan struct{}, 1)}
	if len(o.Publish.Addresses) > 0 {
		var all []string
		for _, a := range o.Publish.Addresses {
			all = append(all, a.String())
		}
		s.want = joined(all)
	}
	return s
}

// joined is a set of addresses and names as one text.
func joined(all []string) string {
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ",")
}

// addressesOf are those of the Service in front of this controller.
func addressesOf(v *corev1.Service) []string {
	var all []string
	for _, i := range v.Status.LoadBalancer.Ingress {
		if i.IP != "" {
			all = append(all, i.IP)
		} else if i.Hostname != "" {
			all = append(all, i.Hostname)
		}
	}
	if len(all) == 0 {
		all = slices.Clone(v.Spec.ExternalIPs)
	}
	if len(all) == 0 && v.Spec.Type == corev1.ServiceTypeClusterIP && v.Spec.ClusterIP != corev1.ClusterIPNone {
		all = slices.Clone(v.Spec.ClusterIPs)
	}
	return all
}

// publish sets what Ingresses should show.
func (s *statuses) publish(all []string) {
	want := joined(all)
	s.mu.Lock()
	defer s.mu.Unlock()
	if want == s.want || want == "" { // what is shown stays until there is something better
		return
	}
	s.want = want
	for key, x := range s.shown {
		x.contests = 0
		s.look(key, x)
	}
}

// miss notes why what is to be written is not known; nil = it is.
func (s *statuses) miss(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missing = why
}

// observe notes what an Ingress shows.
func (s *statuses) observe(key translate.Key, v *networkingv1.Ingress, served bool) {
	var all []string
	for _, i := range v.Status.LoadBalancer.Ingress {
		all = append(all, i.IP+i.Hostname)
	}
	addresses := joined(all)
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.shown[key]
	if x == nil {
		x = &shown{origin: model.Origin{Source: s.source, Kind: string(key.Kind), Namespace: key.Namespace, Name: key.Name}}
		s.shown[key] = x
	}
	if x.wrote != "" && x.addresses == x.wrote && addresses != x.wrote && x.wrote == s.want {
		if x.contests++; x.contests == mostContests {
			s.log.Warn("another controller keeps writing the status of an ingress: it has its way", "ingress", key.Namespace+"/"+key.Name, "shows", addresses)
		}
	}
	if x.generation != v.Generation {
		x.generation, x.contests = v.Generation, 0
	}
	x.addresses, x.served = addresses, served
	s.look(key, x)
}

// serve notes whether an Ingress is served, after classes changed.
func (s *statuses) serve(key translate.Key, served bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.shown[key]; x != nil && x.served != served {
		x.served = served
		s.look(key, x)
	}
}

func (s *statuses) forget(key translate.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.shown, key)
	delete(s.pending, key)
}

// seen is what an Ingress was last seen to show.
func (s *statuses) seen(namespace, name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.shown[translate.Key{Kind: translate.KindIngress, Namespace: namespace, Name: name}]; x != nil {
		return x.addresses
	}
	return ""
}

// look queues an Ingress if its status is to be written; s.mu is held.
func (s *statuses) look(key translate.Key, x *shown) {
	if !x.served || s.want == "" || x.addresses == s.want || x.contests >= mostContests {
		delete(s.pending, key)
		return
	}
	s.pending[key] = struct{}{}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run writes what is queued until ctx ends: the holder of the lease alone.
func (s *statuses) run(ctx context.Context) {
	p := pace{every: 20 * time.Millisecond, burst: 50}
	for {
		again := false
		for _, key := range s.queued() {
			if !p.wait(ctx) {
				return
			}
			if err := s.write(ctx, key); err != nil {
				if ctx.Err() != nil {
					return
				}
				s.log.Warn("the status of an ingress cannot be written", "ingress", key.Namespace+"/"+key.Name, "err", err)
				again = true
			}
		}
		if again {
			if !sleep(ctx, 2*time.Second) {
				return
			}
			continue
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return
		}
	}
}

func (s *statuses) queued() []translate.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.pending), translate.Key.Compare)
}

// write replaces the addresses of one Ingress and nothing else of its status. What becomes of it is seen by the watch, which may
// tell of the next writer before this call returns: so the queue is settled first.
func (s *statuses) write(ctx context.Context, key translate.Key) error {
	s.mu.Lock()
	want, x := s.want, s.shown[key]
	_, still := s.pending[key]
	delete(s.pending, key)
	if still && x != nil {
		x.wrote = want
	}
	s.mu.Unlock()
	if !still {
		return nil
	}
	var list []networkingv1.IngressLoadBalancerIngress
	for _, a := range strings.Split(want, ",") {
		if _, err := netip.ParseAddr(a); err == nil {
			list = append(list, networkingv1.IngressLoadBalancerIngress{IP: a})
		} else {
			list = append(list, networkingv1.IngressLoadBalancerIngress{Hostname: a})
		}
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"loadBalancer": map[string]any{"ingress": list}}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err = s.client.groups[networkingv1.SchemeGroupVersion].Patch(types.MergePatchType).Namespace(key.Namespace).Resource("ingresses").Name(key.Name).
		SubResource("status").Body(patch).Do(ctx).Error()
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.shown[key]; x != nil {
		s.look(key, x)
	}
	return err
}

// writeTimeout bounds one write.
const writeTimeout = 10 * time.Second

// diagnostics are the Ingresses whose status another controller keeps writing, and why none is written.
func (s *statuses) diagnostics() []model.Diagnostic {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []model.Diagnostic
	if s.missing != nil {
		out = append(out, model.Diagnostic{Origin: model.Origin{Source: s.source}, Severity: model.Warning, Code: model.CodeStatusUnknown,
			Message: "statuses of Ingresses are not kept up, since the addresses that they should show are not known: " + s.missing.Error()})
	}
	for _, x := range s.shown {
		if x.contests >= mostContests {
			out = append(out, model.Diagnostic{Origin: x.origin, Field: "status.loadBalancer", Severity: model.Warning, Code: model.CodeStatusContested,
				Message: "another controller keeps writing it and has its way: it shows " + x.addresses + "; one of the two should not serve this class"})
		}
	}
	slices.SortFunc(out, model.CompareDiagnostics)
	return out
}
