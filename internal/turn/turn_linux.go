package turn

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Take asks for turns of so long for each thread of the process, those that it has yet to begin too, and the processes that
// it starts. A thread that is scheduled in another way than the usual one keeps that. The error says why the system refuses,
// as a sandbox may; all goes on as before then.
func Take(long time.Duration) error {
	done := make(map[int]bool)
	for {
		// A thread that begins meanwhile has what the one that begins it has: it may be one that was not asked for yet.
		found, err := threads()
		if err != nil {
			return err
		}
		more := false
		for _, id := range found {
			if done[id] {
				continue
			}
			done[id], more = true, true
			if err := take(id, long); err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
				return fmt.Errorf("turn: thread %d: %w", id, err)
			}
		}
		if !more {
			return nil
		}
	}
}

func take(id int, long time.Duration) error {
	a, err := unix.SchedGetAttr(id, 0)
	if err != nil {
		return err
	}
	if a.Policy != unix.SCHED_NORMAL {
		return nil
	}
	a.Runtime = uint64(long.Nanoseconds())
	return unix.SchedSetAttr(id, a, 0)
}

func threads() ([]int, error) {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, err
	}
	ids := make([]int, 0, len(entries))
	for _, e := range entries {
		if id, err := strconv.Atoi(e.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
