package app

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"paifang/internal/model"
)

// TestUDPServices: a port of the ConfigMap of UDP services is listened at, and its datagrams go to the endpoints of the Service, also
// where the Service has a TCP port of the same number that leads to another port of its pods. A session ends when it has as many answers as proxy-stream-responses says.
func TestUDPServices(t *testing.T) {
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := server.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = server.WriteToUDPAddrPort(append([]byte("heard "), buf[:n]...), from) // one that is lost is asked for again
		}
	}()
	defer func() { server.Close(); <-done }()
	port := free(t).Port() // free for TCP, and most likely for UDP
	for responses, open := range map[int]int{1: 0, 2: 1} {
		text := fmt.Sprintf(`apiVersion: v1
kind: ConfigMap
metadata: {name: udp, namespace: ingress-nginx}
data: {"%[1]d": "shop/names:53", "70000": "shop/names:53", "1": "shop/names:54", "2": "shop/names:53:PROXY"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: ingress-nginx}
data: {proxy-stream-responses: "%[3]d"}
---
apiVersion: v1
kind: Service
metadata: {name: names, namespace: shop}
spec: {ports: [{port: 53, name: names-tcp, protocol: TCP}, {port: 53, name: names, protocol: UDP}, {port: 54, name: other, protocol: TCP}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: names, namespace: shop}
subsets: [{addresses: [{ip: 127.0.0.1}], ports: [{port: 1, name: names-tcp}, {port: %[2]d, name: names, protocol: UDP}]}]
`, port, server.LocalAddr().(*net.UDPAddr).Port, responses)
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "all.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		a := started(t, Config{Ingress: &Ingress{Nodes: []Node{{Name: "node-1", HTTP: free(t)}}}, Sources: Sources{Manifests: []string{dir},
			IngressNginx: &IngressNginx{Args: []string{"--udp-services-configmap=ingress-nginx/udp", "--configmap=ingress-nginx/settings"}}}})
		ask(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port))
		until(t, "the session is as it should be", func() bool {
			all := a.l4.Status()
			return len(all) == 1 && all[0].Listener == "node-1/udp/"+model.ListenerID(fmt.Sprint(port)) && all[0].Total > 0 && all[0].Open == open
		})
		bad := 0
		for _, d := range a.diagnostics() {
			if d.Severity == model.Error && d.Origin.Name == "udp" {
				bad++
			}
		}
		if bad != 3 {
			t.Errorf("%d ports are told to be wrong, want 3: %v", bad, a.diagnostics())
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		a.l4.Close(ctx) // the port is free for the next one
		cancel()
	}
}

// ask sends a datagram until it is answered, from one socket.
func ask(t *testing.T, at netip.AddrPort) {
	t.Helper()
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, 100)
	for range 40 {
		_, _ = c.Write([]byte("who")) // refused where nobody listens yet
		_ = c.SetReadDeadline(time.Now().Add(250 * time.Millisecond))
		if n, err := c.Read(buf); err == nil {
			if string(buf[:n]) != "heard who" {
				t.Errorf("%q", buf[:n])
			}
			return
		}
	}
	t.Fatal("nothing came back")
}
