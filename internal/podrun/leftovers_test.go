//go:build linux

package podrun

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
)

// startHelper starts this binary as a helper and returns it with the second word of its first line.
func startHelper(t *testing.T, env ...string) (*exec.Cmd, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = groupOfItsOwn()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, word, _ := strings.Cut(strings.TrimSpace(line), " ")
	return cmd, word
}

func gone(pid string) bool {
	_, err := os.Stat("/proc/" + pid + "/cwd") // a zombie has none that can be looked at
	if err != nil {
		return true
	}
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestNoPodOutlivesAKilledRunner(t *testing.T) {
	up, pid := startHelper(t, "HELPER=runner", "STATE="+t.TempDir())
	if gone(pid) {
		t.Fatalf("pod %s does not run", pid)
	}
	if err := up.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	until(t, "the pod ended", func() bool { return gone(pid) })
}

// TestNextStartEndsLeftovers: the shell dies with its parent, but not its child.
func TestNextStartEndsLeftovers(t *testing.T) {
	state := t.TempDir()
	up, shell := startHelper(t, "HELPER=runner", "SHELL_POD=1", "STATE="+state)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%s/task/%s/children", shell, shell))
	if err != nil || len(strings.Fields(string(children))) == 0 {
		t.Skipf("this kernel does not tell children: %v", err)
	}
	child := strings.Fields(string(children))[0]

	// While it lives nobody else may run pods from its directory.
	second, err := New(Config{Nodes: nodes(), State: state})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), fmt.Sprint(up.Process.Pid)) {
		t.Errorf("a second runner: %v", err)
	}
	if gone(child) {
		t.Fatal("the second runner ended the first one's pod")
	}
	if err := up.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = up.Wait()
	until(t, "the shell ended", func() bool { return gone(shell) })
	if gone(child) {
		t.Log("the child ended with its shell")
	}
	b := start(t, Config{State: state})
	b.commit()
	until(t, "the child was ended", func() bool { return gone(child) })
	b.stop()
	if _, err := os.Stat(filepath.Join(state, ledgerName)); err == nil {
		t.Error("the file stays after an orderly end")
	}
}

func TestLeftoversAreKnownByMoreThanTheirNumber(t *testing.T) {
	bystander, _ := startHelper(t, "HELPER=grandchild")
	pid := bystander.Process.Pid
	id, err := identity(pid)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("owner 1 nobody\npod %d %s0 order-a\npod x y z\npod\npod 1 %s order-b\n", pid, id, id)
	if ended, err := endLeftovers([]byte(text)); err != nil || len(ended) != 0 {
		t.Errorf("%v, %v", ended, err)
	}
	if gone(fmt.Sprint(pid)) {
		t.Fatal("a process that only has the number was ended")
	}
	if ended, err := endLeftovers([]byte(fmt.Sprintf("pod %d %s order-a\n", pid, id))); err != nil || len(ended) != 1 {
		t.Errorf("%v, %v", ended, err)
	}
	until(t, "it was ended", func() bool { return gone(fmt.Sprint(pid)) })
}

func TestWhatAProgramLeavesBehindEndsWithIt(t *testing.T) {
	b := start(t, Config{})
	w := deployment(1)
	w.ID, w.Name, w.Single, w.Never = "pod/shop/job", "job", true, true
	w.Container.Readiness, w.Serves = nil, nil
	self := w.Container.Command[0]
	w.Container.Command = []string{"sh", "-c", self + " & echo child $!; exit 0"}
	w.Container.Args = nil
	w.Container.Env = []model.EnvVar{{Name: "HELPER", Value: "grandchild"}}
	b.commit(w)
	b.until("it ended", func() bool { return b.pod("job").Phase == Succeeded })
	log, err := os.ReadFile(b.pod("job").Log)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(log), "child ")
	if !ok {
		t.Fatalf("log %q", log)
	}
	child := strings.Fields(rest)[0]
	until(t, "its child ended", func() bool { return gone(child) })
}
