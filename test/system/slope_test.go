package system

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestSlope prints what 500, 5,000 and 50,000 routes from manifests take, each with a Service and an EndpointSlice of its own.
// It is run on request, on a machine that does nothing else: make figures. PAIFANG_ROUTES=N takes another number alone.
func TestSlope(t *testing.T) {
	if os.Getenv("PAIFANG_FIGURES") == "" {
		t.Skip("set PAIFANG_FIGURES=1 on a machine that does nothing else")
	}
	l, err := net.Listen("tcp", "0.0.0.0:0") // every endpoint has a loopback address of its own
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	rows := []string{"| ready after | ", "| resident memory | ", "| a changed Ingress, until it is served: median, p99 | ", "| a changed endpoint, the same | ", "| at rest over 60 s, of a core | "}
	head, of := "| routes from manifests |", []int{500, 5000, 50_000}
	if text := os.Getenv("PAIFANG_ROUTES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		of = []int{n}
	}
	for _, n := range of {
		head += fmt.Sprintf(" %d |", n)
		for i, figure := range slope(t, n, l.Addr().(*net.TCPAddr).Port) {
			rows[i] += figure + " | "
		}
	}
	t.Logf("\n%s\n|---|%s\n%s", head, strings.Repeat("---|", len(of)), strings.Join(rows, "\n"))
}

// slope measures with n routes, in the order of the table.
func slope(t *testing.T, n, port int) []string {
	dir := t.TempDir()
	manifests := filepath.Join(dir, "manifests")
	if err := os.Mkdir(manifests, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		tmp := filepath.Join(dir, "next")
		if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(manifests, name)); err != nil {
			t.Fatal(err)
		}
	}
	write("class.yaml", "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: paifang}\nspec: {controller: paifang.dev/controller}\n")
	for i := range n {
		write(fmt.Sprintf("shop-%d.yaml", i), shopManifest(i, true))
	}
	p := serveFiles(t, dir, manifests)
	defer p.stop()
	ready := time.Since(p.began)
	// change replaces the manifest of a shop and asks until the answer is as it should be.
	change := func(i int, old, with, host string, served func(status int) bool) time.Duration {
		t.Helper()
		began := time.Now()
		write(fmt.Sprintf("shop-%d.yaml", i), strings.Replace(shopManifest(i, true), old, with, 1))
		for !served(p.ask(t, host, "/")) {
			if time.Since(began) > 20*time.Second {
				t.Fatalf("%s is not served", host)
			}
		}
		return time.Since(began)
	}
	var ingresses, endpoints []time.Duration
	for i := range 500 {
		at, host := i*7919%n, fmt.Sprintf("changed-%d.test", i)
		ingresses = append(ingresses, change(at, fmt.Sprintf("shop-%d.test", at), host, host, func(status int) bool { return status != http.StatusNotFound }))
		// Back to its own host, and at the same time to an endpoint that answers.
		host = fmt.Sprintf("shop-%d.test", at)
		change(at, "", "", host, func(status int) bool { return status != http.StatusNotFound })
		endpoints = append(endpoints, change(at, "port: 1}", fmt.Sprintf("port: %d}", port), host, func(status int) bool { return status == http.StatusOK }))
	}
	const rest = 60 * time.Second
	time.Sleep(45 * time.Second) // what reading and the changes took is given back
	before := p.processor(t)
	time.Sleep(rest) // the figure is what is done in this time
	idle := float64(p.processor(t)-before) / float64(rest) * 100
	both := func(took []time.Duration) string {
		slices.Sort(took)
		return fmt.Sprintf("%.1f ms, %.1f ms", float64(took[len(took)/2].Microseconds())/1000, float64(took[len(took)*99/100].Microseconds())/1000)
	}
	return []string{fmt.Sprintf("%.1f s", ready.Seconds()), fmt.Sprint(p.resident(t), " MiB"), both(ingresses), both(endpoints), fmt.Sprintf("%.2f %%", idle)}
}

// processor is what the process has used of a core.
func (p *served) processor(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return time.Duration(user+system) * (time.Second / 100) // the kernel counts in hundredths for everybody outside
}
