package system

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// runPod is the program of the counting pods. It answers "pod number node", notes every request it sees with its time,
// registers itself over HTTP as SERVICE and beats once a second, as a Nacos 1.x client does every five.
func runPod() int {
	env := os.Getenv
	counts, err := os.OpenFile(filepath.Join(env("COUNT_DIR"), env("POD_NAME")+".count"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	at := net.JoinHostPort(env("POD_IP"), "8080")
	l, err := net.Listen("tcp", at)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	delay, _ := time.ParseDuration(env("DELAY"))
	var ending atomic.Bool
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ending.Load() {
			w.Header().Set("Connection", "close")
		}
		if r.URL.Path == "/healthz" {
			return
		}
		n := pathNumber(r.URL.Path)
		_, _ = fmt.Fprintf(counts, "%d %d %s\n", n, time.Now().UnixMicro(), r.URL.RequestURI())
		if ms, err := strconv.Atoi(r.URL.Query().Get("ms")); err == nil {
			time.Sleep(time.Duration(ms) * time.Millisecond)
		} else {
			time.Sleep(delay)
		}
		w.Header().Set("X-Seen-Uri", r.RequestURI)
		w.Header().Set("X-Seen-Order", strings.Join(r.Header.Values("X-Order"), ","))
		w.Header().Set("X-Seen-From", strings.Join(r.Header.Values("X-From"), ","))
		w.Header().Set("X-Seen-Host", r.Host)
		w.Header().Set("X-Seen-Pod", env("POD_NAME"))
		w.Header().Set("X-Seen-Client", r.Header.Get("X-Forwarded-For"))
		_, _ = fmt.Fprintf(w, "%s %d %s", env("POD_NAME"), n, r.Header.Get("X-Paifang-Node"))
	})}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		if env("SERVICE") != "" {
			keepRegistered(ctx, env("PAIFANG_REGISTRY"), env("SERVICE"), env("POD_IP"), "8080")
		}
	}()
	go func() {
		<-ctx.Done()
		<-beating
		ending.Store(true)
		time.Sleep(300 * time.Millisecond)
		within, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		_ = server.Shutdown(within)
	}()
	fmt.Println("serving on", at)
	_ = server.Serve(l)
	<-beating
	return 0
}

// keepRegistered registers an instance, beats for it, registers it again where the registry has forgotten it, and
// deregisters it when ctx ends.
func keepRegistered(ctx context.Context, registry, service, ip, port string) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	known := false
	for {
		if !known {
			status, _, err := call("POST", instanceURL(registry, service, ip, port))
			known = err == nil && status == 200
		} else if _, body, err := call("PUT", "http://"+registry+"/nacos/v1/ns/instance/beat?"+instanceForm(service, ip, port).Encode()); err == nil {
			known = !strings.Contains(body, "20404")
			if !known {
				continue
			}
		}
		select {
		case <-ctx.Done():
			_, _, _ = call("DELETE", instanceURL(registry, service, ip, port))
			return
		case <-tick.C:
		}
	}
}

func instanceForm(service, ip, port string) url.Values {
	return url.Values{"serviceName": {service}, "ip": {ip}, "port": {port}}
}

func instanceURL(registry, service, ip, port string) string {
	return "http://" + registry + "/nacos/v1/ns/instance?" + instanceForm(service, ip, port).Encode()
}

// sight is one request as a pod saw it.
type sight struct {
	pod string
	at  time.Time
	uri string
}

// sights reads what counting pods noted of one load, by number of the request.
func sights(t testing.TB, dir, prefix string) map[int64][]sight {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "*.count"))
	out := map[int64][]sight{}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			var n, us int64
			var uri string
			if _, err := fmt.Sscan(lines.Text(), &n, &us, &uri); err != nil {
				t.Fatalf("%s: %q: %v", name, lines.Text(), err)
			}
			if !strings.HasPrefix(uri, prefix) {
				continue
			}
			out[n] = append(out[n], sight{strings.TrimSuffix(filepath.Base(name), ".count"), time.UnixMicro(us), uri})
		}
		_ = f.Close()
	}
	return out
}

// countingDir writes a directory with one application of counting pods on both roads: shop.test on road 1, any host of
// the gateway on road 2. It returns the directory and that of the counts.
func countingDir(t testing.TB, replicas int, delay time.Duration) (dir, counts string) {
	t.Helper()
	dir, counts = t.TempDir(), t.TempDir()
	write(t, dir, "1-app.yaml", application("app", replicas, counts, delay))
	write(t, dir, "2-ingress.yaml", ingress("shop", "shop.test", "/", "app-service")+ingressClass)
	write(t, dir, "3-routes.yaml", `spring:
  cloud:
    gateway:
      routes:
      - id: app
        uri: lb://app-registered
        predicates:
        - Path=/**
`)
	return dir, counts
}

// application is a Deployment of counting pods, found as NAME-service in Kubernetes and as NAME-registered in the registry.
func application(name string, replicas int, counts string, delay time.Duration) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: %[1]s
spec:
  replicas: %[2]d
  selector:
    matchLabels: {app: %[1]s}
  template:
    metadata:
      labels: {app: %[1]s}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
      - name: %[1]s
        image: example.com/counting:1
        command: [%[3]q]
        env:
        - {name: %[4]s, value: pod}
        - {name: COUNT_DIR, value: %[5]q}
        - {name: SERVICE, value: %[1]s-registered}
        - {name: DELAY, value: %[6]s}
        ports:
        - {name: http, containerPort: 8080}
        readinessProbe:
          httpGet: {path: /healthz, port: http}
          periodSeconds: 1
---
apiVersion: v1
kind: Service
metadata:
  name: %[1]s-service
spec:
  selector: {app: %[1]s}
  ports:
  - {name: http, port: 80, targetPort: http}
`, name, replicas, self, roleVariable, counts, delay)
}

const ingressClass = `---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata:
  name: paifang
spec:
  controller: paifang.dev/controller
`

func ingress(name, host, path, service string) string {
	return fmt.Sprintf(`apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: %s
spec:
  ingressClassName: paifang
  rules:
  - host: %s
    http:
      paths:
      - path: %s
        pathType: Prefix
        backend:
          service:
            name: %s
            port:
              number: 80
`, name, host, path, service)
}

// write replaces a file as careful programs do: a new one under its name.
func write(t testing.TB, dir, name, text string) {
	t.Helper()
	temp := filepath.Join(filepath.Dir(dir), filepath.Base(dir)+"-"+name+".new")
	if err := os.WriteFile(temp, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// road is one of the two ways to the application of countingDir.
type road struct {
	name string
	to   func(*up) string
	host string
}

var roads = []road{
	{"road 1", (*up).slb, "shop.test"},
	{"road 2", (*up).gateway, "gateway.test"},
}
