package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Addresses of the run: every contender listens on one of its own, the upstream on one.
const (
	upstreamAt = "127.0.0.1:9400"
	plainPort  = "9080"
	tlsPort    = "9443"
	tcpPort    = "9001"
)

// contender is a proxy that is measured.
type contender struct {
	name  string
	ip    string
	ports []string
	run   func(b *bench, c contender, dir string) (*process, error)
}

func (c contender) plain() string { return c.ip + ":" + plainPort }
func (c contender) tls() string   { return c.ip + ":" + tlsPort }
func (c contender) tcp() string   { return c.ip + ":" + tcpPort }

func allPorts() []string { return []string{plainPort, tlsPort, tcpPort} }

func paifang() contender { return contender{"paifang", "127.0.0.81", allPorts(), runPaifang} }
func nginx() contender   { return contender{"nginx", "127.0.0.82", allPorts(), runNginx} }
func haproxy() contender { return contender{"haproxy", "127.0.0.83", allPorts(), runHAProxy} }
func caddy() contender {
	return contender{"caddy", "127.0.0.84", []string{plainPort, tlsPort}, runCaddy}
}

// launch starts a contender and waits until it serves.
func (b *bench) launch(ctx context.Context, c contender) (*process, error) {
	dir := filepath.Join(b.dir, c.name)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	p, err := c.run(b, c, dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	for _, port := range c.ports {
		if err := p.awaitAddress(ctx, c.ip+":"+port); err != nil {
			p.stop()
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return p, nil
}

func write(path string, parts ...string) error {
	return os.WriteFile(path, []byte(strings.Join(parts, "")), 0o644)
}

// runPaifang serves an Ingress with its Service and EndpointSlice, as a cluster has them, and an L4 listener.
func runPaifang(b *bench, c contender, dir string) (*process, error) {
	manifests := filepath.Join(dir, "rules", "manifests")
	if err := os.MkdirAll(manifests, 0o755); err != nil {
		return nil, err
	}
	if err := write(filepath.Join(manifests, "bench.yaml"), manifest("bench", "bench.test", true), b.secret()); err != nil {
		return nil, err
	}
	return b.servePaifang(c, dir, manifests)
}

func (b *bench) servePaifang(c contender, dir, manifests string) (*process, error) {
	// The directory around the manifests is watched: a log that is written there is looked at each time.
	if err := os.MkdirAll(filepath.Join(dir, "log"), 0o755); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "paifang.yaml")
	err := write(config, fmt.Sprintf(`data: %[1]s/data
admin: {address: "127.0.0.1:9088"}
log: {level: warn, access: %[1]s/log/access.log, accessFormat: combined}
limits: {connections: 16000, connectionsPerAddress: 12000}
sources: {manifests: [%[2]s]}
ingress:
  nodes:
  - {name: node, http: "%[3]s", https: "%[4]s"}
slb:
  listeners:
  - name: tcp
    address: "%[5]s"
    nodes: [{name: up, address: "%[6]s"}]
`, dir, manifests, c.plain(), c.tls(), c.tcp(), upstreamAt))
	if err != nil {
		return nil, err
	}
	return start(proxyCore, []string{"GOMAXPROCS=1"}, b.binary, "serve", "-c", config)
}

// manifest is one host as Kubernetes objects.
func manifest(name, host string, tls bool) string {
	secret := ""
	if tls {
		secret = "\n  tls: [{hosts: [" + host + "], secretName: bench-tls}]"
	}
	ip, port, _ := strings.Cut(upstreamAt, ":")
	return fmt.Sprintf(`apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %[1]s}
spec:%[2]s
  rules:
  - host: %[3]s
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %[1]s, port: {number: 80}}}}]}
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s-1, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{name: "", port: %[5]s}]
endpoints: [{addresses: ["%[4]s"], conditions: {ready: true}}]
---
`, name, secret, host, ip, port)
}

func runNginx(b *bench, c contender, dir string) (*process, error) {
	config := filepath.Join(dir, "nginx.conf")
	modules := ""
	if found, _ := filepath.Glob("/usr/lib/nginx/modules/ngx_stream_module.so"); len(found) > 0 {
		modules = "load_module " + found[0] + ";\n"
	}
	err := write(config, modules, fmt.Sprintf(`worker_processes 1;
daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log error;
events { worker_connections 16384; }
http {
  access_log %[1]s/access.log combined buffer=64k flush=1s;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  keepalive_requests 1000000000;
  upstream up { server %[2]s; keepalive 512; keepalive_requests 1000000000; }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-Host $host;
  proxy_set_header X-Request-ID $request_id;
  proxy_buffer_size 16k; proxy_buffers 16 64k; proxy_busy_buffers_size 128k;
  ssl_certificate %[6]s; ssl_certificate_key %[7]s; ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:s:10m;
  server {
    listen %[3]s;
    listen %[4]s ssl http2;
    http2_max_requests 1000000000;
    server_name bench.test;
    location / { proxy_pass http://up; }
  }
}
stream { server { listen %[5]s; proxy_pass %[2]s; } }
`, dir, upstreamAt, c.plain(), c.tls(), c.tcp(), b.chain, b.key))
	if err != nil {
		return nil, err
	}
	return start(proxyCore, nil, "nginx", "-c", config, "-e", filepath.Join(dir, "error.log"))
}

func runHAProxy(b *bench, c contender, dir string) (*process, error) {
	config := filepath.Join(dir, "haproxy.cfg")
	// Its access log goes where HAProxy can send it: to its standard output, which is a file here.
	err := write(config, fmt.Sprintf(`global
  nbthread 1
  maxconn 8000
  tune.bufsize 65536
  log stdout format raw local0 info
defaults
  mode http
  log global
  option httplog
  timeout connect 1s
  timeout client 75s
  timeout server 60s
  timeout http-request 10s
  timeout http-keep-alive 75s
  http-reuse always
frontend in
  bind %[2]s
  bind %[3]s ssl crt %[5]s alpn h2,http/1.1
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  unique-id-format %%{+X}o\ %%ci:%%cp_%%fi:%%fp_%%Ts_%%rt:%%pid
  unique-id-header X-Request-ID
  default_backend up
backend up
  server up %[1]s
listen tcp
  mode tcp
  option tcplog
  bind %[4]s
  server up %[1]s
`, upstreamAt, c.plain(), c.tls(), c.tcp(), b.pair))
	if err != nil {
		return nil, err
	}
	return start(proxyCore, nil, "sh", "-c", "exec haproxy -db -f '"+config+"' >>'"+filepath.Join(dir, "access.log")+"'")
}

func runCaddy(b *bench, c contender, dir string) (*process, error) {
	config := filepath.Join(dir, "Caddyfile")
	err := write(config, fmt.Sprintf(`{
  admin off
  auto_https off
  default_sni bench.test
}
http://bench.test:%[1]s {
  bind %[3]s
  log {
    output file %[6]s/access.log
  }
  reverse_proxy %[7]s
}
https://bench.test:%[2]s {
  bind %[3]s
  tls %[4]s %[5]s
  log {
    output file %[6]s/access-tls.log
  }
  reverse_proxy %[7]s
}
`, plainPort, tlsPort, c.ip, b.chain, b.key, dir, upstreamAt))
	if err != nil {
		return nil, err
	}
	return start(proxyCore, []string{"GOMAXPROCS=1", "HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir},
		"caddy", "run", "--config", config, "--adapter", "caddyfile")
}
