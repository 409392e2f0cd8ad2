package system

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"
)

// died returns when a killed process is gone with all its threads. Its sockets close with the last of them, some
// milliseconds after the first one has ended and the process is called a zombie: until then the system takes in what is
// sent to it, and that is lost with it.
func died(t testing.TB, pid int) time.Time {
	t.Helper()
	eventually(t, 2*time.Second, "the process dies", func() (bool, string) {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		return err != nil || !alive(pid) && len(threads) <= 1, fmt.Sprintf("%d threads", len(threads))
	})
	return time.Now()
}

func TestPodIsKilledUnderLoad(t *testing.T) {
	dir, counts := countingDir(t, 2, 3*time.Millisecond)
	u := start(t, dir)
	u.waitReady(2, "app-registered")
	for i, r := range roads {
		t.Run(r.name, func(t *testing.T) {
			u.t = t
			u.waitReady(2, "app-registered")
			prefix := []string{"/kill1/", "/kill2/"}[i]
			l := begin(t, r.to(u), r.host, prefix)
			window := long(10*time.Second, 30*time.Second)
			l.wait(window / 4)
			pods := get[podRow](u, "pods")
			victim := pods[i%len(pods)]
			before := time.Now()
			if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			after := died(t, victim.PID)
			l.wait(window * 3 / 4)
			all := l.end()
			seen := sights(t, counts, prefix)
			log := reconcile(t, u, all, prefix, seen)
			addr := victim.Reached[0]

			failed := failures(all)
			if len(failed) > connections {
				t.Errorf("%d requests failed, more than were in flight", len(failed))
			}
			for _, o := range failed {
				a := log[o.N]
				if len(a) != 1 || a[0].Endpoint != addr || a[0].Reason != "upstream-reset" {
					t.Errorf("%v: the log does not say that %s reset it: %+v", o, addr, a)
					continue
				}
				if o.Start.After(after) || o.End.Before(before) {
					t.Errorf("%v failed and was not in flight at the kill: began %v after, ended %v after", o, o.Start.Sub(after), o.End.Sub(before))
				}
			}

			// A request that was tried twice and chosen after the first such was answered was chosen for an address that had
			// refused already.
			var refused time.Time
			retried := 0
			for _, lines := range log {
				if a := lines[0]; a.Tries > 1 {
					retried++
					if refused.IsZero() || a.end().Before(refused) {
						refused = a.end()
					}
				}
			}
			late, back := 0, time.Time{}
			for _, lines := range log {
				a := lines[0]
				if a.Endpoint == addr && a.Status == 200 && a.Time.After(after) && (back.IsZero() || a.Time.Before(back)) {
					back = a.Time
				}
				if a.Tries > 1 && a.Time.After(refused) {
					late++
					t.Logf("chosen %v after the kill, %v after the first refusal: %s", a.Time.Sub(after), a.Time.Sub(refused), a.Line)
				}
			}
			if late > 0 {
				t.Errorf("%d requests were chosen for %s after its first refused connection", late, addr)
			}
			t.Logf("%d requests, %d failed (all in flight at the kill), %d retried, first retry done %v after the kill, pod back in use %v after it",
				len(all), len(failed), retried, refused.Sub(after), back.Sub(after))

			served := map[string]int{}
			for _, o := range all {
				served[o.Pod]++
			}
			t.Logf("served by %v; the pods noted %d numbers", served, len(seen))
			u.t = t
		})
	}
}
