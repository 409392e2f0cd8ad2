package translate

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/model"
	"paifang/internal/source"
)

// Store holds objects and translates what depends on a change. It is not safe for concurrent use: one goroutine owns
// it.
type Store struct {
	opt     Options
	objects map[Key]*stored
	own     map[string]model.Objects // by group key
	index   index

	dirty   map[string]build           // groups to build again
	readers map[string]map[string]bool // fact → groups built from it
	facts   map[string][]string        // group → facts it was built from
	builds  map[string]build           // group → how to build it
	sent    map[string]model.Objects   // group → what Changed last said of it
}

// build makes the objects of one group.
type build func(*builder)

// New returns an empty store.
func New(o Options) *Store {
	return &Store{
		opt: o.withDefaults(), objects: map[Key]*stored{}, own: map[string]model.Objects{}, index: index{},
		dirty: map[string]build{}, readers: map[string]map[string]bool{}, facts: map[string][]string{},
		builds: map[string]build{}, sent: map[string]model.Objects{},
	}
}

// Put adds an object or replaces the one with its key. The caller must not change it afterwards. It fails on a type that
// is not read.
func (s *Store) Put(o Object) error {
	key, ok := o.Key()
	if !ok {
		return fmt.Errorf("translate: put %T: this type is not read", o.Value)
	}
	s.replace(key, s.stored(o, key))
	return nil
}

// Delete removes an object.
func (s *Store) Delete(k Key) { s.replace(k, nil) }

// PutOwn adds or replaces one of our own documents, whose key is unique among them: "Route/order". Certificates that
// name a Secret are filled from it.
func (s *Store) PutOwn(key string, o model.Objects) {
	key = "own/" + key
	s.own[key] = o
	s.mark(key, func(b *builder) { b.own(key) })
}

// DeleteOwn removes one of our own documents.
func (s *Store) DeleteOwn(key string) {
	key = "own/" + key
	delete(s.own, key)
	s.mark(key, func(b *builder) { b.own(key) })
}

// replace swaps an object and marks what depends on the old or the new one. now is nil for a deletion.
func (s *Store) replace(k Key, now *stored) {
	old := s.objects[k]
	if now == nil {
		delete(s.objects, k)
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
}

// markOwnGroups marks the groups that an object brings into being.
func (s *Store) markOwnGroups(o *stored) {
	k := o.key
	switch v := o.Value.(type) {
	case *networkingv1.Ingress:
		s.mark("notes/"+k.String(), func(b *builder) { b.ingressNotes(k) })
		for _, h := range ingressHosts(v) {
			s.mark("ingress/"+h, func(b *builder) { b.ingressHost(h) })
		}
		for _, t := range v.Spec.TLS {
			if t.SecretName != "" {
				secret := Key{KindSecret, k.Namespace, t.SecretName}
				s.mark("tls/"+k.Namespace+"/"+t.SecretName, func(b *builder) { b.tls(secret) })
			}
		}
	case *networkingv1.IngressClass:
		s.mark("class/"+k.Name, func(b *builder) { b.classNotes(k) })
	case *corev1.Service:
		s.mark("service/"+k.Namespace+"/"+k.Name, func(b *builder) { b.service(k) })
		s.mark("endpoints/"+k.Namespace+"/"+k.Name, func(b *builder) { b.endpoints(k) })
	default:
		switch k.Kind {
		case KindDeployment:
			s.mark("workload/deployment/"+k.Namespace+"/"+k.Name, func(b *builder) { b.deployment(k) })
		case KindPod:
			s.mark("workload/pod/"+k.Namespace+"/"+k.Name, func(b *builder) { b.pod(k) })
		}
	}
}

func (s *Store) mark(group string, how build) {
	s.dirty[group] = how
}

// touch marks every group that was built from a fact.
func (s *Store) touch(fact string) {
	for group := range s.readers[fact] {
		s.dirty[group] = s.builds[group]
	}
}

// Changed builds what depends on the changes since the last call and returns the groups that came out different, in
// the order of their keys. A group that is gone comes without objects.
func (s *Store) Changed() []source.Group {
	var out []source.Group
	for _, key := range slices.Sorted(maps.Keys(s.dirty)) {
		now := s.build(key, s.dirty[key])
		before, had := s.sent[key]
		empty := now.Empty()
		switch {
		case empty && !had, !empty && had && reflect.DeepEqual(before, now):
			continue
		case empty:
			delete(s.sent, key)
		default:
			s.sent[key] = now
		}
		out = append(out, source.Group{Key: key, Objects: now})
	}
	clear(s.dirty)
	return out
}

// All returns every group, in the order of their keys.
func (s *Store) All() []source.Group {
	s.Changed()
	out := make([]source.Group, 0, len(s.sent))
	for _, key := range slices.Sorted(maps.Keys(s.sent)) {
		out = append(out, source.Group{Key: key, Objects: s.sent[key]})
	}
	return out
}

// build makes a group and remembers what it was made from.
func (s *Store) build(group string, how build) model.Objects {
	for _, f := range s.facts[group] {
		delete(s.readers[f], group)
		if len(s.readers[f]) == 0 {
			delete(s.readers, f)
		}
	}
	b := &builder{store: s, facts: map[string]bool{}}
	how(b)
	if b.gone {
		delete(s.facts, group)
		delete(s.builds, group)
		return model.Objects{}
	}
	s.builds[group] = how
	s.facts[group] = slices.Collect(maps.Keys(b.facts))
	for f := range b.facts {
		if s.readers[f] == nil {
			s.readers[f] = map[string]bool{}
		}
		s.readers[f][group] = true
	}
	slices.SortFunc(b.out.Diagnostics, model.CompareDiagnostics)
	return b.out
}
