package registry

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"paifang/internal/nacosconn"
	"paifang/internal/nacoswire"
)

// Of TestRival: so many connections ask for so many services, in each of which every connection has one instance.
const (
	rivalConnections = 16
	rivalServices    = 1000
	rivalRounds      = 3
)

// rival is a registry under the load of one round.
type rival struct {
	http, grpc string
	pid        int
}

// rivalLoads are what is compared: a load asks one connection for all services. A heartbeat over gRPC is the health check
// that clients send.
func rivalLoads() []rivalLoad {
	return []rivalLoad{
		{"HTTP: registrations", 0.8, overHTTP("POST", "/nacos/v1/ns/instance", "ephemeral=true")},
		{"HTTP: heartbeats", 0.8, overHTTP("PUT", "/nacos/v1/ns/instance/beat", "")},
		{"HTTP: queries", 0.8, overHTTP("GET", "/nacos/v1/ns/instance/list", "healthyOnly=false")},
		{"gRPC: registrations", 0.6, overGRPC(func(ctx context.Context, c *nacosconn.Conn, service, conn int) error {
			_, err := nacosconn.Call[nacoswire.InstanceResponse](ctx, c, nacoswire.TypeInstance, nacoswire.InstanceRequest{
				ServiceRef: ref(rivalService(service)), Type: nacoswire.RegisterInstance, Instance: nacoswire.NewInstance(fmt.Sprintf("10.1.0.%d", conn), 8080)})
			return err
		})},
		{"gRPC: heartbeats", 0.6, overGRPC(func(ctx context.Context, c *nacosconn.Conn, _, _ int) error {
			_, err := nacosconn.Call[nacoswire.Response](ctx, c, nacoswire.TypeHealthCheck, nacoswire.Request{})
			return err
		})},
		{"gRPC: queries", 0.6, overGRPC(func(ctx context.Context, c *nacosconn.Conn, service, _ int) error {
			a, err := nacosconn.Call[nacoswire.ServiceResponse](ctx, c, nacoswire.TypeServiceQuery, nacoswire.ServiceQueryRequest{ServiceRef: ref(rivalService(service))})
			if err == nil && (a.ServiceInfo == nil || len(a.ServiceInfo.Hosts) == 0) {
				err = fmt.Errorf("%s has no instance", rivalService(service))
			}
			return err
		})},
	}
}

type rivalLoad struct {
	name string
	bar  float64
	ask  func(r *rival, t *testing.T) (open func(conn int) (func(service int) error, error))
}

func rivalService(i int) string { return fmt.Sprintf("rival-%04d", i) }

// TestRival compares requests per second of the server's CPU with r-nacos, which is written in Rust: `cargo install rnacos`.
func TestRival(t *testing.T) {
	if os.Getenv("PAIFANG_FIGURES") == "" {
		t.Skip("set PAIFANG_FIGURES=1, or run `make bench-registry`: it needs a machine that does nothing else")
	}
	file, err := exec.LookPath("rnacos")
	if err != nil {
		t.Fatal("r-nacos is not there: cargo install rnacos, and have it in PATH") // who asks for the comparison must not take its absence for one
	}
	rates := map[string][2][]float64{}
	for range rivalRounds {
		for i, start := range []func(*testing.T) *rival{ours, func(t *testing.T) *rival { return rnacos(t, file) }} {
			t.Run("round", func(t *testing.T) {
				r := start(t)
				for _, l := range rivalLoads() {
					both := rates[l.name]
					both[i] = append(both[i], r.rate(t, l))
					rates[l.name] = both
				}
			})
		}
	}
	fmt.Println("| requests for a second of the server's CPU | Paifang | r-nacos | ratio | bar |\n|---|---|---|---|---|")
	for _, l := range rivalLoads() {
		us, them := middle(rates[l.name][0]), middle(rates[l.name][1])
		fmt.Printf("| %s | %.0f | %.0f | %.2f | %.1f |\n", l.name, us, them, us/them, l.bar)
		if us/them < l.bar {
			t.Errorf("%s: %.2f times what r-nacos does, the bar is %.1f", l.name, us/them, l.bar)
		}
	}
	fmt.Printf("| grpc-go alone, a handler that answers at once | %.0f | | | |\n", bare(t).rate(t, rivalLoads()[4]))
}

