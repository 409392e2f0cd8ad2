package http1

// Limits bound a head. A zero field means its default, which is right for a listener that faces the internet.
type Limits struct {
	Head   int // bytes of the whole head, its last empty line included; default 64 KiB
	Line   int // bytes of one line without its CRLF; default 32 KiB
	Fields int // field lines; default 100

	// Underscores says what becomes of request fields whose name has an underscore; default: refuse.
	Underscores Underscores
	// Slashes says what becomes of several slashes in a row in a path; default: merge.
	Slashes Slashes
	// EncodedSlashes says what becomes of %2F and %5C in a path; default: refuse.
	EncodedSlashes EncodedSlashes
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

// Slashes is what to do with "//" in a path. At its start several slashes are always one: what follows two could be taken
// for a host.
type Slashes uint8

// The choices.
const (
	MergeSlashes Slashes = iota // one slash stands for several, as file systems and nginx have it
	KeepSlashes                 // they are empty segments (RFC 3986, 3.3)
)

// EncodedSlashes is what to do with %2F and %5C in a path. None of the choices ever decodes %5C: what it stands for is a
// slash on some servers and none on others.
type EncodedSlashes uint8

// The choices.
const (
	RefuseEncodedSlash   EncodedSlashes = iota // answer 400
	RedirectEncodedSlash                       // decode %2F and set Request.Moved: the client is to ask for the other path; %5C is refused
	DecodeEncodedSlash                         // decode %2F before anything is decided; %5C is refused
	KeepEncodedSlash                           // leave both; a rule that needs a real slash does not match them
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
	maxParameters  = 1000     // parameters of a query
	maxCookies     = 1000     // pairs in all Cookie fields together
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

// pathRules are what a path is normalised by.
type pathRules struct {
	slashes Slashes
	encoded EncodedSlashes
}

func (l *Limits) path() pathRules {
	if l == nil {
		return pathRules{}
	}
	return pathRules{l.Slashes, l.EncodedSlashes}
}
