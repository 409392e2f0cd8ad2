package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// javaBuilds are the programs that were built: their class paths.
var javaBuilds = struct {
	sync.Mutex
	paths map[string]string
}{paths: map[string]string{}}

// needJava skips a test on a machine without JDK or Maven.
func needJava(t *testing.T) {
	t.Helper()
	for _, p := range []string{"java", "javac", "mvn"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("install a JDK 17 and Maven to test Java's clients: %v", err)
		}
	}
}

// javaPath builds the program in a directory, once for each version of nacos-client, and returns its class path.
func javaPath(from, version string) (string, error) {
	javaBuilds.Lock()
	defer javaBuilds.Unlock()
	key := from + version
	if p, ok := javaBuilds.paths[key]; ok {
		return p, nil
	}
	dir := filepath.Join(builds, from+"-"+version)
	list := filepath.Join(dir, "classpath")
	args := []string{"-q", "-B", "-Dbuild.dir=" + dir, "-Dmdep.outputFile=" + list, "compile", "dependency:build-classpath"}
	if version != "" {
		args = append(args, "-Dnacos.version="+version)
	}
	build := exec.Command("mvn", args...)
	build.Dir = from
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mvn compile: %w\n%s", err, out)
	}
	b, err := os.ReadFile(list)
	if err != nil {
		return "", err
	}
	javaBuilds.paths[key] = filepath.Join(dir, "classes") + string(filepath.ListSeparator) + strings.TrimSpace(string(b))
	return javaBuilds.paths[key], nil
}

// javaClient runs nacos-client of a version.
func javaClient(version string) func(*testing.T, access) client {
	return func(t *testing.T, a access) client {
		t.Helper()
		needJava(t)
		path, err := javaPath("java", version)
		if err != nil {
			t.Fatal(err)
		}
		args := []string{
			"-Xmx128m", "-XX:TieredStopAtLevel=1", "-Duser.home=" + a.dir, "-DJM.LOG.PATH=" + filepath.Join(a.dir, "log"),
			"-Dnacos.logging.default.config.enabled=false", fmt.Sprintf("-Dnacos.server.grpc.port.offset=%d", 1000),
		}
		if a.tls != "" {
			args = append(args, "-Dnacos.remote.client.rpc.tls.enable=true", "-Dnacos.remote.client.rpc.tls.trustCollectionChainPath="+a.tls,
				"-Dtls.enable=true", "-Dtls.client.trustCertPath="+a.tls, "-Dtls.client.authServer=true")
		}
		args = append(args, "-cp", path, "interop.Driver", fmt.Sprintf("%s:%d", a.host, a.port), a.namespace, a.username, a.password)
		return launch(t, a, a.dir, "java", args...)
	}
}
