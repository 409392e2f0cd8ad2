package translate

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/few"
	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/kubernetes/annotation"
	"paifang/internal/source/kubernetes/installation"
)

// Store holds objects and translates what depends on a change. It is not safe for concurrent use: one goroutine owns
// it.
type Store struct {
	opt     Options
	reader  *annotation.Reader    // for Ingresses whose class follows the specification
	nginx   *annotation.Reader    // for those that behave as under ingress-nginx
	set     installation.Settings // of the installation that is taken over
	objects map[Key]*stored
	own     map[string]model.Objects // by group key
	index   index
	pairs   map[Key]*corev1.Secret // TLS Secrets that cannot be used any more, as they were when they could

	dirty   map[string]struct{}        // groups to build again
	readers map[string]few.Set[string] // fact → groups built from it
	groups  map[string]group           // that exist
	named   map[string]struct{}        // facts whose readers changed, see References
}

// group is what is known of a group that was built.
type group struct {
	facts []string       // it was built from
	sent  *model.Objects // what Changed last said of it; nil = nothing
}

// New returns an empty store.
func New(o Options) *Store {
	o = o.withDefaults()
	s := &Store{
		opt: o, set: installation.Defaults(), reader: annotation.NewReader(o.Annotations, annotation.Settings{}), nginx: o.nginxReader(*o.Defaults), objects: map[Key]*stored{}, own: map[string]model.Objects{}, index: index{}, pairs: map[Key]*corev1.Secret{},
		dirty: map[string]struct{}{}, readers: map[string]few.Set[string]{}, groups: map[string]group{}, named: map[string]struct{}{},
	}
	s.installed()
	return s
}

// Put adds an object or replaces the one with its key. The caller must not change it afterwards. It fails on a type that
// is not read.
func (s *Store) Put(o Object) error {
	key, ok := o.Key()
	if !ok {
		return fmt.Errorf("translate: put %T: this type is not read", o.Value)
	}
	fact := key.String()
	if was := s.objects[key]; was != nil {
		fact = was.fact
	}
	s.replace(key, &stored{o, key, fact, s.opt.Source})
	return nil
}

// Delete removes an object.
func (s *Store) Delete(k Key) { s.replace(k, nil) }

// PutOwn adds or replaces one of our own documents, whose key is unique among them: "Route/order". Certificates that
// name a Secret are filled from it.
func (s *Store) PutOwn(key string, o model.Objects) {
	key = "own/" + key
	s.own[key] = o
	s.mark(key)
}

// DeleteOwn removes one of our own documents.
func (s *Store) DeleteOwn(key string) {
	key = "own/" + key
	delete(s.own, key)
	s.mark(key)
}

// replace swaps an object and marks what depends on the old or the new one. now is nil for a deletion.
func (s *Store) replace(k Key, now *stored) {
	old := s.objects[k]
	s.keepPair(k, old, now)
	if now == nil {
		delete(s.objects, k)
		s.note(k.String()) // whoever names it waits for another one
	} else {
		s.objects[k] = now
	}
	if old != nil {
		s.unindex(old)
	}
	if now != nil {
		s.reindex(now)
	}
	s.touch(k.String())
	for _, o := range []*stored{old, now} {
		if o != nil {
			s.markOwnGroups(o)
		}
	}
	if x := s.opt.Installed; x != nil && k == configMapKey(x.ConfigMap) {
		s.configure()
	}
}

// markOwnGroups marks the groups that an object brings into being.
func (s *Store) markOwnGroups(o *stored) {
	k := o.key
	place := k.Namespace + "/" + k.Name
	switch v := o.Value.(type) {
	case *networkingv1.Ingress:
		s.mark("notes/" + k.String())
		for _, h := range ingressHosts(v) {
			s.mark("ingress/" + h + "/" + place)
		}
		for _, t := range v.Spec.TLS {
			if t.SecretName != "" {
				s.mark("tls/" + k.Namespace + "/" + t.SecretName)
			}
		}
	case *networkingv1.IngressClass:
		s.mark("class/" + k.Name)
	case *corev1.Node:
		s.markNodes()
	case *corev1.Service:
		s.mark("service/" + place)
		s.mark("endpoints/" + place)
	default:
		switch k.Kind {
		case KindDeployment, KindDaemonSet:
			if s.opt.Installed == nil && InstalledBy(o.Object, o.source) != nil {
				s.mark("controller/" + string(k.Kind) + "/" + place)
			}
			if k.Kind == KindDeployment && !s.opt.Slices { // whose pods a cluster runs
				s.mark("workload/deployment/" + place)
			}
		case KindPod:
			s.mark("workload/pod/" + place)
		}
	}
}

