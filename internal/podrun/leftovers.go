package podrun

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ledgerName is the file in Config.State: a line "owner PID IDENTITY MARK" and a line "pod PID IDENTITY NAME" for each
// process.
const ledgerName = "processes"

// markVar is the variable in which all processes of one Runner, and what these start, carry its mark.
const markVar = "PAIFANG_RUN"

// ledger remembers the running processes on disk, so that a start after this process was killed can end them. A
// process is known by its number and its start, never by its number alone. What it started itself is known by the mark
// in its environment, where the system lets us read that.
type ledger struct {
	path string // empty: nothing is remembered
	mark string

	mu      sync.Mutex
	entries map[int]string // pid → identity and pod
}

// openLedger ends what a predecessor left behind, unless that one still runs, which is an error. ended names the pods
// that were found.
func openLedger(dir, mark string) (l *ledger, ended []string, err error) {
	l = &ledger{mark: mark, entries: map[int]string{}}
	if dir == "" {
		return l, nil, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("podrun: make the state directory: %w", err)
	}
	l.path = filepath.Join(dir, ledgerName)
	text, err := os.ReadFile(l.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("podrun: read what the last start left: %w", err)
	}
	ended, err = endLeftovers(text)
	if err != nil {
		return nil, nil, err
	}
	return l, ended, l.save()
}

func endLeftovers(text []byte) (ended []string, err error) {
	var pids []int
	var ids []string
	mark := ""
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 3 {
			continue
		}
		if f[0] == "owner" && len(f) == 4 {
			mark = f[3]
		}
		pid, err := strconv.Atoi(f[1])
		if err != nil || pid <= 1 || pid == os.Getpid() {
			continue
		}
		if now, err := identity(pid); err != nil || now != f[2] {
			continue // gone, or another process
		}
		switch {
		case f[0] == "owner":
			return nil, fmt.Errorf("podrun: process %d runs the pods of this state directory: end it first", pid)
		case f[0] == "pod" && len(f) == 4:
			killGroup(pid)
			pids, ids, ended = append(pids, pid), append(ids, f[2]), append(ended, f[3])
		}
	}
	for _, pid := range marked(mark) {
		if id, err := identity(pid); err == nil && pid != os.Getpid() {
			killGroup(pid)
			pids, ids, ended = append(pids, pid), append(ids, id), append(ended, strconv.Itoa(pid))
		}
	}
	deadline := time.Now().Add(2 * time.Second)
	for i, pid := range pids {
		for time.Now().Before(deadline) {
			if now, err := identity(pid); err != nil || now != ids[i] {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return ended, nil
}

// add remembers a process that was started for a pod.
func (l *ledger) add(pid int, pod string) error {
	if l.path == "" {
		return nil
	}
	id, err := identity(pid)
	if err != nil {
		return nil // it has ended already, or cannot be told apart later
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[pid] = id + " " + pod
	return l.save()
}

// remove forgets a process that ended.
func (l *ledger) remove(pid int) error {
	if l.path == "" {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.entries[pid]; !ok {
		return nil
	}
	delete(l.entries, pid)
	return l.save()
}

// save writes the file anew and puts it into place in one step. The caller holds mu.
func (l *ledger) save() error {
	var b strings.Builder
	if own, err := identity(os.Getpid()); err == nil {
		fmt.Fprintf(&b, "owner %d %s %s\n", os.Getpid(), own, l.mark)
	}
	for pid, rest := range l.entries {
		fmt.Fprintf(&b, "pod %d %s\n", pid, rest)
	}
	next := l.path + ".new"
	if err := os.WriteFile(next, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("podrun: remember the running processes: %w", err)
	}
	if err := os.Rename(next, l.path); err != nil {
		return fmt.Errorf("podrun: remember the running processes: %w", err)
	}
	return nil
}

// close takes the file away: nothing is left to end.
func (l *ledger) close() {
	if l.path != "" {
		_ = os.Remove(l.path)
	}
}
