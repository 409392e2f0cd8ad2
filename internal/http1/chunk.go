package http1

// chunkState is where in the framing of a chunk (RFC 9112, 7.1) the next byte is.
type chunkState uint8

const (
	sizeStart chunkState = iota // the first digit
	sizeDigits
	extStart // after ";"
	extName
	valueStart // after "="
	extValue
	quoted
	quotedPair // after a backslash
	afterQuote
	sizeLF // after the CR of a size line
	inData
	dataCR // the CR after the data
	dataLF
)

// chunkScan is the framing of chunks, a byte at a time: it is a few bytes per chunk. White space around extensions,
// which the grammar has for old senders, is refused: nobody sends it, and servers disagree about it.
type chunkScan struct {
	state  chunkState
	last   bool // the chunk of size 0 was seen
	digits uint8
	size   int64
	ext    int // extension bytes so far in this body
}

// take consumes framing up to the next data or the trailers, and returns how many bytes that were.
func (c *chunkScan) take(in []byte) (int, Fault) {
	for i, b := range in {
		if c.state > sizeDigits && c.state < sizeLF {
			if c.ext++; c.ext > maxExtensions {
				return i, ChunkExtensionsTooLarge
			}
		}
		if fault := c.step(b); fault != 0 {
			return i, fault
		}
		if c.last || c.state == inData {
			return i + 1, 0
		}
	}
	return len(in), 0
}

func (c *chunkScan) step(b byte) Fault {
	switch c.state {
	case sizeStart, sizeDigits:
		return c.sizeByte(b)
	case sizeLF:
		switch {
		case b != '\n':
			return BareCR
		case c.size == 0:
			c.last = true
		default:
			c.state = inData
		}
	case dataCR:
		if b != '\r' {
			return BadChunkEnd
		}
		c.state = dataLF
	case dataLF:
		if b != '\n' {
			return BadChunkEnd
		}
		c.state, c.digits, c.size = sizeStart, 0, 0
	default:
		return c.extensionByte(b)
	}
	return 0
}

func (c *chunkScan) sizeByte(b byte) Fault {
	switch {
	case octets[b]&isHex != 0:
		if c.digits++; c.digits > 16 || c.size>>58 != 0 { // one more digit must leave it positive
			return BadChunkSize
		}
		c.size = c.size<<4 | int64(hexValue[b])
		c.state = sizeDigits
	case c.state == sizeStart:
		return BadChunkSize
	case b == '\r':
		c.state = sizeLF
	case b == ';':
		c.state = extStart
	case b == '\n':
		return BareLF
	default:
		return BadChunkSize
	}
	return 0
}

// extensionByte is chunk-ext (RFC 9112, 7.1.1): *( ";" token [ "=" ( token / quoted-string ) ] ).
func (c *chunkScan) extensionByte(b byte) Fault {
	token := octets[b]&inToken != 0
	switch {
	case c.state == quoted && b == '"':
		c.state = afterQuote
	case c.state == quoted && b == '\\':
		c.state = quotedPair
	case c.state == quoted || c.state == quotedPair:
		if b < ' ' || b == 0x7f {
			return BadChunkExtension
		}
		c.state = quoted
	case token && (c.state == extStart || c.state == extName):
		c.state = extName
	case token && (c.state == valueStart || c.state == extValue):
		c.state = extValue
	case b == '"' && c.state == valueStart:
		c.state = quoted
	case c.state == extStart || c.state == valueStart:
		return BadChunkExtension // an empty name or value
	case b == '=' && c.state == extName:
		c.state = valueStart
	case b == ';':
		c.state = extStart
	case b == '\r':
		c.state = sizeLF
	case b == '\n':
		return BareLF
	default:
		return BadChunkExtension
	}
	return 0
}

// trailers collects a trailer section, which may arrive in pieces, and parses it when it is whole.
type trailers struct {
	buf    []byte
	line   int // where the unfinished line begins
	lines  int
	fields Fields
}

func (t *trailers) reset() {
	t.fields.Reset()
	t.buf, t.line, t.lines = t.buf[:0], 0, 0
}

// take consumes bytes up to the empty line that ends the section.
func (t *trailers) take(in []byte) (n int, end bool, _ Fault) {
	for i, b := range in {
		if t.buf = append(t.buf, b); len(t.buf) > maxTrailers {
			return i, false, HeadTooLarge
		}
		if b != '\n' {
			continue
		}
		switch size := len(t.buf) - t.line; {
		case size < 2 || t.buf[len(t.buf)-2] != '\r':
			return i, false, BareLF
		case size == 2:
			return i + 1, true, 0
		}
		if t.lines++; t.lines > maxTrailerRows {
			return i, false, TooManyFields
		}
		t.line = len(t.buf)
	}
	return len(in), false, 0
}

// parse reads the whole section with the rules of a head, and drops what must not be forwarded.
func (t *trailers) parse(b *BodyReader) Fault {
	if len(t.buf) == 2 {
		return 0
	}
	var f facts
	if fault := f.fields(t.buf, 0, &t.fields); fault != 0 {
		return fault
	}
	t.fields.DelFunc(func(name string) bool {
		return hasUnderscore(name) || !MayTrail(name) || !b.isDeclared(name)
	})
	return 0
}

// MayTrail tells whether a field may come after the body. What frames, routes, authenticates, controls or describes
// a message was needed before it (RFC 9110, 6.5.1), and is a way around every check of the head.
func MayTrail(name string) bool {
	if name == "" || Managed(name) || Protected(name) {
		return false
	}
	for _, p := range [...]string{"if-", "accept", "proxy-", "x-http-method", "sec-"} {
		if hasPrefixFold(name, p) {
			return false
		}
	}
	for _, p := range [...]string{
		"trailer", "max-forwards", "pragma", "range", "age", "expires", "retry-after", "vary", "warning",
		"www-authenticate", "x-original-url", "x-rewrite-url", "user-agent",
	} {
		if EqualFold(name, p) {
			return false
		}
	}
	return true
}
