package config

import (
	"context"
	"errors"
	"slices"
	"strings"
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

// Search returns the configurations that match, sorted, without their contents. It asks the storage for contents that are looked into and
// not in memory, and fails as Get does.
func (s *Store) Search(ctx context.Context, q Query) ([]Item, error) {
	found := s.pick(q)
	out := found[:0]
	for _, item := range found {
		if q.Content != "" {
			if item.Content == "" {
				full, _, err := s.Get(ctx, item.ID)
				if errors.Is(err, ErrUnknown) {
					continue // removed just now
				}
				if err != nil {
					return nil, err
				}
				item.Content = full.Content
			}
			if !q.match(q.Content, item.Content) {
				continue
			}
		}
		item.Content = ""
		out = append(out, item)
	}
	return out, nil
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
	return match(pattern, text)
}

// match tells whether a text has the form of a pattern with * for any text; empty = any.
func match(pattern, text string) bool {
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
