package bed

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const cgroupRoot = "/sys/fs/cgroup"

// unified tells whether the machine has control groups of version 2 alone.
func unified() bool {
	_, err := os.Stat(cgroupRoot + "/cgroup.controllers")
	return err == nil
}

// hierarchies are the directories that hold control groups: one in version 2, one per controller in version 1.
func hierarchies() []string {
	if unified() {
		return []string{cgroupRoot}
	}
	var out []string
	entries, _ := os.ReadDir(cgroupRoot)
	for _, e := range entries {
		if e.IsDir() { // a symbolic link is another name of one of them
			out = append(out, filepath.Join(cgroupRoot, e.Name()))
		}
	}
	return out
}

// makeGroups makes the group that a kubelet puts its pods into, which it wants to exist.
func makeGroups(group string) error {
	for _, h := range hierarchies() {
		path := h
		for part := range strings.SplitSeq(group, "/") {
			if unified() {
				if err := os.WriteFile(path+"/cgroup.subtree_control", []byte("+cpu +cpuset +memory +pids"), 0o644); err != nil {
					return fmt.Errorf("bed: pass controllers on from %s: %w", path, err)
				}
			}
			parent := path
			path = filepath.Join(path, part)
			if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("bed: make control group: %w", err)
			}
			for _, name := range []string{"cpuset.cpus", "cpuset.mems"} { // version 1 begins with none of either
				value, err := os.ReadFile(filepath.Join(parent, name))
				if unified() || err != nil {
					continue
				}
				if err := os.WriteFile(filepath.Join(path, name), bytes.TrimSpace(value), 0o644); err != nil {
					return fmt.Errorf("bed: set %s of control group: %w", name, err)
				}
			}
		}
	}
	return nil
}

// removeGroups removes the group and all below, which are empty once the processes are dead. The kernel takes a moment to
// see that.
func removeGroups(group string) {
	deadline := time.Now().Add(5 * time.Second)
	for _, h := range hierarchies() {
		var dirs []string
		_ = filepath.WalkDir(filepath.Join(h, group), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, dir := range slices.Backward(dirs) {
			err := os.Remove(dir)
			for errors.Is(err, fs.ErrExist) || err != nil && strings.Contains(err.Error(), "busy") && time.Now().Before(deadline) {
				time.Sleep(10 * time.Millisecond)
				err = os.Remove(dir)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				fmt.Fprintln(os.Stderr, "bed: control group stays:", err)
			}
		}
	}
}
