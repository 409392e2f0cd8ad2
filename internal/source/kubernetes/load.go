package kubernetes

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/kubernetes/translate"
)

// page is how many objects one answer of a listing has.
const page = 500

// Load reads a cluster once, without following it: the groups in the order of their keys. It writes nothing. Where
// Options.Translate.Adopt is nil, classes of ingress-nginx are taken over, and the name nginx without a class. Where
// Options.Translate.Installed is nil, the controller of ingress-nginx is looked for, and its flags and settings count if there is one.
func Load(ctx context.Context, o Options) ([]source.Group, error) {
	o = o.withDefaults()
	nginx, err := o.discover(ctx)
	if err != nil {
		return nil, err
	}
	classes, err := o.Client.pages(ctx, ingressClasses(), "", "")
	if err != nil {
		return nil, err
	}
	if o.Translate.Adopt == nil {
		o.Translate.AdoptNginx = true
	}
	if o.selects() {
		list, err := o.Client.selected(ctx, namespaces(), o.NamespaceSelector)
		if err != nil {
			return nil, err
		}
		for _, v := range list {
			o.Namespaces = append(o.Namespaces, v.GetName())
		}
		if len(o.Namespaces) == 0 {
			return nil, fmt.Errorf("kubernetes: no namespace has the labels %s", o.NamespaceSelector)
		}
	}
	s := New(o)
	r := &run{Source: s, ctx: ctx}
	all := slices.Concat(classes, nginx.controllers)
	for _, f := range r.plan() {
		list, err := o.Client.pages(ctx, f.resource, f.namespace, f.fields)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	for _, v := range all {
		if err := s.store.Put(translate.Object{Value: v}); err != nil {
			return nil, err
		}
	}
	s.store.Changed()
	for _, ref := range s.store.References() {
		if _, known := s.store.Get(ref.Key); known || !r.reads(ref.Key.Namespace) && !o.Translate.Names(ref.Key) {
			continue
		}
		v, err := o.Client.single(ctx, ref.Key)
		if err != nil {
			return nil, err
		}
		if v != nil {
			if err := s.store.Put(translate.Object{Value: v}); err != nil {
				return nil, err
			}
		}
	}
	groups := s.store.All()
	if len(nginx.notes) > 0 {
		groups = append(groups, source.Group{Key: "search", Objects: &model.Objects{Diagnostics: nginx.notes}})
	}
	return groups, nil
}

// pages lists a kind, a page at a time, trimmed.
func (c *Client) pages(ctx context.Context, res resource, namespace, fields string) ([]translate.Value, error) {
	return c.collect(ctx, &feed{resource: res, namespace: namespace, fields: fields})
}

// selected is pages for the objects of all namespaces that have some labels.
func (c *Client) selected(ctx context.Context, res resource, labels string) ([]translate.Value, error) {
	return c.collect(ctx, &feed{resource: res, labels: labels})
}

// collect lists what a feed would follow.
func (c *Client) collect(ctx context.Context, of *feed) ([]translate.Value, error) {
	var out []translate.Value
	res := of.resource
	o := metav1.ListOptions{Limit: page, FieldSelector: of.fields, LabelSelector: of.labels}
	for {
		list, err := c.list(ctx, res, of.namespace, o)
		if err != nil {
			return nil, reason(of, err)
		}
		err = meta.EachListItem(list, func(x runtime.Object) error {
			if _, err := trim(x); err != nil {
				return err
			}
			v, ok := x.(translate.Value)
			if !ok {
				return fmt.Errorf("kubernetes: %s: the server sent a %T", res.name, x)
			}
			out = append(out, v)
			return nil
		})
		if err != nil {
			return nil, err
		}
		page, err := meta.ListAccessor(list)
		if err != nil {
			return nil, fmt.Errorf("kubernetes: %s: %w", res.name, err)
		}
		if o.Continue = page.GetContinue(); o.Continue == "" {
			return out, nil
		}
	}
}

// single gets a Secret or ConfigMap; nil where there is none.
func (c *Client) single(ctx context.Context, key translate.Key) (translate.Value, error) {
	res := configMaps()
	if key.Kind == translate.KindSecret {
		res = secrets()
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	v := res.object()
	err := c.groups[res.version].Get().Namespace(key.Namespace).Resource(res.name).Name(key.Name).Do(ctx).Into(v)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %s %s/%s: %w", res.name, key.Namespace, key.Name, err)
	}
	_, err = trim(v)
	return v, err
}
