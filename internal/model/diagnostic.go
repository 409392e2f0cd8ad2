package model

import (
	"cmp"
	"fmt"
	"strings"
)

// Severity says what a Diagnostic means for traffic.
type Severity uint8

// The severities. An Error costs its object its effect; a Warning is served, but not as somebody may expect;
// an Info is worth knowing.
const (
	Info Severity = iota
	Warning
	Error
)

// String returns "info", "warning" or "error".
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	default:
		return "info"
	}
}

// MarshalText writes the severity as its word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads "info", "warning" or "error".
func (s *Severity) UnmarshalText(b []byte) error {
	switch string(b) {
	case "info":
		*s = Info
	case "warning":
		*s = Warning
	case "error":
		*s = Error
	default:
		return fmt.Errorf("model: severity %q: want info, warning or error", b)
	}
	return nil
}

// Code names one kind of fault in kebab case. It is at once error, metric label, console badge, condition
// reason and test expectation, so it never changes meaning.
type Code string

// Codes that compile and the planes give. Sources add codes of their own beside their translation.
const (
	CodeInvalid           Code = "invalid"             // a value its type does not allow
	CodeUnknownFilter     Code = "unknown-filter"      // a filter kind that does not exist
	CodeInvalidFilter     Code = "invalid-filter"      // a filter whose configuration does not decode
	CodeFilterDoubtful    Code = "filter-doubtful"     // a filter that is served, and hardly does what was meant
	CodeSettingReplaced   Code = "setting-replaced"    // a setting that does not count, as a filter says another one
	CodeDuplicateRoute    Code = "duplicate-route"     // host and match already taken by a route that comes first
	CodeDuplicateID       Code = "duplicate-id"        // two objects of one kind with one ID
	CodeUpstreamMissing   Code = "upstream-missing"    // a target that names no upstream
	CodeServiceMissing    Code = "service-missing"     // a rule that names a service that does not exist
	CodePortMissing       Code = "port-missing"        // a rule that names a port its service does not have
	CodeSecretMissing     Code = "secret-missing"      // a secret, of TLS or a filter, that does not exist
	CodeSecretInvalid     Code = "secret-invalid"      // a TLS secret without key, or whose key does not fit; a filter's, without what it needs
	CodeTLSHostTaken      Code = "tls-host-taken"      // a host whose TLS rules another policy gives already
	CodeHostOutsideZones  Code = "host-outside-zones"  // a host that our DNS does not answer for
	CodeRecordTaken       Code = "record-taken"        // a name published by two roads with different addresses
	CodeListenerFailed    Code = "listener-failed"     // an address that could not be bound
	CodeNoListener        Code = "no-listener"         // a route attached to a class without a listener
	CodeUnreadable        Code = "unreadable"          // a document that is not YAML or does not fit its schema
	CodeUnknownKind       Code = "unknown-kind"        // a document of a kind that is not read
	CodeIgnored           Code = "ignored"             // a document or file that is none of ours
	CodeNoProgram         Code = "no-program"          // a container for which no program on this machine is named
	CodeWorkloadFailed    Code = "workload-failed"     // a pod that does not start or keeps ending
	CodeUnsupported       Code = "unsupported"         // a predicate, filter or field that is not supported
	CodeLoop              Code = "loop"                // a request that came back to the gateway that sent it
	CodeSourceFailed      Code = "source-failed"       // a source that has stopped delivering
	CodeSourceNotSynced   Code = "source-not-synced"   // a source that has not delivered its first full set
	CodeAddressTaken      Code = "address-taken"       // an address in use by another process
	CodeEndpointRefused   Code = "endpoint-refused"    // an instance address outside the allowed ranges
	CodeListenerHostTaken Code = "listener-host-taken" // two listeners with one ID or one address
	CodeAnnotationServed  Code = "annotation-served"   // an annotation that does what it says
	CodeAnnotationDiffers Code = "annotation-differs"  // an annotation whose effect is another than where it comes from
	CodeAnnotationIgnored Code = "annotation-ignored"  // an annotation without effect
	CodeAnnotationRefused Code = "annotation-refused"  // an annotation that is never carried out
	CodeAnnotationUnknown Code = "annotation-unknown"  // an annotation that nobody knows
	CodeSettingServed     Code = "setting-served"      // a setting of another controller that does what it says
	CodeSettingDiffers    Code = "setting-differs"     // one whose effect is another than where it comes from
	CodeSettingIgnored    Code = "setting-ignored"     // one without effect
	CodeSettingRefused    Code = "setting-refused"     // one that is never carried out
	CodeSettingUnknown    Code = "setting-unknown"     // one that nobody knows
	CodeSettingOverridden Code = "setting-overridden"  // one that says otherwise than what goes before it
	CodeDenied            Code = "denied"              // paths that answer 503 because what protects them cannot be carried out
	CodeStatusContested   Code = "status-contested"    // an object whose status another controller keeps writing
	CodeUnreadablePath    Code = "unreadable-path"     // a regular expression that cannot be used: what it could mean answers 503
	CodeStatusUnknown     Code = "status-unknown"      // what statuses should show is not known
	CodeListEnds          Code = "list-ends"           // a revocation list that is out of date, or will be soon
	CodeStapleMissing     Code = "staple-missing"      // a certificate whose OCSP response cannot be stapled, or not be renewed
	CodeParsingDiffers    Code = "parsing-differs"     // a listener that reads requests otherwise than a class on it expects
)

// Diagnostic is one thing that is wrong, or worth knowing, about one object.
type Diagnostic struct {
	Origin   Origin   `json:"origin"`
	Field    string   `json:"field,omitempty"` // path inside the object: "spec.rules[0].http.paths[1].path"
	Severity Severity `json:"severity"`
	Code     Code     `json:"code"`
	Message  string   `json:"message"` // one sentence that says what to do
}

// String returns "file:line: error: code: Kind ns/name field: message".
func (d Diagnostic) String() string {
	var b strings.Builder
	if at := d.Origin.At(); at != "" {
		b.WriteString(at + ": ")
	}
	fmt.Fprintf(&b, "%s: %s: ", d.Severity, d.Code)
	if o := d.Origin.Object(); o != "" {
		b.WriteString(o)
		if d.Field != "" {
			b.WriteString(" " + d.Field)
		}
		b.WriteString(": ")
	}
	b.WriteString(d.Message)
	return b.String()
}

// CompareDiagnostics is a total order: file, line, object, field, code, message.
func CompareDiagnostics(a, b Diagnostic) int {
	return cmp.Or(
		strings.Compare(a.Origin.File, b.Origin.File),
		a.Origin.Line-b.Origin.Line,
		strings.Compare(a.Origin.Source, b.Origin.Source),
		strings.Compare(a.Origin.Object(), b.Origin.Object()),
		strings.Compare(a.Field, b.Field),
		strings.Compare(string(a.Code), string(b.Code)),
		strings.Compare(a.Message, b.Message),
	)
}
