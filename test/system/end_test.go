package system

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// alive tells whether a process runs; one that nobody has waited for yet does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

// nothingLeft tests that no process and no port of up is left.
func nothingLeft(t testing.TB, u *up, pods []podRow) {
	t.Helper()
	eventually(t, 2*time.Second, "every pod has ended", func() (bool, string) {
		for _, p := range pods {
			if alive(p.PID) {
				return false, fmt.Sprintf("%s, process %d", p.Name, p.PID)
			}
		}
		return true, ""
	})
	addrs := append([]string{}, ports...)
	for i := range addrs {
		addrs[i] = u.at(addrs[i])
	}
	for _, p := range pods {
		addrs = append(addrs, p.Reached...)
	}
	for _, at := range addrs {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Errorf("a port is left: %v", err)
			continue
		}
		_ = l.Close()
	}
	if c, err := net.ListenPacket("udp", u.at("127.0.0.1:8053")); err != nil {
		t.Errorf("a port is left: %v", err)
	} else {
		_ = c.Close()
	}
}

func TestSignalEndsInOrder(t *testing.T) {
	dir, counts := countingDir(t, 2, 3*time.Millisecond)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			u := start(t, dir)
			u.waitReady(2, "app-registered")
			pods := get[podRow](u, "pods")
			prefix := "/" + strings.ReplaceAll(s.String(), " ", "-") + "/"
			one := begin(t, u.slb(), "shop.test", prefix+"one/")
			two := begin(t, u.gateway(), "gateway.test", prefix+"two/")
			// Slow ones are in flight when the signal comes.
			type answer struct {
				status int
				body   string
				err    error
			}
			slow := make(chan answer, 2)
			for i, r := range roads {
				go func() {
					status, body, err := call("GET", fmt.Sprintf("http://%s%sslow/%d?ms=1500", r.to(u), prefix, i+1), "Host", r.host)
					slow <- answer{status, body, err}
				}()
			}
			eventually(t, 3*time.Second, "the slow requests are at the pods", func() (bool, string) {
				return len(sights(t, counts, prefix+"slow/")) == 2, ""
			})
			one.wait(300 * time.Millisecond)
			signalled := time.Now()
			u.interrupt(s)
			for range 2 {
				select {
				case a := <-slow:
					if a.err != nil || a.status != 200 {
						t.Errorf("a request in flight at the signal: %d %q %v, want its answer", a.status, a.body, a.err)
					}
				case <-time.After(10 * time.Second):
					t.Fatal("a request in flight at the signal has no answer")
				}
			}
			for i, l := range []*load{one, two} {
				all := l.end()
				inFlight := 0
				for _, o := range failures(all) {
					if o.Nth > 1 || o.Status != 0 { // a first request on a connection that came too late is no request in flight
						inFlight++
						t.Logf("%s failed %v after the signal: %v", roads[i].name, o.End.Sub(signalled), o)
					}
				}
				if inFlight > 0 {
					t.Errorf("%s: %d of %d requests failed while up ended", roads[i].name, inFlight, len(all))
				}
			}
			nothingLeft(t, u, pods)
			for _, word := range []string{"panic", "goroutine "} {
				if strings.Contains(u.out.String(), word) {
					t.Errorf("up printed %q", word)
				}
			}
		})
	}
}

