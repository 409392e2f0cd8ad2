package nacosapi

import (
	"slices"
	"strings"
	"testing"
)

// Who may write one group of a namespace must not be let into the rest of it without anybody's saying so.
func TestPermissionsAreForNamespaces(t *testing.T) {
	f := guarded(t)
	root := f.login(t, "nacos", "the administrator's")
	of := func(resource, action string) []string {
		return []string{"role", "OPS", "resource", resource, "action", action, "accessToken", root}
	}
	for _, path := range []string{"/v1/auth/permissions", "/v3/auth/permission"} {
		for _, resource := range []string{"prod:G:*", "prod:*:config/a", "prod:*", "prod", "garbage", "", ":", "a:b:*:*", "prod:*:*:*"} {
			for _, method := range []string{"POST", "DELETE"} {
				if status, body := f.curl(t, method, path, params(of(resource, "rw")...)); status != 400 || !strings.Contains(body, "want NAMESPACE:*:* or *:*:*") {
					t.Errorf("%s %s of %q: %d %s", method, path, resource, status, body)
				}
			}
		}
		for resource, shown := range map[string]string{"prod:*:*": "prod:*:*", ":*:*": "public:*:*", "public:*:*": "public:*:*", "*:*:*": "*:*:*"} {
			f.steps(t,
				step{"POST", path, params(of(resource, "r")...), 200, "ok"},
				step{"GET", "/v3/auth/permission/list", params("role", "OPS", "accessToken", root), 200, `[{"role":"OPS","resource":"` + shown + `","action":"r"}]`},
				step{"GET", "/v1/auth/permissions", params(of(resource, "r")...), 200, `"data":true`},
				step{"GET", "/v1/auth/permissions", params(of(resource, "w")...), 200, `"data":false`},
				step{"DELETE", path, params(of(resource, "r")...), 200, "ok"},
			)
		}
	}
	f.steps(t,
		step{"GET", "/v1/auth/permissions", params("role", "OPS", "accessToken", root), 200, `"pageItems":[]`},
		step{"GET", "/v1/auth/permissions", params("role", "DEVELOPER", "accessToken", root), 200, `"resource":"dev:*:*","action":"r"},{"role":"DEVELOPER","resource":"test:*:*"`},
	)
}

// Lists of users, roles and permissions have what is asked for and nothing else.
func TestListsOfUsersAreFiltered(t *testing.T) {
	f := guarded(t)
	root := f.login(t, "nacos", "the administrator's")
	f.steps(t,
		step{"POST", "/v1/auth/users", params("username", "anna", "password", "anna's password", "accessToken", root), 200, "ok"},
		step{"POST", "/v1/auth/roles", params("username", "anna", "role", "DEV_OPS", "accessToken", root), 200, "ok"},
		step{"POST", "/v1/auth/permissions", params("role", "DEV_OPS", "resource", "dev:*:*", "action", "r", "accessToken", root), 200, "ok"},
	)
	const users, roles, permissions = 0, 1, 2
	paths := [][]string{
		{"/v1/auth/users", "/v1/auth", "/v3/auth/user/list"},
		{"/v1/auth/roles", "/v3/auth/role/list"},
		{"/v1/auth/permissions", "/v3/auth/permission/list"},
	}
	everything := []string{`"username":"ann"`, `"username":"anna"`, `"username":"nacos"`, `"role":"DEVELOPER"`, `"role":"DEV_OPS"`, `"role":"ROLE_ADMIN"`}
	for _, c := range []struct {
		of   int
		ask  []string
		want []string
	}{
		{users, nil, everything[:3]},
		{users, []string{"username", "ann"}, everything[:1]},
		{users, []string{"username", "ann", "search", "accurate"}, everything[:1]},
		{users, []string{"username", "ann*", "search", "accurate"}, nil},
		{users, []string{"username", "ann*", "search", "blur"}, everything[:2]},
		{users, []string{"username", "ann", "search", "blur"}, everything[:1]},
		{users, []string{"username", "", "search", "blur"}, everything[:3]},
		{roles, []string{"username", "ann"}, []string{everything[0], everything[3]}},
		{roles, []string{"role", "DEV*", "search", "blur"}, []string{everything[0], everything[1], everything[3], everything[4]}},
		{roles, []string{"role", "DEV*", "username", "anna", "search", "blur"}, []string{everything[1], everything[4]}},
		{roles, []string{"role", "DEV"}, nil},
		{permissions, []string{"role", "DEVELOPER"}, everything[3:4]},
		{permissions, []string{"role", "DEV?O*", "search", "blur"}, nil},
		{permissions, []string{"role", "*OPS", "search", "blur"}, everything[4:5]},
	} {
		for _, path := range paths[c.of] {
			status, body := f.curl(t, "GET", path, params(append(c.ask, "accessToken", root)...))
			if status != 200 {
				t.Fatal(path, status, body)
			}
			for _, one := range everything {
				if want := slices.Contains(c.want, one); strings.Contains(body, one) != want {
					t.Errorf("GET %s %v: %s in it: %t: %s", path, c.ask, one, !want, body)
				}
			}
		}
	}
}
