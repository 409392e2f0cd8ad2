package interop

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A Spring Boot application with Spring Cloud Alibaba's starter registers itself and is reached through the gateway; when it ends
// it is out at once.
func TestSpringBoot(t *testing.T) {
	needJava(t)
	path, err := javaPath("spring", "")
	if err != nil {
		t.Fatal(err)
	}
	gateway := free(t, 1)[0]
	v := newServer(t, settings{top: fmt.Sprintf("gateway: {http: %q, service: \"-\"}\nsources: {routes: [routes.yml]}\n", gateway), files: map[string]string{"routes.yml": `
spring:
  cloud:
    gateway:
      routes:
        - id: order
          uri: lb://order-service
          predicates: [Path=/order/**]
          filters: [StripPrefix=1]
`}})
	dir := t.TempDir()
	var log buffer
	app := exec.Command("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-Duser.home="+dir, "-DJM.LOG.PATH="+filepath.Join(dir, "log"), "-cp", path, "interop.Application",
		"--spring.application.name=order-service", "--server.port=0", "--server.address=127.0.0.1", "--spring.main.banner-mode=off",
		fmt.Sprintf("--spring.cloud.nacos.discovery.server-addr=127.0.0.1:%d", v.port), "--spring.cloud.nacos.discovery.ip=127.0.0.1")
	app.Dir, app.Stdout, app.Stderr = dir, &log, &log
	must(t, app.Start())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = app.Wait() }()
	t.Cleanup(func() {
		_ = app.Process.Kill()
		<-ended
		if t.Failed() {
			t.Log(log.String())
		}
	})
	ask := func() (int, string) {
		resp, err := http.Get("http://" + gateway + "/order/hello")
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0, err.Error()
		}
		return resp.StatusCode, string(b)
	}
	eventually(t, 60*time.Second, "the application answers through the gateway", func() (bool, string) {
		status, body := ask()
		return status == 200 && body == "hello from spring, asked as "+gateway, fmt.Sprint(status, body)
	})
	list := v.call(t, "GET", "/v1/ns/instance/list", "serviceName", "order-service")
	if !containsAll(list, `"preserved.register.source":"SPRING_CLOUD"`, `"ephemeral":true`) {
		t.Error(list)
	}
	must(t, app.Process.Kill())
	<-ended
	eventually(t, 2*time.Second, "the gateway knows that it is gone", func() (bool, string) {
		status, body := ask()
		return status == 503, fmt.Sprint(status, body)
	})
}
