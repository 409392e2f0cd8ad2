package httpproxy

import (
	"fmt"
	"io"
	"os"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
	"paifang/internal/upstream"
)

// spoolMemory is how much of a body is kept in memory before it goes to a file.
const spoolMemory = 64 << 10

// spool is a request body that was read whole, in a block of memory or, if it is longer, in a file.
type spool struct {
	block []byte
	file  *os.File
	name  string // of the file, where the system does not take the name of one that is open
	size  int64
	head  []byte // what is sent before the body: the size of the one chunk that it is
	tail  []byte // and behind it
}

var (
	_ filter.RequestBody = (*spool)(nil)
	_ filter.Gatherer    = (*work)(nil)
)

// Size is the number of bytes.
func (s *spool) Size() int64 { return s.size }

// ReadAt reads a part of the body, as io.ReaderAt has it.
func (s *spool) ReadAt(p []byte, off int64) (int, error) {
	if s.file != nil {
		return s.file.ReadAt(p, off)
	}
	if off < 0 || off >= s.size {
		return 0, io.EOF
	}
	n := copy(p, s.block[off:s.size])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// write takes the next part.
func (s *spool) write(p *Plane, data []byte) model.Code {
	if s.file == nil && s.size+int64(len(data)) > spoolMemory {
		if code := s.spill(p); code != "" {
			return code
		}
	}
	if s.file == nil {
		if s.block == nil {
			s.block = p.blocks.takeLarge()
		}
		copy(s.block[s.size:], data)
		s.size += int64(len(data))
		return ""
	}
	if p.spilled.Add(int64(len(data))) > p.cfg.Spill.Total {
		p.spilled.Add(-int64(len(data)))
		return CodeSpillFull
	}
	s.size += int64(len(data))
	if _, err := s.file.Write(data); err != nil {
		return s.failed(p, err)
	}
	return ""
}

// spill moves what is in memory to a file that nobody else can open.
func (s *spool) spill(p *Plane) model.Code {
	if p.spilled.Add(s.size) > p.cfg.Spill.Total {
		p.spilled.Add(-s.size)
		return CodeSpillFull
	}
	f, err := os.CreateTemp(p.cfg.Spill.Dir, "paifang-body-")
	if err != nil {
		p.spilled.Add(-s.size)
		return s.failed(p, err)
	}
	s.file = f
	if os.Remove(f.Name()) != nil {
		s.name = f.Name()
	}
	if _, err := f.Write(s.block[:s.size]); err != nil {
		return s.failed(p, err)
	}
	return ""
}

func (s *spool) failed(p *Plane, err error) model.Code {
	p.cfg.Log.Error("a request body cannot be kept in a file", "dir", p.cfg.Spill.Dir, "error", err)
	return CodeSpillFailed
}

// release gives back what the body took.
func (s *spool) release(p *Plane) {
	if s.block != nil {
		p.blocks.give(s.block)
	}
	if s.file == nil {
		return
	}
	p.spilled.Add(-s.size)
	_ = s.file.Close() // whatever it says, the file is gone
	if s.name != "" {
		_ = os.Remove(s.name)
	}
}

// Gather reads the request body whole, for a filter that asked for it.
func (w *work) Gather(limit int64) filter.Verdict {
	x := &w.x
	switch {
	case w.whole:
		return filter.Continue // there is none
	case x.Request.Body == http1.SizedBody && x.Request.ContentLength > limit:
		return x.TooLarge()
	}
	for !w.whole {
		if len(w.pending) == 0 {
			if !w.goOn() {
				return filter.Respond
			}
			if err := w.readBody(); err != nil {
				return w.notGathered(err)
			}
			continue
		}
		data, n, err := w.request.Next(w.pending)
		if err != nil {
			return w.notGathered(err)
		}
		w.pending = w.pending[n:]
		w.whole = w.request.Done()
		if w.size += int64(len(data)); w.size > limit || w.overMax() { // a filter in front may take less than the one that asks
			return x.TooLarge()
		}
		x.TapPart(data)
		switch code := w.spool.write(w.c.plane, data); code {
		case "":
		case CodeSpillFull:
			return x.Respond(503, code, sentence(503))
		default:
			return x.Respond(500, code, "")
		}
	}
	x.Request.Expect100 = false
	if w.spool.size > 0 {
		x.RequestBody = &w.spool
	}
	w.frameSpool()
	return filter.Continue
}

// Replace makes a text the body of the request, in place of what was gathered.
func (w *work) Replace(body []byte) {
	w.spool.release(w.c.plane)
	w.spool = spool{}
	w.request.Trailers().Reset()
	w.framed = append(w.framed[:0], body...)
	w.wire = w.framed
	r := &w.x.Request
	r.Body, r.ContentLength = http1.SizedBody, int64(len(body))
}

// gathers reads a body of known length whole where the route says so and it has more than is held in any case. It is false if
// the request is answered, or over.
func (w *work) gathers() bool {
	r, most := &w.x.Request, w.route.forward.Gather
	if w.whole || r.Body != http1.SizedBody || r.ContentLength <= gatherBelow || r.ContentLength > most {
		return true
	}
	return w.Gather(most) == filter.Continue
}

// notGathered answers a body that did not arrive as it should.
func (w *work) notGathered(err error) filter.Verdict {
	status, code := bodyFault(err)
	if code == CodeClientLeft {
		w.clientFailed(err)
		return filter.Respond
	}
	w.keep = false
	return w.x.Respond(status, code, sentence(status))
}

// frameSpool makes the body ready to be sent. Its length is known by now; chunks are only needed for trailers.
func (w *work) frameSpool() {
	r, s := &w.x.Request, &w.spool
	switch {
	case r.Body == http1.SizedBody || w.request.Trailers().Len() == 0:
		r.Body, r.ContentLength = http1.SizedBody, s.size
	case s.size == 0:
		s.tail = http1.AppendTrailers(nil, w.request.Trailers())
	default:
		s.head = http1.AppendChunkSize(nil, int(s.size))
		s.tail = http1.AppendTrailers([]byte("\r\n"), w.request.Trailers())
	}
	switch {
	case s.file != nil:
		return
	case len(s.tail) == 0:
		w.wire = s.block[:s.size]
		return
	}
	w.framed = append(append(append(w.framed[:0], s.head...), s.block[:s.size]...), s.tail...)
	w.wire = w.framed
}

// unframeSpool takes back the chunk for an upstream that speaks HTTP/2.
func (w *work) unframeSpool() {
	s := &w.spool
	if len(s.tail) == 0 {
		return
	}
	s.head, s.tail = nil, nil
	if s.file == nil {
		w.wire = s.block[:s.size]
	}
}

// copySpool sends the body from its file.
func (w *work) copySpool(up *upstream.Conn, s *uploadState) error {
	c := w.c
	block := c.plane.blocks.takeLarge()
	defer c.plane.blocks.give(block)
	send := func(part []byte) error { return w.uploadPart(up, s, part) }
	if len(w.spool.head) > 0 {
		if err := send(w.spool.head); err != nil {
			return err
		}
	}
	for at := int64(0); at < w.spool.size; {
		n, err := w.spool.file.ReadAt(block[:min(int64(len(block)), w.spool.size-at)], at)
		if n == 0 {
			s.status, s.code, s.err = 500, CodeSpillFailed, fmt.Errorf("httpproxy: read request body: %w", err)
			return s.err
		}
		at += int64(n)
		if err := send(block[:n]); err != nil {
			return err
		}
	}
	if len(w.spool.tail) > 0 {
		if err := send(w.spool.tail); err != nil {
			return err
		}
	}
	return w.endBody(up)
}
