package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paifang/internal/nacosconn"
	"paifang/internal/nacoswire"
	"paifang/nacos"
)

// outside is an address of this machine that other machines reach.
func outside(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	must(t, err)
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback")
	return ""
}

// login logs in as Java's client does: the name in the query, the password in a form.
func login(t *testing.T, url, user, password string) (status int, token string) {
	t.Helper()
	resp, err := asking.Post(url+"?username="+user, "application/x-www-form-urlencoded", strings.NewReader("password="+password))
	must(t, err)
	defer resp.Body.Close()
	var got struct {
		Token string `json:"accessToken"`
		TTL   int    `json:"tokenTtl"`
		Admin bool   `json:"globalAdmin"`
	}
	if resp.StatusCode == http.StatusOK {
		must(t, json.NewDecoder(resp.Body).Decode(&got))
		if got.Token == "" || got.TTL != 18_000 || got.Admin != (user == "nacos") {
			t.Errorf("%s: %+v", url, got)
		}
	}
	return resp.StatusCode, got.Token
}

// A registry that other machines reach asks who they are, without a word about it in its configuration: the first user's password is
// made once, and written once; who has logged in is let in by HTTP and by gRPC, to what that user may; others are not.
func TestServeOffLoopback(t *testing.T) {
	host := outside(t)
	port := func() string { _, p, _ := strings.Cut(freeAddress(t), ":"); return net.JoinHostPort(host, p) }
	rest, grpc := port(), port()
	p := serve(t, "registry", fmt.Sprintf("registry: {http: %q, grpc: %q}\n", rest, grpc))
	base, password := "http://"+rest+"/nacos", p.password()
	type stat struct {
		text string
		mode os.FileMode
		at   time.Time
	}
	kept := func() map[string]stat {
		t.Helper()
		out := map[string]stat{}
		for _, name := range []string{"password", "secret"} {
			file := filepath.Join(p.dir, "registry", name)
			text, err := os.ReadFile(file)
			must(t, err)
			info, err := os.Stat(file)
			must(t, err)
			out[name] = stat{string(text), info.Mode().Perm(), info.ModTime()}
		}
		return out
	}
	before := kept()
	for name, s := range before {
		if s.mode != 0o600 || len(s.text) < 16 {
			t.Errorf("%s has mode %v and %d bytes", name, s.mode, len(s.text))
		}
	}

	// HTTP.
	instance := url.Values{"serviceName": {"order"}, "ip": {"10.0.0.1"}, "port": {"80"}}
	call := func(method, path, token string) int {
		t.Helper()
		q := url.Values{}
		for k, v := range instance {
			q[k] = v
		}
		if token != "" {
			q.Set("accessToken", token)
		}
		status, _, err := request(method, base+path+"?"+q.Encode())
		must(t, err)
		return status
	}
	for _, path := range []string{"/v1/ns/instance/list", "/v3/client/ns/instance/list", "/v1/auth/users", "/v2/ns/client/list"} {
		if got := call("GET", path, ""); got != 403 {
			t.Errorf("nobody asks for %s: %d", path, got)
		}
	}
	for _, path := range []string{"/v1/ns/operator/metrics", "/v1/console/server/state"} { // how a client finds out that a server is there
		if got := call("GET", path, ""); got != 200 {
			t.Errorf("nobody asks for %s: %d", path, got)
		}
	}
	var token string
	for _, path := range []string{"/v3/auth/user/login", "/v1/auth/users/login", "/v1/auth/login"} {
		status, got := login(t, base+path, "nacos", password)
		if token = got; status != 200 || call("POST", "/v1/ns/instance", token) != 200 || call("GET", "/v1/ns/instance/list", token) != 200 {
			t.Errorf("%s: %d", path, status)
		}
		for _, wrong := range [][2]string{{"nacos", "nacos"}, {"nacos", ""}, {"nobody", password}} {
			if status, _ := login(t, base+path, wrong[0], wrong[1]); status != 403 {
				t.Errorf("%s as %s: %d", path, wrong[0], status)
			}
		}
	}
	if got := call("GET", "/v1/ns/instance/list", token+"x"); got != 403 {
		t.Errorf("with another's token: %d", got)
	}
	// A user who may read in one namespace.
	for _, q := range []string{"user?username=ann&password=ann-has-one", "role?username=ann&role=readers", "permission?role=readers&resource=dev:*:*&action=r"} {
		status, body, err := request("POST", base+"/v3/auth/"+q+"&accessToken="+token)
		must(t, err)
		if status != 200 {
			t.Errorf("%s: %d %s", q, status, body)
		}
	}

	// gRPC, with a token, and without.
	ask := func(who *nacosconn.Login, typ, namespace string) int {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		conn, err := nacosconn.Dial(ctx, nacosconn.Config{Server: grpc, Tokens: nacosconn.NewTokens(who, nil), Handle: func(*nacoswire.Payload) (string, error) { return "", nil }})
		must(t, err)
		defer conn.Close()
		_, err = nacosconn.Call[nacoswire.Response](ctx, conn, typ, nacoswire.InstanceRequest{
			ServiceRef: nacoswire.ServiceRef{Namespace: namespace, GroupName: nacoswire.DefaultGroup, ServiceName: "card"}, Type: nacoswire.RegisterInstance, Instance: nacoswire.NewInstance("10.0.0.2", 80),
		})
		if no := (*nacosconn.ServerError)(nil); errors.As(err, &no) {
			return no.Code
		}
		must(t, err)
		return 0
	}
	ann := &nacosconn.Login{Servers: []string{rest}, Username: "ann", Password: "ann-has-one"}
	first := &nacosconn.Login{Servers: []string{rest}, Username: "nacos", Password: password}
	for _, c := range []struct {
		name           string
		who            *nacosconn.Login
		typ, namespace string
		code           int
	}{
		{"nobody registers", nil, nacoswire.TypeInstance, "public", nacoswire.ErrorNoRight},
		{"nobody reads", nil, nacoswire.TypeServiceQuery, "public", nacoswire.ErrorNoRight},
		{"the first user registers", first, nacoswire.TypeInstance, "dev", 0},
		{"ann reads", ann, nacoswire.TypeServiceQuery, "dev", 0},
		{"ann registers", ann, nacoswire.TypeInstance, "dev", nacoswire.ErrorNoRight},
		{"ann reads elsewhere", ann, nacoswire.TypeServiceQuery, "public", nacoswire.ErrorNoRight},
	} {
		if got := ask(c.who, c.typ, c.namespace); got != c.code {
			t.Errorf("%s: %d, want %d", c.name, got, c.code)
		}
	}

	// A program of ours stays with it through a restart, in which nothing is made again: the password, the secret and the tokens hold.
	c := client(t, nacos.Options{Servers: []string{rest}, GRPC: []string{grpc}, Username: "nacos", Password: password})
	card := nacos.Service{Name: "card"}
	must(t, c.Register(t.Context(), card, nacos.Instance{Addr: at(3).Addr}))
	p.kill()
	p.start()
	p.ready()
	for name, s := range kept() {
		if s != before[name] {
			t.Errorf("%s was written again", name)
		}
	}
	if got := call("GET", "/v1/ns/instance/list", token); got != 200 {
		t.Errorf("the token after the restart: %d", got)
	}
	within(t, 10*time.Second, "it registers again", func() bool {
		_, body, err := get(base + "/v1/ns/instance/statuses?serviceName=card&accessToken=" + token)
		return err == nil && strings.Contains(body, "10.0.0.3:80_true")
	})
	p.kill()
	if log := p.log.String(); strings.Contains(log, password) || strings.Contains(log, token) || strings.Count(log, p.passwordFile()) != 1 {
		t.Errorf("the log has a secret in it, or does not say once where the password is: %s", log)
	}
}
