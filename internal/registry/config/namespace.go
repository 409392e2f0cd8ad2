package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"paifang/internal/registry/storage"
)

// Public is the namespace that is always there.
const Public = "public"

const maxNamespaces = 1000

// Namespace separates configurations and services of different owners. One that was never made can be used all the same; making
// it gives it a name to be shown by.
type Namespace struct {
	ID          string `json:"-"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

func parseNamespace(e storage.Entry) (Namespace, bool) {
	id, ok := strings.CutPrefix(e.Key, nameRoot)
	n := Namespace{ID: id}
	return n, ok && json.Unmarshal(e.Value, &n) == nil
}

// Namespaces returns those that were made and the public one, which comes first.
func (s *Store) Namespaces() []Namespace {
	s.mu.Lock()
	out := make([]Namespace, 0, len(s.namespaces)+1)
	for _, n := range s.namespaces {
		out = append(out, n)
	}
	s.mu.Unlock()
	slices.SortFunc(out, func(a, b Namespace) int { return strings.Compare(a.ID, b.ID) })
	return slices.Insert(out, 0, Namespace{ID: Public, Name: Public})
}

// Count is the number of configurations in a namespace.
func (s *Store) Count(namespace string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[namespace]
}

// CreateNamespace makes a namespace; one that is there, the public one included, is ErrConflict.
func (s *Store) CreateNamespace(ctx context.Context, n Namespace) error {
	if n.ID == Public {
		return fmt.Errorf("config: create namespace %s: %w", n.ID, ErrConflict)
	}
	s.mu.Lock()
	full := len(s.namespaces) >= maxNamespaces
	s.mu.Unlock()
	if full {
		return fmt.Errorf("config: create namespace %s: %d are there: %w", n.ID, maxNamespaces, ErrLimit)
	}
	return s.writeNamespace(ctx, "create", n, true)
}

// ChangeNamespace gives a namespace another name and description; ErrUnknown where it was not made.
func (s *Store) ChangeNamespace(ctx context.Context, n Namespace) error {
	return s.writeNamespace(ctx, "change", n, false)
}

func (s *Store) writeNamespace(ctx context.Context, verb string, n Namespace, fresh bool) error {
	if err := check("namespace", n.ID, maxNamespace); err != nil {
		return err
	}
	if n.Name == "" || len(n.Name) > 256 || len(n.Description) > 1024 || !utf8.ValidString(n.Name+n.Description) {
		return fmt.Errorf("config: %s namespace %s: want a name of 1 to 256 bytes and a description of at most 1024: %w", verb, n.ID, ErrInvalid)
	}
	if strings.ContainsAny(n.Name, "@#$%^&*") { // as Nacos has it
		return fmt.Errorf("config: %s namespace %s: the name has one of @#$%%^&* in it: %w", verb, n.ID, ErrInvalid)
	}
	ctx, cancel := context.WithTimeout(ctx, s.opt.WriteWait)
	defer cancel()
	have, found, err := s.kv.Get(ctx, nameRoot+n.ID)
	switch {
	case err != nil:
	case fresh && found:
		err = ErrConflict
	case !fresh && !found:
		err = ErrUnknown
	}
	if err == nil {
		var value []byte
		if value, err = json.Marshal(n); err == nil {
			err = s.writeAt(ctx, storage.Condition{Key: nameRoot + n.ID, Revision: have.Revision}, storage.Put(nameRoot+n.ID, value))
		}
	}
	if err != nil {
		return fmt.Errorf("config: %s namespace %s: %w", verb, n.ID, err)
	}
	return nil
}

// RemoveNamespace takes a namespace away, and false where it is not there. One with configurations in it is ErrConflict.
func (s *Store) RemoveNamespace(ctx context.Context, id string) (bool, error) {
	if n := s.Count(id); n > 0 {
		return false, fmt.Errorf("config: remove namespace %s: %d configurations are in it: %w", id, n, ErrConflict)
	}
	ctx, cancel := context.WithTimeout(ctx, s.opt.WriteWait)
	defer cancel()
	have, found, err := s.kv.Get(ctx, nameRoot+id)
	if err == nil && found {
		err = s.writeAt(ctx, storage.Condition{Key: have.Key, Revision: have.Revision}, storage.Delete(have.Key))
	}
	if err != nil {
		return false, fmt.Errorf("config: remove namespace %s: %w", id, err)
	}
	return found, nil
}

// writeAt commits one change and waits until it is known here.
func (s *Store) writeAt(ctx context.Context, c storage.Condition, change storage.Change) error {
	revision, err := s.kv.Commit(ctx, []storage.Condition{c}, change)
	if errors.Is(err, storage.ErrConflict) {
		return ErrConflict
	}
	if err != nil {
		return err
	}
	return s.mirror.Await(ctx, revision)
}