// The pods and the gateway deregister: told by what a registry outside sees, which is here the one of another up.
func TestEndDeregisters(t *testing.T) {
	u := start(t)
	u.waitReady(2, "nacos-order-service")
	eventually(t, 5*time.Second, "the gateway is registered", func() (bool, string) {
		there, _ := listed(u, "paifang-gateway", u.gateway())
		return there, ""
	})
	pods := get[podRow](u, "pods")
	order := make(chan string, 1000)
	stop := make(chan struct{})
	go func() { // looks at the list until the registry goes
		defer close(order)
		for {
			select {
			case <-stop:
				return
			default:
			}
			_, g, err := call("GET", "http://"+u.registry()+"/nacos/v1/ns/instance/list?serviceName=paifang-gateway")
			if err != nil {
				return
			}
			_, p, err := call("GET", "http://"+u.registry()+"/nacos/v1/ns/instance/list?serviceName=nacos-order-service")
			if err != nil {
				return
			}
			order <- fmt.Sprintf("gateway %d, pods %d", strings.Count(g, `"ip"`), strings.Count(p, `"ip"`))
			time.Sleep(5 * time.Millisecond)
		}
	}()
	u.interrupt(syscall.SIGINT)
	close(stop)
	var seen []string
	for s := range order {
		if len(seen) == 0 || seen[len(seen)-1] != s {
			seen = append(seen, s)
		}
	}
	if len(seen) == 0 || seen[len(seen)-1] != "gateway 0, pods 0" {
		t.Errorf("the registry's list while up ended: %q, want gateway and pods deregistered before it goes", seen)
	}
	t.Logf("the registry's list while up ended: %q", seen)
	nothingLeft(t, u, pods)
}

// A pod that ignores SIGTERM keeps up from ending in order; the second signal does not wait for it.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "pod.yaml", `apiVersion: v1
kind: Pod
metadata:
  name: stubborn
spec:
  terminationGracePeriodSeconds: 60
  containers:
  - name: stubborn
    image: example.com/stubborn:1
    command: [/bin/sh, -c, 'trap "" TERM INT HUP; echo up; while :; do sleep 1; done']
`)
	u := start(t, dir)
	var pods []podRow
	eventually(t, 5*time.Second, "the pod runs", func() (bool, string) {
		pods = get[podRow](u, "pods")
		return len(pods) == 1 && pods[0].PID > 0, fmt.Sprint(pods)
	})
	logFile := filepath.Join(u.state, "pods", "stubborn.log")
	eventually(t, 5*time.Second, "its trap is set", func() (bool, string) {
		text, _ := os.ReadFile(logFile)
		return strings.Contains(string(text), "up"), string(text)
	})
	u.ended = true
	_ = u.cmd.Process.Signal(syscall.SIGINT)
	time.Sleep(400 * time.Millisecond) // two that are closer together count as one
	select {
	case <-u.done:
		t.Fatalf("up ended at the first signal although its pod ignores SIGTERM: %v", u.err)
	default:
	}
	began := time.Now()
	_ = u.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-u.done:
		t.Logf("ended %v after the second signal: %v", time.Since(began), u.err)
	case <-time.After(time.Second):
		t.Error("still there 1 s after the second signal")
		_ = u.cmd.Process.Kill()
		<-u.done
	}
	nothingLeft(t, u, pods)
}

// A pod that ignores SIGTERM does not keep up from ending within ten seconds.
func TestStubbornPodDoesNotHoldTheEnd(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "pod.yaml", `apiVersion: v1
kind: Pod
metadata:
  name: stubborn
spec:
  terminationGracePeriodSeconds: 60
  containers:
  - name: stubborn
    image: example.com/stubborn:1
    command: [/bin/sh, -c, 'trap "" TERM INT HUP; while :; do sleep 1; done']
`)
	u := start(t, dir)
	var pods []podRow
	eventually(t, 5*time.Second, "the pod runs", func() (bool, string) {
		pods = get[podRow](u, "pods")
		return len(pods) == 1 && pods[0].PID > 0, fmt.Sprint(pods)
	})
	// A keep-alive connection that says nothing and one that is in the middle of its request hold nothing either.
	for _, text := range []string{"", "GET / HTTP/1.1\r\nHost: x"} {
		for _, to := range []string{u.slb(), u.gateway(), u.registry(), u.admin(), u.at("127.0.0.1:8053")} {
			c, err := net.Dial("tcp", to)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			_, _ = c.Write([]byte(text))
		}
	}
	u.interrupt(syscall.SIGTERM)
	nothingLeft(t, u, pods)
}

func TestKillLeavesNoPod(t *testing.T) {
	dir, _ := countingDir(t, 2, 0)
	u := start(t, dir)
	u.waitReady(2, "app-registered")
	pods := get[podRow](u, "pods")
	u.ended = true
	_ = u.cmd.Process.Kill()
	<-u.done
	nothingLeft(t, u, pods)
}
