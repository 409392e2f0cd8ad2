package config

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"paifang/internal/registry/storage"
)

// Query says which configurations are looked for. Patterns have * for any text; what is empty matches everything.
type Query struct {
	Namespace string   // the whole of it
	Group     string   // pattern
	Name      string   // pattern
	Content   string   // pattern
	App       string   // the whole of it
	Types     []string // one of them
	Tags      []string // patterns, of which one matches one of its tags
	Exact     bool     // no * stands for anything
}

// List returns the configurations of a namespace, or of all where it is empty, sorted, without their contents.
func (s *Store) List(namespace string) []Item {
	out := s.pick(Query{Namespace: namespace})
	for i := range out {
		out[i].Content = ""
	}
	return out
}

// Contents that are looked into and not in memory are read in pages, which are forgotten again, by few searches at one time.
const (
	lookPage   = 16 // configurations, each of Options.MaxContent at most
	maxLooks   = 2  // searches
	lookWithin = 10 * time.Second
)

// Search returns the configurations that match, sorted, without their contents. It asks the storage for contents that are looked into and
// not in memory: the error is then ErrBusy where other searches do that and do not end within Options.WriteWait, or where it takes longer than
// 10 s altogether, and those of storage.
func (s *Store) Search(ctx context.Context, q Query) ([]Item, error) {
	found := s.pick(q)
	if q.Content != "" {
		var err error
		if found, err = s.lookInto(ctx, q, found); err != nil {
			return nil, err
		}
	}
	for i := range found {
		found[i].Content = ""
	}
	return found, nil
}

// lookInto keeps what matches by its content.
func (s *Store) lookInto(ctx context.Context, q Query, among []Item) ([]Item, error) {
	out := among[:0:0]
	away := map[string]Item{} // by their keys
	for _, item := range among {
		switch {
		case item.Content == "":
			away[itemKey(item.ID)] = item
		case q.match(q.Content, item.Content):
			out = append(out, item)
		}
	}
	if len(away) == 0 {
		return out, nil
	}
	leave, err := s.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := context.WithTimeoutCause(ctx, lookWithin, fmt.Errorf("%d configurations are not looked into within %s, name a group or a part of the name: %w", len(away), lookWithin, ErrBusy))
	defer cancel()
	keys := slices.Sorted(maps.Keys(away))
	for len(keys) > 0 {
		page, err := s.page(ctx, keys[0])
		if err != nil {
			return nil, fmt.Errorf("config: search: %w", err)
		}
		end := ""
		for _, e := range page {
			item, wanted := away[e.Key]
			if content, err := decode(e.Value); wanted && err == nil && q.match(q.Content, content.Content) {
				out = append(out, item)
			}
			end = e.Key
		}
		if len(page) < lookPage {
			break // there are no more
		}
		for len(keys) > 0 && keys[0] <= end {
			keys = keys[1:]
		}
	}
	slices.SortFunc(out, func(a, b Item) int { return a.ID.Compare(b.ID) })
	return out, nil
}

// turn waits for a place to read contents from the storage.
func (s *Store) turn(ctx context.Context) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, s.opt.WriteWait)
	defer cancel()
	select {
	case s.looks <- struct{}{}:
		return func() { <-s.looks }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("config: search: %d others look into contents: %w", maxLooks, ErrBusy)
	}
}

// page reads some configurations from a key on.
func (s *Store) page(ctx context.Context, from string) ([]storage.Entry, error) {
	inner, cancel := context.WithTimeout(ctx, s.opt.Wait)
	defer cancel()
	page, err := s.kv.Page(inner, itemRoot, from, lookPage)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return page, err
}

// pick returns what matches but for its content.
func (s *Store) pick(q Query) []Item {
	var out []Item
	s.mu.Lock()
	for id, item := range s.items {
		if (q.Namespace == "" || q.Namespace == id.Namespace) && q.match(q.Group, id.Group) && q.match(q.Name, id.Name) && q.labels(item) {
			out = append(out, *item)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(out, func(a, b Item) int { return a.ID.Compare(b.ID) })
	return out
}

func (q *Query) labels(item *Item) bool {
	return (q.App == "" || q.App == item.App) && (len(q.Types) == 0 || slices.Contains(q.Types, item.Type)) &&
		(len(q.Tags) == 0 || slices.ContainsFunc(strings.Split(item.Tags, ","), func(tag string) bool {
			return slices.ContainsFunc(q.Tags, func(pattern string) bool { return pattern != "" && q.match(pattern, strings.TrimSpace(tag)) })
		}))
}

func (q *Query) match(pattern, text string) bool {
	if q.Exact {
		return pattern == "" || pattern == text
	}
	return Matches(pattern, text)
}

// Matches tells whether a text has the form of a pattern with * for any text; empty = any.
func Matches(pattern, text string) bool {
	if pattern == "" {
		return true
	}
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
