package registry

import (
	"archive/zip"
	"bufio"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"paifang/nacos"
)

// nacosVariable is the path of a nacos-server.jar of Nacos 2 or 3; several, as in PATH. None is there by itself: it is built from the sources,
// which takes minutes.
const nacosVariable = "PAIFANG_NACOS_JAR"

// maker starts a Nacos of one version; guarded: clients log in.
type maker struct {
	name string
	make func(t *testing.T, guarded bool) *foreign
}

func makers(t *testing.T) []maker {
	t.Helper()
	var out []maker
	for _, jar := range filepath.SplitList(os.Getenv(nacosVariable)) {
		version, modern := inside(t, jar)
		out = append(out, maker{"Nacos " + version, func(t *testing.T, guarded bool) *foreign { return javaNacos(t, jar, modern, guarded) }})
	}
	if len(out) == 0 {
		t.Skipf("set %s to the path of a nacos-server.jar: docs/registry.md says how it is built", nacosVariable)
	}
	return out
}

// inside reads which Nacos a jar has in it.
func inside(t *testing.T, jar string) (version string, modern bool) {
	t.Helper()
	z, err := zip.OpenReader(jar)
	must(t, err)
	defer z.Close()
	f, err := z.Open("META-INF/MANIFEST.MF")
	must(t, err)
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		if name == "Implementation-Version" {
			version = value
		}
	}
	major, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(major)
	if err != nil || n < 2 {
		t.Fatalf("%s: version %q: want Nacos 2 or later", jar, version)
	}
	return version, n >= 3
}

// foreign is a registry that we did not write.
type foreign struct {
	*process
	port     int    // of HTTP; gRPC is 1000 above
	admin    string // path of the calls that edit instances
	password string // of the user nacos; empty: nobody logs in
}

func (f *foreign) server() string { return fmt.Sprintf("127.0.0.1:%d", f.port) }

func (f *foreign) options() nacos.Options {
	o := nacos.Options{Servers: []string{f.server()}}
	if f.password != "" {
		o.Username, o.Password = "nacos", f.password
	}
	return o
}

// call makes a request of the HTTP API as any program would, and wants 200.
func (f *foreign) call(t *testing.T, method, path string, pairs ...string) string {
	t.Helper()
	status, body, err := f.ask(method, path, pairs...)
	if err != nil || status != 200 {
		t.Fatalf("%s %s %v: %d %v %s", method, path, pairs, status, err, body)
	}
	return body
}

func (f *foreign) ask(method, path string, pairs ...string) (status int, body string, err error) {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	if f.password != "" {
		form.Set("accessToken", f.token())
	}
	return request(method, "http://"+f.server()+"/nacos"+path+"?"+form.Encode())
}

// token is one of the user nacos; empty where there is none to be had yet.
func (f *foreign) token() string {
	_, body, err := request("POST", "http://"+f.server()+"/nacos/v1/auth/login?"+url.Values{"username": {"nacos"}, "password": {f.password}}.Encode())
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(body, `"accessToken":"`)
	token, _, _ := strings.Cut(rest, `"`)
	return token
}

// register has a plain program register an instance by HTTP; more are further parameters.
func (f *foreign) register(t *testing.T, service, addr string, more ...string) {
	t.Helper()
	ip, port, _ := net.SplitHostPort(addr)
	f.call(t, "POST", "/v1/ns/instance", append([]string{"serviceName", service, "ip", ip, "port", port}, more...)...)
}

// edit changes an instance as an operator does.
func (f *foreign) edit(t *testing.T, service, addr string, more ...string) {
	t.Helper()
	ip, port, _ := net.SplitHostPort(addr)
	f.call(t, "PUT", f.admin, append([]string{"serviceName", service, "ip", ip, "port", port, "ephemeral", "true"}, more...)...)
}

// takes tells whether it takes registrations: a port that answers is not enough.
func (f *foreign) takes() bool {
	status, body, err := request("GET", "http://"+f.server()+"/nacos/v1/ns/operator/metrics")
	return err == nil && status == 200 && strings.Contains(body, "UP")
}

// portOf is a free port whose neighbours that a registry takes as well are free. It is none of those that the system gives away by itself:
// some registries take a minute until they listen.
func portOf(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port, free := 11_000+rand.IntN(18_000), true
		for _, offset := range []int{-1000, 0, 1000, 1001} {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+offset))
			if free = free && err == nil; err == nil {
				l.Close()
			}
		}
		if free {
			return port
		}
	}
	t.Fatal("no free ports")
	return 0
}

func javaNacos(t *testing.T, jar string, modern, guarded bool) *foreign {
	t.Helper()
	file, err := exec.LookPath("java")
	must(t, err)
	f := &foreign{process: &process{t: t, name: "Nacos", dir: t.TempDir(), within: 6 * time.Minute}, port: portOf(t), admin: "/v1/ns/instance"}
	first := "/v1/auth/users/admin"
	properties := map[string]string{
		"nacos.standalone": "true", "nacos.home": f.dir, "user.home": f.dir, "nacos.inetutils.ip-address": "127.0.0.1", "server.address": "127.0.0.1",
		"server.tomcat.basedir": f.dir, "db.pool.config.connectionTimeout": "60000", "nacos.core.auth.enabled": strconv.FormatBool(guarded), "nacos.core.auth.system.type": "nacos",
		"nacos.core.auth.server.identity.key": "test", "nacos.core.auth.server.identity.value": "test",
		"nacos.core.auth.plugin.nacos.token.secret.key": base64.StdEncoding.EncodeToString([]byte(strings.Repeat("secret", 8))),
	}
	if modern {
		f.admin, first = "/v3/admin/ns/instance", "/v3/auth/user/admin"
		properties["nacos.server.main.port"], properties["nacos.deployment.type"] = strconv.Itoa(f.port), "server"
		properties["nacos.core.auth.admin.enabled"] = strconv.FormatBool(guarded)
	} else {
		properties["server.port"] = strconv.Itoa(f.port)
	}
	args := []string{"-Xms256m", "-Xmx512m"}
	for name, value := range properties {
		args = append(args, "-D"+name+"="+value)
	}
	f.command = func() (*exec.Cmd, error) {
		cmd := exec.Command(file, append(args, "-jar", jar)...)
		cmd.Dir = f.dir
		return cmd, nil
	}
	f.up = f.takes
	f.begin()
	if guarded {
		f.password = "only-for-a-test"
		status, body, err := request("POST", "http://"+f.server()+"/nacos"+first+"?password="+f.password)
		if err != nil || status != 200 {
			t.Fatalf("the first user is not made: %d %v %s", status, err, body)
		}
	}
	return f
}
