package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Addresses of road 2: a gateway's port, and the registry of the product that all gateways of the run ask.
const (
	roadPort     = "9085"
	registryIP   = "127.0.0.85"
	registryPort = "8848"
)

const springRow = "spring"

// springHeap is what its JVM may have: usual in a container of 1 GiB.
const springHeap = "512m"

// springWarm is how long its JVM compiles before it is measured; on one core it takes about as long.
const springWarm = 40 * time.Second

func gateway() contender { return contender{"gateway", registryIP, []string{roadPort}, runGateway} }
func spring() contender  { return contender{"spring", "127.0.0.86", []string{roadPort}, runSpring} }

func (c contender) road() string { return c.ip + ":" + roadPort }

const roadPath = "/order/100"

// onRoad asks the gateways, and the ingress for the same.
func onRoad(c contender) string {
	if c.name == "paifang" {
		return "http://" + c.plain() + "/100"
	}
	return "http://" + c.road() + roadPath
}

// runGateway is a gateway with the registry in one process, and the upstream registered there.
func runGateway(b *bench, c contender, dir string) (*process, error) {
	routes, config := filepath.Join(dir, "routes.yaml"), filepath.Join(dir, "paifang.yaml")
	if err := write(routes, `spring.cloud.gateway.routes:
- id: order
  uri: lb://order
  predicates: [Path=/order/**]
  filters: [StripPrefix=1, "AddResponseHeader=X-Road, 2"]
`); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "log"), 0o755); err != nil {
		return nil, err
	}
	if err := write(config, fmt.Sprintf(`data: %[1]s/data
admin: {address: "127.0.0.1:9089"}
log: {level: warn, access: %[1]s/log/access.log, accessFormat: combined}
registry: {http: "%[2]s:%[3]s", grpc: "%[2]s:9848", auth: "off", storage: memory, allow: [127.0.0.0/8]}
gateway: {http: "%[4]s", service: "-"}
sources: {routes: [%[5]s]}
`, dir, registryIP, registryPort, c.road(), routes)); err != nil {
		return nil, err
	}
	p, err := start(proxyCore, []string{"GOMAXPROCS=1"}, b.binary, "serve", "-c", config)
	if err != nil {
		return nil, err
	}
	ip, port, _ := strings.Cut(upstreamAt, ":")
	err = p.until(20*time.Second, func() error {
		return succeeds("POST", "http://"+registryIP+":"+registryPort+"/nacos/v1/ns/instance?serviceName=order&ephemeral=false&ip="+ip+"&port="+port)
	})
	if err == nil {
		err = p.until(20*time.Second, func() error { return succeeds("GET", onRoad(c)) })
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// runSpring is a real Spring Cloud Gateway that asks the product's registry.
func runSpring(_ *bench, c contender, dir string) (*process, error) {
	home, err := springHome()
	if err != nil {
		return nil, err
	}
	path, err := os.ReadFile(filepath.Join(home, "classpath"))
	if err != nil {
		return nil, err
	}
	const g = "--spring.cloud.gateway.server.webflux."
	p, err := start(proxyCore, nil, "java", "-Xmx"+springHeap, "-Duser.home="+dir, "-DJM.LOG.PATH="+filepath.Join(dir, "log"),
		"-cp", filepath.Join(home, "classes")+string(filepath.ListSeparator)+strings.TrimSpace(string(path)), "bench.Gateway",
		"--spring.application.name=gateway", "--server.address="+c.ip, "--server.port="+roadPort, "--spring.main.banner-mode=off", "--logging.level.root=warn",
		"--spring.cloud.nacos.discovery.server-addr="+registryIP+":"+registryPort, "--spring.cloud.nacos.discovery.register-enabled=false",
		g+"routes[0].id=order", g+"routes[0].uri=lb://order", g+"routes[0].predicates[0]=Path=/order/**",
		g+"routes[0].filters[0]=StripPrefix=1", g+"routes[0].filters[1]=AddResponseHeader=X-Road, 2")
	if err != nil {
		return nil, err
	}
	if err := p.until(2*time.Minute, func() error { return succeeds("GET", onRoad(c)) }); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// until asks again and again until there is no error, or the process ends, or the time is over.
func (p *process) until(within time.Duration, ask func() error) error {
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case ended := <-p.done:
			p.done <- ended
			return fmt.Errorf("ended: %w\n%s", errors.Join(ended, err), p.out)
		default:
		}
		if time.Now().After(end) {
			return err
		}
	}
}

