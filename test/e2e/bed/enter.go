package bed

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// The roles of this program's copies, told by a variable.
const (
	roleVariable  = "PAIFANG_E2E_ROLE"
	groupVariable = "PAIFANG_E2E_GROUP"
	roleInit      = "init"
	roleInner     = "inner"
)

// Enter is called first of all in TestMain. In the process that was started from outside it runs the whole program
// again inside new namespaces, and ends with its exit code once everything in them is dead. In the copy it returns.
func Enter() {
	switch os.Getenv(roleVariable) {
	case roleInner:
		return
	case roleInit:
		os.Exit(initProcess())
	}
	code, err := outside()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// outside starts the copy as the first process of its namespaces and cleans up behind it.
func outside() (int, error) {
	group := "paifang-e2e-" + strconv.Itoa(os.Getpid())
	before := machineSysctls()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), roleVariable+"="+roleInit, groupVariable+"="+group)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	err := cmd.Run() // returns once every process of the namespace has been killed and waited for
	removeGroups(group)
	for name, was := range before {
		if now := machineSysctls()[name]; now != was {
			fmt.Fprintf(os.Stderr, "bed: sysctl %s had become %s; it is %s again\n", name, now, was)
			err = errors.Join(err, os.WriteFile(name, []byte(was), 0o644))
		}
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// initProcess is process 1: it sets the mounts up, starts the tests and waits for whatever dies. When it ends, the kernel kills
// all others.
func initProcess() int {
	if err := mounts(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), roleVariable+"="+roleInner)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			fmt.Fprintln(os.Stderr, "bed: wait:", err)
			return 1
		case pid == cmd.Process.Pid && status.Exited():
			return status.ExitStatus()
		case pid == cmd.Process.Pid && status.Signaled():
			return 128 + int(status.Signal())
		}
	}
}

// Dir is where the bed keeps its files; memory.
const Dir = "/run/bed"

// mounts puts memory where the programs write, and our own /proc where they look processes up.
func mounts() error {
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("bed: make mounts private: %w", err)
	}
	for _, dir := range []string{"/run", "/var/lib", "/var/log"} {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("bed: mount memory on %s: %w", dir, err)
		}
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("bed: mount /proc: %w", err)
	}
	for _, dir := range []string{Dir, "/run/netns", "/run/lock"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("bed: %w", err)
		}
	}
	return mask()
}

// kubeletSysctls are those of the whole machine that a kubelet sets, with the values that it wants.
func kubeletSysctls() map[string]string {
	return map[string]string{
		"/proc/sys/vm/overcommit_memory": "1",
		"/proc/sys/vm/panic_on_oom":      "0",
		"/proc/sys/kernel/panic":         "10",
		"/proc/sys/kernel/panic_on_oops": "1",
	}
}

// mask puts plain files over the sysctls that a kubelet sets: it finds them as it wants them, and the machine's stay.
func mask() error {
	for name, value := range kubeletSysctls() {
		file := filepath.Join(Dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return fmt.Errorf("bed: %w", err)
		}
		if err := syscall.Mount(file, name, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("bed: mask %s: %w", name, err)
		}
	}
	return nil
}

func machineSysctls() map[string]string {
	out := map[string]string{}
	for name := range kubeletSysctls() {
		if value, err := os.ReadFile(name); err == nil {
			out[name] = string(value)
		}
	}
	return out
}
