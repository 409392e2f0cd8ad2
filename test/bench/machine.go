package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// machine is the line that a table of figures is worth nothing without.
func machine(binary, congestion string) string {
	version := func(pattern, name string, args ...string) string {
		out, err := exec.Command(name, args...).CombinedOutput()
		m := regexp.MustCompile(pattern).FindStringSubmatch(string(out))
		if m == nil {
			return fmt.Sprintf("%s (%v)", name, err)
		}
		return m[1]
	}
	cpu := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if m := regexp.MustCompile(`model name\s*: (.*)`).FindStringSubmatch(string(text)); m != nil {
			cpu = m[1]
		}
	}
	network := "a network namespace of their own, TCP congestion control " + congestion
	if congestion == noIsolation {
		text, _ := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
		network = "the machine's own loopback, TCP congestion control " + strings.TrimSpace(string(text))
	}
	return fmt.Sprintf("Measured on %s: %s, %d cores, Linux %s, %s; paifang %s, nginx %s, HAProxy %s, Caddy %s; proxy on one core, load and upstream on the other; %s.",
		time.Now().Format(time.DateOnly), cpu, runtime.NumCPU(), version(`(\S+)`, "uname", "-r"), runtime.Version(),
		strings.TrimSpace(version(`paifang (\S+)`, binary, "version")), version(`nginx/(\S+)`, "nginx", "-v"), version(`version (\S+)`, "haproxy", "-v"),
		version(`v?(\S+)`, "caddy", "version"), network)
}

// The marks in the page between which the table stands.
const (
	tableBegin = "<!-- bench: begin -->"
	tableEnd   = "<!-- bench: end -->"
)

// around is a page before and behind its table. One that is not there yet has nothing else.
func around(page string) (before, after string, err error) {
	old, err := os.ReadFile(page)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(filepath.Dir(page))
		return "", "\n", err
	}
	if err != nil {
		return "", "", err
	}
	before, rest, ok1 := strings.Cut(string(old), tableBegin)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok1 || !ok2 {
		return "", "", fmt.Errorf("%s has no place for the table: it needs the lines %s and %s", page, tableBegin, tableEnd)
	}
	return before, after, nil
}

// replaceTable writes a table into a page, between its marks; the rest of the page is people's.
func replaceTable(page, text string) error {
	before, after, err := around(page)
	if err != nil {
		return err
	}
	return os.WriteFile(page, []byte(before+tableBegin+"\n"+text+tableEnd+after), 0o644)
}
