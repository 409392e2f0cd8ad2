package podrun

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// groupOfItsOwn keeps Ctrl-C from the pods and ends each of them with this process, however that ends.
func groupOfItsOwn() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// marked returns the processes that carry a mark in their environment.
func marked(mark string) []int {
	if mark == "" {
		return nil
	}
	var out []int
	dirs, _ := os.ReadDir("/proc")
	want := []byte("\x00" + markVar + "=" + mark + "\x00")
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		env, err := os.ReadFile("/proc/" + d.Name() + "/environ") // those of others cannot be read
		if err == nil && bytes.Contains(append([]byte{0}, env...), want) {
			out = append(out, pid)
		}
	}
	return out
}

// identity is what a process has for as long as it lives and no later one with its number has: field 22 of
// /proc/pid/stat, its start in clock ticks since the machine's (proc(5)), after the machine's own identity.
func identity(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The second field is the program's name in parentheses, and may hold anything.
	_, rest, ok := strings.Cut(string(stat[max(0, strings.LastIndexByte(string(stat), ')')):]), ")")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return "", errors.New("podrun: /proc/pid/stat: not as expected")
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return "", os.ErrProcessDone
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(boot)) + "/" + fields[19], nil
}
