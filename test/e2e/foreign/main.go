// Command foreign is a gateway that is not ours: Nacos' own client for Go finds the instances of a service in the registry, and requests go
// to them in turn. Every list that the registry tells it of is a line of what it says.
//
// REGISTRY is host:port, USERNAME and PASSWORD_FILE who comes, SERVICE the name of the service.
package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "foreign:", err)
		os.Exit(1)
	}
}

func run() error {
	host, port, err := net.SplitHostPort(os.Getenv("REGISTRY"))
	if err != nil {
		return fmt.Errorf("REGISTRY: %w", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("REGISTRY: %w", err)
	}
	password, err := os.ReadFile(os.Getenv("PASSWORD_FILE"))
	if err != nil {
		return fmt.Errorf("PASSWORD_FILE: %w", err)
	}
	naming, err := clients.NewNamingClient(vo.NacosClientParam{
		ClientConfig: &constant.ClientConfig{TimeoutMs: 5000, Username: os.Getenv("USERNAME"), Password: strings.TrimSpace(string(password)),
			NotLoadCacheAtStart: true, UpdateCacheWhenEmpty: true, LogDir: "/tmp/log", CacheDir: "/tmp/cache", LogLevel: "warn"},
		ServerConfigs: []constant.ServerConfig{{IpAddr: host, Port: number}},
	})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	var f forwarder
	err = naming.Subscribe(&vo.SubscribeParam{ServiceName: os.Getenv("SERVICE"), GroupName: "DEFAULT_GROUP", SubscribeCallback: f.told})
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	server := &http.Server{Addr: ":8080", Handler: &f, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

// forwarder sends requests to the instances that it was told of last.
type forwarder struct {
	list atomic.Pointer[[]string]
	next atomic.Uint64
}

// told takes a list; one without instances comes with an error.
func (f *forwarder) told(hosts []model.Instance, err error) {
	if err != nil && len(hosts) > 0 {
		fmt.Println("error", err)
		return
	}
	list := []string{}
	for _, h := range hosts {
		if h.Healthy && h.Enable {
			list = append(list, net.JoinHostPort(h.Ip, strconv.FormatUint(h.Port, 10)))
		}
	}
	f.list.Store(&list)
	fmt.Println("list", strings.Join(list, " "))
}

// ServeHTTP forwards, and says ok at /healthz once there is somebody to forward to.
func (f *forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	list := f.list.Load()
	switch {
	case list == nil || len(*list) == 0:
		http.Error(w, "nobody is there", http.StatusServiceUnavailable)
	case r.URL.Path == "/healthz":
		fmt.Fprintln(w, "ok")
	default:
		to := (*list)[f.next.Add(1)%uint64(len(*list))]
		(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(&url.URL{Scheme: "http", Host: to}) }}).ServeHTTP(w, r)
	}
}