func succeeds(method, url string) error {
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		return err
	}
	answer, err := (&http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != 200 {
		return fmt.Errorf("%s %s: %s", method, url, answer.Status)
	}
	return nil
}

// springHome is where the program and its class path are.
func springHome() (string, error) {
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "paifang-bench-spring"), err
}

// buildSpring compiles it and has Maven get its libraries. In the network namespace of the run it finds what it has made before.
func buildSpring(ctx context.Context) error {
	home, err := springHome()
	if err != nil {
		return err
	}
	list := filepath.Join(home, "classpath")
	if os.Getenv(isolatedMark) != "" {
		_, err := os.Stat(list)
		return err
	}
	for _, need := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(need); err != nil {
			return fmt.Errorf("install a JDK 17 and Maven: %w", err)
		}
	}
	if err := os.RemoveAll(list); err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "mvn", "-q", "-B", "-Dbuild.dir="+home, "-Dmdep.outputFile="+list, "compile", "dependency:build-classpath")
	c.Dir = "spring"
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("mvn: %w\n%s", err, out)
	}
	return nil
}

// roads compares the two roads of the product.
func roads(ctx context.Context, b *bench) ([]result, error) {
	samples, err := b.inTurn(ctx, []contender{paifang(), gateway()}, wrk(onRoad, 64))
	if err != nil {
		return nil, err
	}
	r := want{paifang(), cpu, 1.10, 1.10}.result(samples["gateway"], samples["paifang"])
	r.what = "CPU per request of the gateway ÷ the ingress's"
	return []result{r}, nil
}

// besideSpring compares the gateway with the one whose routes it reads.
func besideSpring(ctx context.Context, b *bench) ([]result, error) {
	if b.spring != nil {
		return nil, b.spring
	}
	all := []contender{gateway(), spring()}
	running, began := map[string]*process{}, map[string]float64{}
	defer func() {
		for _, p := range running {
			p.stop()
		}
	}()
	for _, c := range all {
		since := time.Now()
		p, err := b.launch(ctx, c)
		if err != nil {
			return nil, err
		}
		running[c.name], began[c.name] = p, time.Since(since).Seconds()
	}
	warm := *b
	warm.length = springWarm
	if s := measured(ctx, &warm, spring(), running["spring"], wrk(onRoad, 64)); s.failed != nil {
		return nil, s.failed
	}
	samples, err := b.turns(ctx, all, running, wrk(onRoad, 64))
	if err != nil {
		return nil, err
	}
	perSecond := figure{"requests per second of CPU", perCPU.of, true, perCPU.text}
	out := []result{want{spring(), perSecond, 0, 0}.result(samples["gateway"], samples["spring"])}
	if out[0].missing != nil {
		return out, nil
	}
	at := middle(samples["spring"], rate).rate() / 2
	took := map[string]time.Duration{}
	for _, c := range all {
		if took[c.name], err = paced(ctx, b, c.road(), ":"+roadPort+roadPath, at, max(b.length, 5*time.Second)); err != nil {
			return nil, err
		}
	}
	beside := func(what, format string, of func(name string) float64) result {
		own, theirs := of("gateway"), of("spring")
		return result{what: what + " ÷ spring", unit: "×", value: own / theirs, absolute: fmt.Sprintf(format+" to "+format, own, theirs)}
	}
	return append(out,
		beside(fmt.Sprintf("p99 at %.0f requests/s, half of its highest rate", at), "%.2f ms", func(n string) float64 { return took[n].Seconds() * 1000 }),
		beside("memory after the load, the registry with it", "%.0f MB", func(n string) float64 { return float64(running[n].resident()) / 1e6 }),
		beside("from the start of the process to the first answer", "%.2f s", func(n string) float64 { return began[n] })), nil
}