func middle(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// rate has all connections ask for all services, and returns how many requests a second of the server's CPU was enough for.
func (r *rival) rate(t *testing.T, l rivalLoad) float64 {
	t.Helper()
	open := l.ask(r, t)
	var work sync.WaitGroup
	var asks []func(int) error
	for c := range rivalConnections {
		ask, err := open(c)
		must(t, err)
		asks = append(asks, ask)
	}
	before := cpu(t, r.pid)
	for _, ask := range asks {
		work.Go(func() {
			for s := range rivalServices {
				if err := ask(s); err != nil {
					t.Errorf("%s: %v", l.name, err)
					return
				}
			}
		})
	}
	work.Wait()
	return rivalConnections * rivalServices / (cpu(t, r.pid) - before)
}

// cpu is what a process has used, in seconds.
func cpu(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	must(t, err)
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, err := strconv.ParseFloat(fields[11], 64)
	must(t, err)
	system, err := strconv.ParseFloat(fields[12], 64)
	must(t, err)
	return (user + system) / 100 // USER_HZ
}

func overHTTP(method, path, more string) func(*rival, *testing.T) func(int) (func(int) error, error) {
	return func(r *rival, t *testing.T) func(int) (func(int) error, error) {
		return func(conn int) (func(int) error, error) {
			c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
			t.Cleanup(c.CloseIdleConnections)
			return func(service int) error {
				ip := fmt.Sprintf("10.1.0.%d", conn)
				q, err := url.ParseQuery(more)
				if err != nil {
					return err
				}
				for k, v := range map[string]string{"serviceName": "DEFAULT_GROUP@@" + rivalService(service), "groupName": "DEFAULT_GROUP", "namespaceId": "public", "ip": ip, "port": "8080"} {
					q.Set(k, v)
				}
				if strings.HasSuffix(path, "/beat") {
					q.Set("beat", fmt.Sprintf(`{"ip":%q,"port":8080,"serviceName":"DEFAULT_GROUP@@%s","cluster":"DEFAULT","weight":1.0,"metadata":{},"scheduled":false}`, ip, rivalService(service)))
				}
				req, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.http+path+"?"+q.Encode(), nil)
				if err != nil {
					return err
				}
				resp, err := c.Do(req)
				if err != nil {
					return err
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if err == nil && (resp.StatusCode != 200 || method == "GET" && !strings.Contains(string(body), ip)) {
					err = fmt.Errorf("%s %s: %d %.200s", method, path, resp.StatusCode, body)
				}
				return err
			}, nil
		}
	}
}

func overGRPC(ask func(ctx context.Context, c *nacosconn.Conn, service, conn int) error) func(*rival, *testing.T) func(int) (func(int) error, error) {
	return func(r *rival, t *testing.T) func(int) (func(int) error, error) {
		return func(conn int) (func(int) error, error) {
			c, err := nacosconn.Dial(t.Context(), nacosconn.Config{Server: r.grpc, Timeout: 10 * time.Second,
				Handle: func(*nacoswire.Payload) (string, error) { return "", nil }})
			if err != nil {
				return nil, err
			}
			t.Cleanup(c.Close)
			return func(service int) error { return ask(t.Context(), c, service, conn) }, nil
		}
	}
}

func ours(t *testing.T) *rival {
	r := &rival{http: freeAddress(t), grpc: freeAddress(t)}
	r.pid = serve(t, "registry", fmt.Sprintf("registry: {http: %q, grpc: %q, auth: \"off\", storage: memory}\n", r.http, r.grpc)).cmd.Process.Pid
	return r
}

func rnacos(t *testing.T, file string) *rival {
	r := &rival{http: freeAddress(t), grpc: freeAddress(t)}
	port := func(addr string) string { _, p, _ := net.SplitHostPort(addr); return p }
	cmd := exec.Command(file)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "RNACOS_HTTP_PORT="+port(r.http), "RNACOS_GRPC_PORT="+port(r.grpc), "RNACOS_HTTP_CONSOLE_PORT="+port(freeAddress(t)),
		"RNACOS_DATA_DIR="+filepath.Join(cmd.Dir, "data"), "RNACOS_CONFIG_DB_DIR="+filepath.Join(cmd.Dir, "data"), "RUST_LOG=error")
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	r.pid = cmd.Process.Pid
	r.awaited(t)
	return r
}

// awaited waits until it takes a registration: a port that answers is not enough.
func (r *rival) awaited(t *testing.T) {
	t.Helper()
	within(t, 30*time.Second, "r-nacos takes registrations", func() bool {
		status, _, err := request("POST", "http://"+r.http+"/nacos/v1/ns/instance?serviceName=first&ip=10.9.9.9&port=1&ephemeral=true")
		return err == nil && status == 200
	})
}

// bareVariable makes this program a server that only answers.
const bareVariable = "PAIFANG_BARE_GRPC"

// bare is grpc-go with the messages of the registry and nothing behind it.
func bare(t *testing.T) *rival {
	self, err := os.Executable()
	must(t, err)
	r := &rival{grpc: freeAddress(t)}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), bareVariable+"="+r.grpc)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	r.pid = cmd.Process.Pid
	within(t, 10*time.Second, "the bare server listens", func() bool {
		c, err := net.Dial("tcp", r.grpc)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return r
}

// serveBare is what the process of bare does, until it is killed.
func serveBare(at string) error {
	ln, err := net.Listen("tcp", at)
	if err != nil {
		return err
	}
	g := grpc.NewServer(grpc.ForceServerCodecV2(nacoswire.Codec{}))
	g.RegisterService(&grpc.ServiceDesc{ServiceName: nacoswire.RequestService, HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: nacoswire.RequestMethod,
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var p nacoswire.Payload
			if err := decode(&p); err != nil {
				return nil, err
			}
			if p.Type == nacoswire.TypeServerCheck {
				return nacoswire.NewPayload(nacoswire.TypeServerCheckAnswer, nacoswire.ServerCheckResponse{Response: nacoswire.OK(""), ConnectionID: "bare"})
			}
			return nacoswire.NewPayload(nacoswire.TypeHealthCheckAnswer, nacoswire.OK(""))
		},
	}}}, struct{}{})
	g.RegisterService(&grpc.ServiceDesc{ServiceName: nacoswire.StreamService, HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{{
		StreamName: nacoswire.StreamMethod, ServerStreams: true, ClientStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error {
			for {
				var p nacoswire.Payload
				if err := stream.RecvMsg(&p); err != nil {
					return err
				}
			}
		},
	}}}, struct{}{})
	return g.Serve(ln)
}
