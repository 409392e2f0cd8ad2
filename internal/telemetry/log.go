package telemetry

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// The measures of an AccessLog.
const (
	flushEach  = 100 * time.Millisecond // no line waits longer
	flushSize  = 64 << 10               // bytes that wake the writer before that
	pendingMax = 4 << 20                // bytes that may wait for the disk; further lines are dropped and counted
)

// AccessLog writes records to a file or a stream. Record never waits for a write: what the disk cannot take is
// dropped and counted. The zero value is not usable: call OpenAccessLog or NewAccessLog.
type AccessLog struct {
	path string

	mu      sync.Mutex
	pending []byte
	closed  bool

	writing sync.Mutex // held over each write, and by Reopen
	out     io.WriteCloser
	spare   []byte

	wake, quit chan struct{}
	done       sync.WaitGroup
	dropped    atomic.Uint64
	failed     atomic.Pointer[error]
}

// OpenAccessLog appends to the file at path, and makes it if it is missing. It is readable by its owner's group:
// paths and addresses of clients are nobody else's business.
func OpenAccessLog(path string) (*AccessLog, error) {
	f, err := openAppend(path)
	if err != nil {
		return nil, fmt.Errorf("telemetry: open access log: %w", err)
	}
	l := NewAccessLog(f)
	l.path = path
	return l, nil
}

func openAppend(path string) (io.WriteCloser, error) {
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
}

// NewAccessLog writes to a stream, which Close closes.
func NewAccessLog(out io.WriteCloser) *AccessLog {
	l := &AccessLog{out: out, wake: make(chan struct{}, 1), quit: make(chan struct{})}
	l.done.Go(l.run)
	return l
}

// Record appends one record. It is safe for concurrent use, does not allocate, and does not wait for the disk.
func (l *AccessLog) Record(a *Access) {
	l.mu.Lock()
	if l.closed || len(l.pending) >= pendingMax {
		l.mu.Unlock()
		l.dropped.Add(1)
		return
	}
	before := len(l.pending)
	l.pending = a.Append(l.pending)
	full := before < flushSize && len(l.pending) >= flushSize
	l.mu.Unlock()
	if full {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// Dropped is the number of records that were not written.
func (l *AccessLog) Dropped() uint64 { return l.dropped.Load() }

// Err is the last write or reopen that failed, nil if the last one went well.
func (l *AccessLog) Err() error {
	if p := l.failed.Load(); p != nil {
		return *p
	}
	return nil
}

func (l *AccessLog) run() {
	tick := time.NewTicker(flushEach)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.wake:
		case <-l.quit:
			l.Flush()
			return
		}
		l.Flush()
	}
}

// Flush writes what waits.
func (l *AccessLog) Flush() {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	batch := l.pending
	l.pending = l.spare[:0]
	l.mu.Unlock()
	l.spare = batch
	if len(batch) == 0 {
		return
	}
	_, err := l.out.Write(batch)
	l.note(err)
}

func (l *AccessLog) note(err error) {
	if err == nil {
		l.failed.Store(nil)
	} else {
		err = fmt.Errorf("telemetry: write access log: %w", err)
		l.failed.Store(&err)
	}
}

// Reopen opens the file again, for a rotation that has renamed it. A log that is no file stays as it is. If the file
// cannot be opened, the old one stays in use.
func (l *AccessLog) Reopen() error {
	if l.path == "" {
		return nil
	}
	l.Flush()
	f, err := openAppend(l.path)
	if err != nil {
		err = fmt.Errorf("telemetry: reopen access log: %w", err)
		l.failed.Store(&err)
		return err
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	old := l.out
	l.out = f
	return old.Close()
}

// Close writes what waits and closes the stream. Records that come later are dropped.
func (l *AccessLog) Close() error {
	l.mu.Lock()
	was := l.closed
	l.closed = true
	l.mu.Unlock()
	if was {
		return nil
	}
	close(l.quit)
	l.done.Wait()
	return errors.Join(l.Err(), l.out.Close())
}
