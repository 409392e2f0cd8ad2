package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The measures of an AccessLog.
const (
	flushEach  = 100 * time.Millisecond // no line waits longer
	flushSize  = 32 << 10               // bytes in one shard that wake the writer before that
	pendingMax = 4 << 20                // bytes that may wait for the disk, in all shards; further lines are dropped and counted
	shardsMax  = 8
	roomKept   = 8 << 10         // of a buffer, in any case
	lookEach   = time.Second     // how often the file is looked for where it should be
	closeIn    = 2 * time.Second // how long Close waits for the disk
)

// Options are how an AccessLog writes. The zero value is usable.
type Options struct {
	Format Format
	Redact []string // names of parameters whose values are hidden, besides the usual ones
}

// AccessLog writes records to a file or a stream. Record never waits for a write: one goroutine owns the file and writes
// what has collected, ten times a second or sooner, and what the disk cannot take is dropped and counted. The file is
// opened again when somebody has renamed or removed it. The zero value is not usable: call OpenAccessLog or NewAccessLog.
//
// Lines leave in the order in which their requests ended, but for those that end within the same moment.
type AccessLog struct {
	path   string // "" = no file
	shards []shard

	wake    chan struct{}
	asked   chan request
	quit    chan struct{}
	closing sync.Once
	done    chan struct{} // closed when the goroutine has ended
	closed  error         // what closing the stream gave; set before done is closed

	written, dropped atomic.Uint64
	lost             atomic.Int64 // when a line was dropped last, nanoseconds since 1970
	failed           atomic.Pointer[error]
	opened           atomic.Uint64
	own              writer
}

// shard is where records collect until they are written.
type shard struct {
	mu      sync.Mutex
	lines   lines
	pending batch
	closed  bool
	_       [64]byte
}

// batch is lines one behind the other.
type batch struct {
	text  []byte
	marks []mark
}

// mark is the end of a line in its batch, and when its request ended, in nanoseconds since 1970.
type mark struct {
	end int
	at  int64
}

// request asks the goroutine for something.
type request struct {
	reopen bool
	answer chan error
}

// OpenAccessLog appends to the file at path, and makes it if it is missing. It is readable by its owner's group:
// paths and addresses of clients are nobody else's business.
func OpenAccessLog(path string, o Options) (*AccessLog, error) {
	f, err := openAppend(path)
	if err != nil {
		return nil, fmt.Errorf("telemetry: open access log: %w", err)
	}
	return newAccessLog(f, path, o), nil
}

// openAppend does not wait for somebody to read where path is a named pipe: opening one that nobody reads fails.
func openAppend(path string) (*os.File, error) {
	how := os.O_APPEND | os.O_CREATE | os.O_WRONLY
	if at, err := os.Stat(path); err == nil && at.Mode()&os.ModeNamedPipe != 0 {
		how |= syscall.O_NONBLOCK
	}
	f, err := os.OpenFile(path, how, 0o640)
	if errors.Is(err, syscall.ENXIO) {
		err = fmt.Errorf("%s is a named pipe, and nobody reads it: start its reader first", path)
	}
	return f, err
}

// NewAccessLog writes to a stream, which Close closes.
func NewAccessLog(out io.WriteCloser, o Options) *AccessLog { return newAccessLog(out, "", o) }

func newAccessLog(out io.WriteCloser, path string, o Options) *AccessLog {
	n := 1
	for n < runtime.GOMAXPROCS(0) && n < shardsMax {
		n *= 2
	}
	l := &AccessLog{path: path, shards: make([]shard, n), wake: make(chan struct{}, 1), asked: make(chan request), quit: make(chan struct{}), done: make(chan struct{})}
	secret := newSecrets(o.Redact)
	for i := range l.shards {
		l.shards[i].lines = lines{format: o.Format, secret: secret}
	}
	l.own = writer{log: l, out: out, room: roomKept, batches: make([]batch, n)}
	go l.run()
	return l
}

