package turn

import (
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestEveryThreadHasShortTurns, those that begin later too.
func TestEveryThreadHasShortTurns(t *testing.T) {
	if a, err := unix.SchedGetAttr(0, 0); err != nil || a.Runtime == 0 {
		t.Skipf("needs Linux 6.12 or later, which grants turns of a length: %+v, %v", a, err)
	}
	if err := Take(Short); err != nil {
		t.Fatal(err)
	}
	var begun, end sync.WaitGroup
	end.Add(1)
	defer end.Done()
	for range 8 { // each keeps a thread to itself
		begun.Add(1)
		go func() {
			runtime.LockOSThread()
			begun.Done()
			end.Wait()
		}()
	}
	begun.Wait()
	ids, err := threads()
	if err != nil || len(ids) < 9 {
		t.Fatalf("%d threads, %v", len(ids), err)
	}
	for _, id := range ids {
		a, err := unix.SchedGetAttr(id, 0)
		if err == nil && a.Runtime != uint64(Short) {
			t.Errorf("thread %d has turns of %d ns", id, a.Runtime)
		}
	}
}

// TestOtherSchedulingStays: whoever is scheduled in the background stays there.
func TestOtherSchedulingStays(t *testing.T) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocks: the thread ends with it
		id := unix.Gettid()
		if err := unix.SchedSetAttr(id, &unix.SchedAttr{Policy: unix.SCHED_BATCH}, 0); err != nil {
			done <- err
			return
		}
		err := take(id, Short)
		if a, got := unix.SchedGetAttr(id, 0); err == nil && got == nil && a.Policy != unix.SCHED_BATCH {
			t.Errorf("it is %+v", a)
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
