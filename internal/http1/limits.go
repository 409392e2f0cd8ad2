package http1

// Limits bound a head. A zero field means its default, which is right for a listener that faces the internet.
type Limits struct {
	Head   int // bytes of the whole head, its last empty line included; default 64 KiB
	Line   int // bytes of one line without its CRLF; default 32 KiB
	Fields int // field lines; default 100

	// Underscores says what becomes of request fields whose name has an underscore; default: refuse.
	Underscores Underscores
	// KeepEncodedSlash leaves %2F and %5C in a path as they are, in place of refusing the request. They are never
	// decoded, so a rule that needs a real slash does not match them.
	KeepEncodedSlash bool
}

// Underscores is what to do with request fields such as X_Real_IP, which CGI, WSGI and Rack servers cannot tell from
// X-Real-IP.
type Underscores uint8

// The choices.
const (
	RefuseUnderscores Underscores = iota // answer 400
	DropUnderscores                      // forward the request without the field, as nginx does
	KeepUnderscores                      // forward the field, unless the same name with dashes is there too
)

// The defaults of Limits.
const (
	DefaultHead   = 64 << 10
	DefaultLine   = 32 << 10
	DefaultFields = 100
)

// Bounds that nothing legitimate reaches, and so are no settings.
const (
	maxMethod      = 32       // bytes of a method
	maxHost        = 255      // bytes of an authority
	maxOptions     = 64       // options in all Connection fields together
	maxExtensions  = 16 << 10 // bytes of all chunk extensions of one body
	maxTrailers    = 8 << 10  // bytes of a trailer section
	maxTrailerRows = 32       // fields of a trailer section
	maxKeptScratch = 16 << 10 // bytes of scratch that Reset keeps for the next message
)

func (l *Limits) head() int {
	if l == nil || l.Head == 0 {
		return DefaultHead
	}
	return l.Head
}

func (l *Limits) line() int {
	if l == nil || l.Line == 0 {
		return DefaultLine
	}
	return l.Line
}

func (l *Limits) fields() int {
	if l == nil || l.Fields == 0 {
		return DefaultFields
	}
	return l.Fields
}

func (l *Limits) underscores() Underscores {
	if l == nil {
		return RefuseUnderscores
	}
	return l.Underscores
}

func (l *Limits) keepEncodedSlash() bool { return l != nil && l.KeepEncodedSlash }
