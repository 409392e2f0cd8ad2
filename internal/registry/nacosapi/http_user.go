package nacosapi

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/auth"
	"paifang/internal/registry/config"
)

// users is what administrators keep users, roles and permissions with, of v1 and of v3. Paths and parameters are the same but
// for the names.
func users() []endpoint {
	var out []endpoint
	for _, v := range []struct {
		user, role, permission string
		result                 bool
	}{
		{"/v1/auth/users", "/v1/auth/roles", "/v1/auth/permissions", false},
		{"/v1/auth", "", "", false}, // users, by their older name
		{"/v3/auth/user", "/v3/auth/role", "/v3/auth/permission", true},
	} {
		out = append(
			out,
			endpoint{method: "POST", path: v.user, need: admin, handle: done("create user ok!", createUser), result: v.result},
			endpoint{method: "PUT", path: v.user, need: knows, handle: done("update user ok!", setPassword), result: v.result},
			endpoint{method: "DELETE", path: v.user, need: admin, handle: done("delete user ok!", removeUser), result: v.result},
			endpoint{method: "GET", path: v.user + "/search", need: admin, handle: withUsers(searchUsers), result: v.result},
		)
		if v.role == "" {
			out = append(out, endpoint{method: "GET", path: v.user, need: admin, handle: withUsers(listUsers)})
			continue
		}
		out = append(
			out,
			endpoint{method: "GET", path: v.role + "/search", need: admin, handle: withUsers(searchRoles), result: v.result},
			endpoint{method: "POST", path: v.role, need: admin, handle: done("add role ok!", giveRole), result: v.result},
			endpoint{method: "DELETE", path: v.role, need: admin, handle: done("delete role ok!", takeRole), result: v.result},
			endpoint{method: "POST", path: v.permission, need: admin, handle: done("add permission ok!", permit), result: v.result},
			endpoint{method: "DELETE", path: v.permission, need: admin, handle: done("delete permission ok!", forbid), result: v.result},
		)
		for suffix, read := range map[string]handler{v.user: listUsers, v.role: listRoles, v.permission: listPermissions} {
			if v.result {
				suffix += "/list"
			}
			out = append(out, endpoint{method: "GET", path: suffix, need: admin, handle: withUsers(read), result: v.result})
		}
	}
	return append(out, endpoint{method: "GET", path: "/v3/auth/permission", need: admin, handle: withUsers(isPermitted), result: true})
}

// withUsers refuses where there are no users.
func withUsers(f handler) handler {
	return func(c call) (any, error) {
		if c.server.cfg.Auth == nil {
			return nil, errNoUsers()
		}
		return f(c)
	}
}

func errNoUsers() error {
	return fmt.Errorf("nacosapi: authentication is switched off: %w", auth.ErrForbidden)
}

// told is the answer to a change of users by v1; since v3 it is the message alone.
type told struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data"`
}

// done makes a handler of a change, and answers with a message.
func done(message string, f func(context.Context, *auth.Auth, call) error) handler {
	return func(c call) (any, error) {
		a := c.server.cfg.Auth
		if a == nil {
			return nil, errNoUsers()
		}
		if err := f(c.r.Context(), a, c); err != nil {
			return nil, err
		}
		if strings.Contains(c.r.URL.Path, "/v1/") {
			return told{Code: 200, Message: message}, nil
		}
		return message, nil
	}
}

func createUser(ctx context.Context, a *auth.Auth, c call) error {
	return a.CreateUser(ctx, c.q.Get("username"), c.q.Get("password"))
}

// setPassword is for oneself, and for others only by administrators.
func setPassword(ctx context.Context, a *auth.Auth, c call) error {
	name := c.q.Get("username")
	if !c.who.Admin && c.who.User != name {
		return fmt.Errorf("nacosapi: password of %.64q: user %q is no administrator: %w", name, c.who.User, auth.ErrForbidden)
	}
	return a.SetPassword(ctx, name, c.q.Get("newPassword"))
}

func removeUser(ctx context.Context, a *auth.Auth, c call) error {
	return a.RemoveUser(ctx, c.q.Get("username"))
}

func giveRole(ctx context.Context, a *auth.Auth, c call) error {
	return a.GiveRole(ctx, c.q.Get("username"), c.q.Get("role"))
}

