package http1

// BodyReader finds the end of one body in bytes that arrive in pieces, and the data in them. It is meant to be pooled:
// Reset before each body. It keeps nothing but trailers; data it returns are slices of what it was given.
type BodyReader struct {
	framing  Framing
	done     bool
	left     int64 // data bytes still to come: of a sized body, or of this chunk
	received int64
	chunk    chunkScan
	declared []string // names of trailers that the head announced: most have none
	trailers trailers
}

// Reset begins a body of this framing; length is that of a SizedBody. head are the fields of its message, which say
// what trailers to expect; nil means none. A body that HTTP/2 frames is UntilClose, where its length is not known: Close
// says that its end has come, and Trail what is behind it.
func (b *BodyReader) Reset(framing Framing, length int64, head *Fields) {
	b.framing, b.received, b.left = framing, 0, 0
	b.done = framing == NoBody
	b.chunk = chunkScan{}
	b.trailers.reset()
	clear(b.declared)
	b.declared = b.declared[:0]
	switch framing {
	case SizedBody:
		b.left = length
		b.done = length == 0
	}
	if framing != NoBody && head != nil {
		b.declare(head)
	}
}

// declare remembers what the Trailer fields name, as far as it may be a trailer.
func (b *BodyReader) declare(head *Fields) {
	for i := range head.rows {
		if head.rows[i].role != trailerNames {
			continue
		}
		for list := head.rows[i].value; list != ""; {
			var name string
			name, list = member(list)
			if len(b.declared) < maxTrailerRows && MayTrail(name) {
				b.declared = append(b.declared, name)
			}
		}
	}
}

// DropTrailers has nothing of what stands behind the body be forwarded.
func (b *BodyReader) DropTrailers() {
	b.declared = b.declared[:0]
	b.trailers.reset()
}

func (b *BodyReader) isDeclared(name string) bool {
	for _, d := range b.declared {
		if EqualFold(d, name) {
			return true
		}
	}
	return false
}

// Trail takes a trailer that came as a field of its own and not with the body's framing (HTTP/2). It is dropped unless the
// head declared it and MayTrail allows it, like one that came in chunks.
func (b *BodyReader) Trail(name, value string) {
	if !hasUnderscore(name) && MayTrail(name) && b.isDeclared(name) && b.trailers.fields.Len() < maxTrailerRows {
		b.trailers.fields.Add(name, value)
	}
}

// Next takes bytes that were read and returns how many of them belong to the body, and the data among these: one
// run, so that it must be called again with in[n:] until n is len(in) or Done. data may be empty although n is not
// (chunk framing), and data is part of in. After a Fault the message must never be completed for its recipient.
func (b *BodyReader) Next(in []byte) (data []byte, n int, err error) {
	for !b.done && n < len(in) {
		if b.framing == UntilClose {
			b.received += int64(len(in) - n)
			return in[n:], len(in), nil
		}
		if b.left > 0 {
			size := len(in) - n
			if int64(size) > b.left {
				size = int(b.left)
			}
			b.Skip(int64(size))
			return in[n : n+size], n + size, nil
		}
		used, fault := b.frame(in[n:])
		n += used
		if fault != 0 {
			return nil, n, fault
		}
	}
	return nil, n, nil
}

// frame takes chunk framing up to the next data, or the end.
func (b *BodyReader) frame(in []byte) (int, Fault) {
	if b.chunk.last {
		used, end, fault := b.trailers.take(in)
		if fault == 0 && end {
			fault = b.trailers.parse(b)
			b.done = fault == 0
		}
		return used, fault
	}
	used, fault := b.chunk.take(in)
	if fault == 0 && b.chunk.state == inData {
		b.left = b.chunk.size
	}
	return used, fault
}

// Skip counts n bytes of data, at most Sure, that were moved past Next (spliced, say).
func (b *BodyReader) Skip(n int64) {
	b.received += n
	if b.framing == UntilClose {
		return
	}
	b.left -= n
	if b.left > 0 {
		return
	}
	if b.framing == SizedBody {
		b.done = true
		return
	}
	b.chunk.state = dataCR
}

// Done tells whether the body, its trailers included, has been seen whole. A body that lasts until its connection
// closes is done after Close.
func (b *BodyReader) Done() bool { return b.done }

// Received is the number of data bytes seen.
func (b *BodyReader) Received() int64 { return b.received }

// Sure is the number of coming bytes that are data whatever they are: the rest of a sized body or of a chunk, -1
// (without bound) until close.
func (b *BodyReader) Sure() int64 {
	if b.framing == UntilClose && !b.done {
		return -1
	}
	return b.left
}

// Close says that the connection has ended. It returns Truncated if the body is not done.
func (b *BodyReader) Close() error {
	if b.framing == UntilClose {
		b.done = true
	}
	if !b.done {
		return Truncated
	}
	return nil
}

// Trailers are the fields after the last chunk: those that were declared and that may be forwarded. They are valid
// until Reset.
func (b *BodyReader) Trailers() *Fields { return &b.trailers.fields }
