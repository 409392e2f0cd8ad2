package telemetry

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// writer is what the goroutine of an AccessLog owns.
type writer struct {
	log  *AccessLog
	out  io.WriteCloser
	is   os.FileInfo // of out, where it is a file; nil: it is not known
	torn bool        // the last write ended within a line
	room []byte      // of the batch that was written last
}

// identify notes which file is open.
func (w *writer) identify() {
	w.is = nil
	if f, ok := w.out.(*os.File); ok && w.log.path != "" {
		w.log.opened.Add(1)
		if is, err := f.Stat(); err == nil {
			w.is = is
		}
	}
}

// moved tells whether the file was renamed or removed: another one, or none, is where it should be.
func (w *writer) moved() bool {
	if w.is == nil {
		return false
	}
	there, err := os.Stat(w.log.path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(there, w.is)
}

func (w *writer) reopen() error {
	if w.log.path == "" {
		return nil
	}
	f, err := openAppend(w.log.path)
	if err != nil {
		return w.log.note("reopen", err)
	}
	old := w.out
	w.out, w.torn = f, false
	w.identify()
	return w.log.note("reopen", old.Close())
}

// flush writes what waits in each shard.
func (w *writer) flush() {
	for i := range w.log.shards {
		s := &w.log.shards[i]
		s.mu.Lock()
		batch, count := s.pending, s.count
		s.pending, s.count = w.room[:0], 0
		s.mu.Unlock()
		w.room = batch
		if len(batch) > 0 {
			w.write(batch, count)
		}
		if cap(w.room) > roomKept {
			w.room = nil
		}
	}
}

// write writes a batch of so many lines.
func (w *writer) write(batch []byte, count int) {
	var n int
	var err error
	if w.torn { // the rest of a line is missing: what follows must not become part of it
		_, err = w.out.Write([]byte("\n"))
		w.torn = err != nil
	}
	if err == nil {
		n, err = w.out.Write(batch)
	}
	_ = w.log.note("write", err)
	if err == nil {
		w.log.written.Add(uint64(count))
		return
	}
	whole := bytes.Count(batch[:n], []byte("\n"))
	w.torn = w.torn || n > 0 && batch[n-1] != '\n'
	w.log.written.Add(uint64(whole))
	w.log.drop(count-whole, time.Now())
}