// takeRole takes a role from a user, or, as v1 allows it, from everybody.
func takeRole(ctx context.Context, a *auth.Auth, c call) error {
	role, name := c.q.Get("role"), c.q.Get("username")
	if name != "" {
		return a.TakeRole(ctx, name, role)
	}
	for _, u := range a.Users() {
		if !slices.Contains(u.Roles, role) {
			continue
		}
		if err := a.TakeRole(ctx, u.Name, role); err != nil {
			return err
		}
	}
	return nil
}

// permission reads the parameters. A resource is "NAMESPACE:*:*", with nothing or "public" for the public namespace, as consoles write it, or
// "*:*:*" for all of them. One that names a group or a configuration is refused: it would be granted for the whole of its namespace.
func permission(c call) (auth.Permission, error) {
	resource := c.q.Get("resource")
	namespace, ok := strings.CutSuffix(resource, ":*:*")
	if !ok || strings.Contains(namespace, ":") {
		return auth.Permission{}, fmt.Errorf("nacosapi: resource %.128q: want NAMESPACE:*:* or *:*:*, permissions are for whole namespaces: %w", resource, registry.ErrInvalid)
	}
	return auth.Permission{Role: c.q.Get("role"), Namespace: nacoswire.NonEmpty(namespace, nacoswire.PublicNamespace), Actions: c.q.Get("action")}, nil
}

func permit(ctx context.Context, a *auth.Auth, c call) error {
	p, err := permission(c)
	if err != nil {
		return err
	}
	return a.Permit(ctx, p)
}

func forbid(ctx context.Context, a *auth.Auth, c call) error {
	p, err := permission(c)
	if err != nil {
		return err
	}
	return a.Forbid(ctx, p)
}

type shownUser struct {
	Username string `json:"username"`
	Password string `json:"password"` // never more than stars
}

type shownRole struct {
	Role     string `json:"role"`
	Username string `json:"username"`
}

type shownPermission struct {
	Role     string `json:"role"`
	Resource string `json:"resource"`
	Action   string `json:"action"`
}

// wanted tells whether a value is what a parameter says, or, with search=blur, of its form, in which * stands for any text. A parameter that
// is not there wants all.
func (c call) wanted(name, value string) bool {
	want := c.q.Get(name)
	if strings.EqualFold(c.q.Get("search"), "blur") {
		return config.Matches(want, value)
	}
	return want == "" || want == value
}

func listUsers(c call) (any, error) {
	var out []shownUser
	for _, u := range c.server.cfg.Auth.Users() {
		if c.wanted("username", u.Name) {
			out = append(out, shownUser{u.Name, "******"})
		}
	}
	no, size := c.paging()
	return newPage(out, no, size), nil
}

// searchUsers are the names of users that have a text in them, searchRoles those of roles.
func searchUsers(c call) (any, error) {
	out := []string{}
	for _, u := range c.server.cfg.Auth.Users() {
		if strings.Contains(u.Name, c.q.Get("username")) {
			out = append(out, u.Name)
		}
	}
	return out, nil
}

func searchRoles(c call) (any, error) {
	out := []string{}
	for _, u := range c.server.cfg.Auth.Users() {
		for _, r := range u.Roles {
			if strings.Contains(r, c.q.Get("role")) {
				out = append(out, r)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// isPermitted tells whether a permission is there already.
func isPermitted(c call) (any, error) {
	want, err := permission(c)
	if err != nil {
		return nil, err
	}
	for _, p := range c.server.cfg.Auth.Permissions() {
		if p.Role == want.Role && p.Namespace == want.Namespace && strings.Contains(p.Actions, want.Actions) {
			return true, nil
		}
	}
	return false, nil
}

func listRoles(c call) (any, error) {
	var out []shownRole
	for _, u := range c.server.cfg.Auth.Users() {
		for _, r := range u.Roles {
			if c.wanted("username", u.Name) && c.wanted("role", r) {
				out = append(out, shownRole{r, u.Name})
			}
		}
	}
	no, size := c.paging()
	return newPage(out, no, size), nil
}

// listPermissions answers, as v1 does, to a resource without a search whether it is permitted.
func listPermissions(c call) (any, error) {
	if strings.Contains(c.r.URL.Path, "/v1/") && c.q.Get("search") == "" && c.q.Has("resource") {
		yes, err := isPermitted(c)
		return result{Message: "success", Data: yes}, err
	}
	var out []shownPermission
	for _, p := range c.server.cfg.Auth.Permissions() {
		if c.wanted("role", p.Role) {
			out = append(out, shownPermission{p.Role, p.Namespace + ":*:*", p.Actions})
		}
	}
	no, size := c.paging()
	return newPage(out, no, size), nil
}
