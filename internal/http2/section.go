package http2

import (
	"slices"

	"golang.org/x/net/http2"
)

// section is a header section that is being read: HEADERS and the CONTINUATION frames behind it.
type section struct {
	fields    []Field
	size      int     // decoded, as Config.HeaderList counts
	encoded   int     // bytes of fragments
	waiting   *[]byte // fragments of a section that is not whole; nil: they are decoded as they come
	frames    int
	seen      pseudo
	regular   bool
	tooLarge  bool
	malformed string
}

// readSection reads the frames of a header section and decodes them. Also one that is too large or malformed is decoded to
// its end, since the compression tables are those of the whole connection. What f says is copied first: the next
// frame takes its place.
func (c *Conn) readSection(f *http2.HeadersFrame) (Head, pseudo, error) {
	s := &c.section
	clear(s.fields)
	*s = section{fields: s.fields[:0]}
	end, done := f.StreamEnded(), f.HeadersEnded()
	if !done {
		s.waiting = c.cfg.Sections.take(2 * c.cfg.HeaderList)
		defer func() {
			c.cfg.Sections.giveBack(s.waiting)
			s.waiting = nil
		}()
	}
	c.decoder.SetEmitEnabled(true)
	err := c.feed(f.HeaderBlockFragment(), done)
	for err == nil && !done {
		var next http2.Frame
		if next, err = c.readFrame(); err != nil {
			break
		}
		more, ok := next.(*http2.ContinuationFrame)
		if !ok { // the framer lets nothing else pass
			return Head{}, 0, Fault{ProtocolError, "CONTINUATION expected"}
		}
		done = more.HeadersEnded()
		err = c.feed(more.HeaderBlockFragment(), done)
	}
	if err != nil {
		return Head{}, 0, err
	}
	if err := c.decoder.Close(); err != nil {
		return Head{}, 0, Fault{http2.ErrCodeCompression, "truncated header section"}
	}
	return Head{Fields: slices.Clone(s.fields), End: end, TooLarge: s.tooLarge, Malformed: s.malformed, size: s.size}, s.seen, nil
}

// feed gives one fragment to the decoder, which calls field, or has it wait for the last one.
func (c *Conn) feed(fragment []byte, last bool) error {
	s := &c.section
	s.frames++
	s.encoded += len(fragment)
	// Frames without content would go on for ever, and what is compressed to next to nothing would cost more than it is worth.
	if s.frames > maxSections || s.encoded > 2*c.cfg.HeaderList {
		return Fault{EnhanceYourCalm, "header section without end"}
	}
	if s.waiting != nil {
		*s.waiting = append(*s.waiting, fragment...)
		if !last {
			return nil
		}
		fragment = *s.waiting
	}
	if _, err := c.decoder.Write(fragment); err != nil {
		return Fault{http2.ErrCodeCompression, "header section that cannot be decoded"}
	}
	return nil
}

// field takes a field from the decoder.
func (c *Conn) field(f Field) {
	s := &c.section
	if s.size += int(f.Size()); s.size > c.cfg.HeaderList {
		s.tooLarge = true
	} else if s.malformed = checkField(f); s.malformed == "" {
		s.place(f)
	}
	if s.tooLarge || s.malformed != "" {
		c.decoder.SetEmitEnabled(false)
		return
	}
	s.fields = append(s.fields, f)
}

// place checks the order of pseudo fields, and that each is there once.
func (s *section) place(f Field) {
	if f.Name[0] != ':' {
		s.regular = true
		return
	}
	p := pseudoOf(f.Name)
	switch {
	case s.regular:
		s.malformed = "pseudo field behind others"
	case s.seen&p != 0:
		s.malformed = "pseudo field twice"
	}
	s.seen |= p
}

// check completes the checks of a section with those of its kind.
func (h *Head) check(k kind, seen pseudo) {
	if h.Malformed == "" && !h.TooLarge {
		h.Malformed = k.check(h, seen)
	}
}
