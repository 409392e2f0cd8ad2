package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// role is what a role may do: letters of actions by namespace.
type role map[string]string

const maxGrants = 1000 // namespaces of one role

// AllNamespaces in a Permission stands for every namespace, also those that are made later.
const AllNamespaces = "*"

// Permission lets a role do something in a namespace.
type Permission struct {
	Role      string
	Namespace string
	Actions   string // "r", "w" or "rw"
}

// Permissions returns all, sorted by role and namespace.
func (a *Auth) Permissions() []Permission {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []Permission
	for name, r := range a.roles {
		for ns, actions := range r {
			out = append(out, Permission{name, ns, actions})
		}
	}
	slices.SortFunc(out, func(x, y Permission) int { return strings.Compare(x.Role+" "+x.Namespace, y.Role+" "+y.Namespace) })
	return out
}

// Permit adds actions of a role in a namespace to those it has. Who has the role need not exist yet.
func (a *Auth) Permit(ctx context.Context, p Permission) error {
	if err := checkName("role", p.Role); err != nil {
		return err
	}
	if p.Namespace != AllNamespaces {
		if err := checkName("namespace", p.Namespace); err != nil {
			return err
		}
	}
	if p.Role == AdminRole {
		return fmt.Errorf("auth: permit %s: this role may do everything already: %w", p.Role, ErrInvalid)
	}
	if actions(p.Actions) != p.Actions || p.Actions == "" {
		return fmt.Errorf("auth: permit %s: actions %.16q: want r, w or rw: %w", p.Role, p.Actions, ErrInvalid)
	}
	return a.change(ctx, "permit "+p.Role, roleRoot+p.Role, func(value []byte, found bool) (any, error) {
		r, err := parseRole(value, found)
		if err != nil {
			return nil, err
		}
		if len(r) >= maxGrants {
			return nil, fmt.Errorf("%d namespaces are named: %w", len(r), ErrInvalid)
		}
		r[p.Namespace] = actions(r[p.Namespace] + p.Actions)
		return r, nil
	})
}

// Forbid takes actions of a role in a namespace away.
func (a *Auth) Forbid(ctx context.Context, p Permission) error {
	return a.change(ctx, "forbid "+p.Role, roleRoot+p.Role, func(value []byte, found bool) (any, error) {
		r, err := parseRole(value, found)
		if err != nil {
			return nil, err
		}
		have, ok := r[p.Namespace]
		if !ok {
			return nil, ErrUnknown
		}
		for _, c := range p.Actions {
			have = strings.ReplaceAll(have, string(c), "")
		}
		if r[p.Namespace] = have; have == "" {
			delete(r, p.Namespace)
		}
		return r, nil
	})
}

func parseRole(value []byte, found bool) (role, error) {
	r := role{}
	if found {
		if err := json.Unmarshal(value, &r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// actions brings letters into one form.
func actions(s string) string {
	out := ""
	for _, a := range []Action{Read, Write} {
		if strings.Contains(s, string(a)) {
			out += string(a)
		}
	}
	return out
}