// make builds a group: its key says how, and of which object.
func (b *builder) make(group string) {
	kind, rest, _ := strings.Cut(group, "/")
	first, second, _ := strings.Cut(rest, "/")
	switch kind {
	case "ingress": // HOST/NAMESPACE/NAME, and a host that is none may hold anything
		name := strings.LastIndexByte(rest, '/')
		namespace := strings.LastIndexByte(rest[:name], '/')
		b.ingressHost(rest[:namespace], Key{KindIngress, rest[namespace+1 : name], rest[name+1:]})
	case "notes":
		namespace, name, _ := strings.Cut(second, "/")
		b.ingressNotes(Key{KindIngress, namespace, name})
	case "class":
		b.classNotes(Key{Kind: KindIngressClass, Name: rest})
	case "tls":
		b.tls(Key{KindSecret, first, second})
	case "service":
		b.service(Key{KindService, first, second})
	case "endpoints":
		b.endpoints(Key{KindService, first, second})
	case "workload":
		namespace, name, _ := strings.Cut(second, "/")
		if first == "deployment" {
			b.deployment(Key{KindDeployment, namespace, name})
		} else {
			b.pod(Key{KindPod, namespace, name})
		}
	case "controller":
		namespace, name, _ := strings.Cut(second, "/")
		b.controllerNotes(Key{Kind(first), namespace, name})
	case "nodes":
		b.nodes(rest)
	case "installation":
		b.installation(rest)
	default:
		b.own(group)
	}
}

func (s *Store) mark(group string) { s.dirty[group] = struct{}{} }

// touch marks every group that was built from a fact.
func (s *Store) touch(fact string) {
	for group := range s.readers[fact].All {
		s.mark(group)
	}
}

// Changed builds what depends on the changes since the last call and returns the groups that came out different, in
// the order of their keys. A group that is gone comes without objects.
func (s *Store) Changed() []source.Group {
	var out []source.Group
	for _, key := range slices.Sorted(maps.Keys(s.dirty)) {
		before := s.groups[key].sent
		now, exists := s.build(key)
		if reflect.DeepEqual(before, now) {
			continue
		}
		if exists {
			s.groups[key] = group{s.groups[key].facts, now}
		}
		out = append(out, source.Group{Key: key, Objects: now})
	}
	s.dirty = map[string]struct{}{} // not emptied: after the first listing that would take as long as there are objects, each time
	return out
}

// All returns every group, in the order of their keys.
func (s *Store) All() []source.Group {
	s.Changed()
	out := make([]source.Group, 0, len(s.groups))
	for _, key := range slices.Sorted(maps.Keys(s.groups)) {
		if sent := s.groups[key].sent; sent != nil {
			out = append(out, source.Group{Key: key, Objects: sent})
		}
	}
	return out
}

// build makes a group, nil where there is nothing in it, and remembers what it was made from, unless what it is for does not exist.
func (s *Store) build(key string) (o *model.Objects, exists bool) {
	before, had := s.groups[key]
	for _, f := range before.facts {
		few.Take(s.readers, f, key)
		s.note(f)
	}
	b := &builder{store: s, facts: map[string]bool{}}
	b.make(key)
	if b.gone {
		if had {
			delete(s.groups, key)
		}
		return nil, false
	}
	facts := slices.AppendSeq(make([]string, 0, len(b.facts)), maps.Keys(b.facts))
	for _, f := range facts {
		few.Put(s.readers, f, key)
		s.note(f)
	}
	s.groups[key] = group{facts, before.sent}
	slices.SortFunc(b.out.Diagnostics, model.CompareDiagnostics)
	if b.out.Empty() {
		return nil, true
	}
	out := b.out // not the builder, which would stay with it
	return &out, true
}
