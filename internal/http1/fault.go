package http1

import "errors"

// ErrNeedMore is what Parse returns when the head is not complete: read more and call it again with the same bytes
// and those that came after them (the buffer may have moved). What was searched once is not searched again.
var ErrNeedMore = errors.New("http1: head is not complete")

// Fault is one way in which a message breaks the rules. It is comparable, never allocates, and is an error. After any
// Fault the position in the stream is unknown: the connection must be closed, never reused.
type Fault uint8

// The faults. The comment names the rule; the table below gives code and status.
const (
	_                       Fault = iota
	BadRequestLine                // not "method SP target SP version" (RFC 9112, 3)
	BadMethod                     // not a token (RFC 9110, 9.1)
	MethodTooLong                 // longer than any method there is (RFC 9112, 3)
	BadTarget                     // a byte no target has, or a form its method does not allow (RFC 9112, 3.2)
	BadEscape                     // a percent sign without two hexadecimal digits (RFC 3986, 2.1)
	EncodedSlash                  // %2F or %5C in a path: servers disagree about it
	EncodedNUL                    // %00 in a path
	Backslash                     // a backslash in a path: some servers read it as a slash
	DotParameter                  // "..;x" as a segment: some servers read it as ".."
	Fragment                      // # in a target
	UserInfo                      // user:password@ in a target
	TooManyParameters             // a query with more parameters than anybody sends
	TargetTooLong                 // a request line longer than Limits.Line
	BadVersion                    // no version, or not "HTTP/" digit "." digit
	UnsupportedVersion            // a version other than 1.0 and 1.1
	ConnectMethod                 // CONNECT: this is no forward proxy
	BareLF                        // a line that ends in LF alone (RFC 9112, 2.2)
	BareCR                        // CR without LF (RFC 9112, 2.2)
	ObsFold                       // a folded field line (RFC 9112, 5.2)
	LeadingSpace                  // white space before the first field line (RFC 9112, 2.2)
	NoColon                       // a field line without colon
	SpaceBeforeColon              // white space between name and colon (RFC 9112, 5.1)
	BadFieldName                  // an empty name, or a byte that no token has
	BadFieldValue                 // a control byte in a value (RFC 9110, 5.5)
	UnderscoreName                // a name with an underscore, which CGI-like servers read as a dash
	TooManyFields                 // more than Limits.Fields
	FieldTooLarge                 // a field line longer than Limits.Line
	HeadTooLarge                  // a head, or trailers, above the limit
	TooManyCookies                // more cookies than anybody sends
	BadConnection                 // a Connection field that lists more options than anybody needs
	NoHost                        // HTTP/1.1 without Host (RFC 9112, 3.2)
	TwoHosts                      // more than one Host
	BadHost                       // an empty Host, or one that is no host name or address
	HostMismatch                  // an absolute target whose authority is not Host
	BadLength                     // Content-Length that is not a decimal number (RFC 9112, 6.3)
	TwoLengths                    // more than one Content-Length
	LengthAndCoding               // Content-Length beside Transfer-Encoding
	TwoCodings                    // more than one Transfer-Encoding
	BadCoding                     // Transfer-Encoding that is not exactly "chunked"
	UnknownCoding                 // one transfer coding, but not "chunked"
	CodingInOldVersion            // Transfer-Encoding in HTTP/1.0
	UnknownExpectation            // Expect other than 100-continue
	BadWebSocket                  // a WebSocket handshake that is not GET or has no 16-byte key (RFC 6455, 4.2.1)
	BadStatusLine                 // not "version SP 3 digits SP reason" (RFC 9112, 4)
	BodyForbidden                 // framing in a 1xx or 204 response (RFC 9110, 8.6; RFC 9112, 6.1), content in TRACE (RFC 9110, 9.3.8)
	BadChunkSize                  // a chunk size that is not 1 to 16 hexadecimal digits (RFC 9112, 7.1)
	BadChunkExtension             // a chunk extension that breaks its grammar
	ChunkExtensionsTooLarge       // more extension bytes in one body than anybody needs
	BadChunkEnd                   // no CRLF after a chunk's data
	Truncated                     // the connection ended inside a body
)

// faultTable has a row for each Fault: what clients and operators may see of it.
var faultTable = [...]struct {
	code   string
	status int
}{
	0:                       {"none", 0},
	BadRequestLine:          {"bad-request-line", 400},
	BadMethod:               {"bad-method", 400},
	MethodTooLong:           {"method-too-long", 501},
	BadTarget:               {"bad-target", 400},
	BadEscape:               {"bad-escape", 400},
	EncodedSlash:            {"encoded-slash", 400},
	EncodedNUL:              {"encoded-nul", 400},
	Backslash:               {"backslash", 400},
	DotParameter:            {"dot-parameter", 400},
	Fragment:                {"fragment", 400},
	UserInfo:                {"user-info", 400},
	TooManyParameters:       {"too-many-parameters", 400},
	TargetTooLong:           {"target-too-long", 414},
	BadVersion:              {"bad-version", 400},
	UnsupportedVersion:      {"unsupported-version", 505},
	ConnectMethod:           {"connect-method", 501},
	BareLF:                  {"bare-lf", 400},
	BareCR:                  {"bare-cr", 400},
	ObsFold:                 {"obs-fold", 400},
	LeadingSpace:            {"leading-space", 400},
	NoColon:                 {"no-colon", 400},
	SpaceBeforeColon:        {"space-before-colon", 400},
	BadFieldName:            {"bad-field-name", 400},
	BadFieldValue:           {"bad-field-value", 400},
	UnderscoreName:          {"underscore-name", 400},
	TooManyFields:           {"too-many-fields", 431},
	FieldTooLarge:           {"field-too-large", 431},
	HeadTooLarge:            {"head-too-large", 431},
	TooManyCookies:          {"too-many-cookies", 431},
	BadConnection:           {"bad-connection", 400},
	NoHost:                  {"no-host", 400},
	TwoHosts:                {"two-hosts", 400},
	BadHost:                 {"bad-host", 400},
	HostMismatch:            {"host-mismatch", 400},
	BadLength:               {"bad-length", 400},
	TwoLengths:              {"two-lengths", 400},
	LengthAndCoding:         {"length-and-coding", 400},
	TwoCodings:              {"two-codings", 400},
	BadCoding:               {"bad-coding", 400},
	UnknownCoding:           {"unknown-coding", 501},
	CodingInOldVersion:      {"coding-in-old-version", 400},
	UnknownExpectation:      {"unknown-expectation", 417},
	BadWebSocket:            {"bad-websocket", 400},
	BadStatusLine:           {"bad-status-line", 400},
	BodyForbidden:           {"body-forbidden", 400},
	BadChunkSize:            {"bad-chunk-size", 400},
	BadChunkExtension:       {"bad-chunk-extension", 400},
	ChunkExtensionsTooLarge: {"chunk-extensions-too-large", 400},
	BadChunkEnd:             {"bad-chunk-end", 400},
	Truncated:               {"truncated", 400},
}

// Code is the fault's stable name in kebab case: metric label, log value, test expectation.
func (f Fault) Code() string {
	if int(f) >= len(faultTable) {
		return "none"
	}
	return faultTable[f].code
}

// Status is what to answer when a request has the fault. A response that has it is answered 502, whatever it is.
func (f Fault) Status() int {
	if int(f) >= len(faultTable) {
		return 0
	}
	return faultTable[f].status
}

// Error returns "http1: " and the code.
func (f Fault) Error() string { return "http1: " + f.Code() }

// err is f as an error, nil when there is none.
func (f Fault) err() error {
	if f == 0 {
		return nil
	}
	return f
}
