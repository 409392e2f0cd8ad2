package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// noIsolation is the congestion control that leaves the run on the machine's own network.
const noIsolation = "none"

// isolatedMark tells the process that it already is in a network namespace.
const isolatedMark = "PAIFANG_BENCH_ISOLATED"

// isolate starts this program again in a network namespace with a loopback of its own, where the run meets nobody else's
// connections, and has TCP there use one congestion control whatever the machine's is. What Linux brings is cubic; a
// machine that was set to bbr paces every connection by timers, on loopback too, and would measure those. Who is not
// root measures on the machine's own network, and the line about the machine says so. It returns in the process that is to
// measure.
func isolate(o *options) error {
	if o.congestion == noIsolation {
		return nil
	}
	if os.Getenv(isolatedMark) == "" {
		if os.Geteuid() != 0 {
			fmt.Fprintln(os.Stderr, "not root: measuring on the machine's own network")
			o.congestion = noIsolation
			return nil
		}
		unshare, err := exec.LookPath("unshare")
		if err != nil {
			return err
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		return syscall.Exec(unshare, append([]string{"unshare", "--net", self}, os.Args[1:]...), append(os.Environ(), isolatedMark+"=1"))
	}
	const local = " dev lo table local proto kernel scope host src 127.0.0.1 congctl "
	for _, args := range []string{"link set lo up", "route replace local 127.0.0.0/8" + local + o.congestion, "route replace local 127.0.0.1" + local + o.congestion} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w\n%s", args, err, out)
		}
	}
	return nil
}