// Record appends one record. It is safe for concurrent use, does not allocate, and does not wait for the disk.
func (l *AccessLog) Record(a *Access) {
	s := &l.shards[a.Shard&uint32(len(l.shards)-1)]
	at := a.Time.Add(a.Total)
	s.mu.Lock()
	p := &s.pending
	before := len(p.text)
	if s.closed || before >= pendingMax/len(l.shards) {
		s.mu.Unlock()
		l.drop(1, at)
		return
	}
	p.text = s.lines.append(p.text, a)
	p.marks = append(p.marks, mark{len(p.text), at.UnixNano()})
	full := before < flushSize && len(p.text) >= flushSize
	s.mu.Unlock()
	if full {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

func (l *AccessLog) drop(n int, at time.Time) {
	l.dropped.Add(uint64(n))
	l.lost.Store(at.UnixNano())
}

// Written is the number of lines that were written.
func (l *AccessLog) Written() uint64 { return l.written.Load() }

// Dropped is the number of lines that were not written, and when the last of them was lost.
func (l *AccessLog) Dropped() (lines uint64, last time.Time) {
	if n := l.lost.Load(); n != 0 {
		last = time.Unix(0, n)
	}
	return l.dropped.Load(), last
}

// Opened is how often the file was opened.
func (l *AccessLog) Opened() uint64 { return l.opened.Load() }

// Err is the last write or reopen that failed, nil if the last one went well.
func (l *AccessLog) Err() error {
	if p := l.failed.Load(); p != nil {
		return *p
	}
	return nil
}

func (l *AccessLog) note(doing string, err error) error {
	if err == nil {
		l.failed.Store(nil)
		return nil
	}
	err = fmt.Errorf("telemetry: %s access log: %w", doing, err)
	l.failed.Store(&err)
	return err
}

// run is the goroutine that owns the file.
func (l *AccessLog) run() {
	defer close(l.done)
	l.own.identify()
	tick := time.NewTicker(flushEach)
	defer tick.Stop()
	look := time.NewTicker(lookEach)
	defer look.Stop()
	for {
		select {
		case <-tick.C:
			l.own.flush()
		case <-l.wake:
			l.own.flush()
		case <-look.C:
			l.own.fit()
			if l.own.moved() {
				_ = l.own.reopen() // noted, and tried again at the next look
			}
		case r := <-l.asked:
			l.own.flush()
			var err error
			if r.reopen {
				err = l.own.reopen()
			}
			r.answer <- err
		case <-l.quit:
			l.own.flush()
			l.closed = l.own.out.Close()
			return
		}
	}
}

// ask has the goroutine write what waits, and open the file again where that is asked for.
func (l *AccessLog) ask(ctx context.Context, reopen bool) error {
	r := request{reopen, make(chan error, 1)}
	select {
	case l.asked <- r:
	case <-l.done:
		return fs.ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("telemetry: the disk takes nothing: %w", ctx.Err())
	}
	select {
	case err := <-r.answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("telemetry: the disk takes nothing: %w", ctx.Err())
	}
}

// Flush writes what waits.
func (l *AccessLog) Flush(ctx context.Context) error { return l.ask(ctx, false) }

// Reopen writes what waits and opens the file again, for a rotation that has renamed it. A log that is no file stays as
// it is. If the file cannot be opened, the old one stays in use. ctx bounds the wait for the disk.
func (l *AccessLog) Reopen(ctx context.Context) error { return l.ask(ctx, true) }

// Close writes what waits and closes the stream. Records that come later are dropped. A disk that takes nothing for two
// seconds is left alone.
func (l *AccessLog) Close() error {
	l.closing.Do(func() {
		for i := range l.shards {
			l.shards[i].mu.Lock()
			l.shards[i].closed = true
			l.shards[i].mu.Unlock()
		}
		close(l.quit)
	})
	t := time.NewTimer(closeIn)
	defer t.Stop()
	select {
	case <-l.done:
		return errors.Join(l.Err(), l.closed)
	case <-t.C:
		return fmt.Errorf("telemetry: close access log: the disk took nothing for %v", closeIn)
	}
}
