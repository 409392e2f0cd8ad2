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

	batches []batch // of each shard, written last
	merged  []byte  // all of them
	most    int     // bytes that one of these had since the last look
	room    int     // bytes of those that are kept
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

// flush writes what waits in the shards.
func (w *writer) flush() {
	var text []byte
	count, full := 0, 0 // lines, and batches that have some
	for i := range w.batches {
		w.batches[i].empty(w.room)
	}
	shards := w.log.shards
	for i := range shards { // all at once, for a moment: what one has written is not behind what another writes later
		shards[i].mu.Lock()
	}
	for i := range shards {
		w.batches[i], shards[i].pending = shards[i].pending, w.batches[i]
	}
	for i := range shards {
		shards[i].mu.Unlock()
	}
	for i := range w.batches {
		if b := &w.batches[i]; len(b.marks) > 0 {
			text, count, full = b.text, count+len(b.marks), full+1
		}
	}
	if full > 1 {
		w.merge()
		text = w.merged
	}
	if count > 0 {
		w.most = max(w.most, len(text))
		w.room = max(w.room, 2*w.most)
		w.write(text, count)
	}
}

// fit lets go of what is larger than lately was of use: a slow disk or a burst makes buffers grow. Those of the shards follow as they are emptied.
func (w *writer) fit() {
	w.room, w.most = max(2*w.most, roomKept), 0
	if cap(w.merged) > w.room {
		w.merged = nil
	}
}

// empty makes room, and lets go of what is larger than that.
func (b *batch) empty(room int) {
	if cap(b.text) > room {
		*b = batch{}
	}
	b.text, b.marks = b.text[:0], b.marks[:0]
}

// merge puts the lines of all batches in the order in which their requests ended.
func (w *writer) merge() {
	w.merged = w.merged[:0]
	var next [shardsMax]int // line of each batch
	for {
		first := -1
		for i := range w.batches {
			if m := w.batches[i].marks; next[i] < len(m) && (first < 0 || m[next[i]].at < w.batches[first].marks[next[first]].at) {
				first = i
			}
		}
		if first < 0 {
			return
		}
		b, n := &w.batches[first], next[first]
		begin := 0
		if n > 0 {
			begin = b.marks[n-1].end
		}
		w.merged = append(w.merged, b.text[begin:b.marks[n].end]...)
		next[first]++
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
