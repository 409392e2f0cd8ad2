package annotation

// Verdict is what becomes of an annotation.
type Verdict string

// The verdicts of the table.
const (
	Supported Verdict = "supported" // it does what it does under ingress-nginx
	Differs   Verdict = "differs"   // it has its effect, but for what the note says
	Ignored   Verdict = "ignored"   // it has no effect, for the reason in the note
	Refused   Verdict = "refused"   // it is not carried out, ever; the note says what replaces it
)

// What else may be found about an annotation of an Ingress.
const (
	Invalid Verdict = "invalid" // its value is none that it can have: the note says what is in force
	Unknown Verdict = "unknown" // there is no annotation of this name
)

// Scope says where an annotation acts.
type Scope string

// The scopes.
const (
	WholeIngress Scope = "ingress"  // the whole Ingress, its hosts or its upstreams
	OwnPaths     Scope = "location" // the paths of its Ingress
)

// Annotation is a row of the table.
type Annotation struct {
	Name    string // without prefix
	Alias   string // an older name of it; empty = none
	Family  string // that it belongs to
	Scope   Scope
	Verdict Verdict // of values that can be read
	Note    string  // how it differs, why it is ignored, or what replaces it; empty where it is supported

	read func(*value) // nil where it is not read
}

// Finding is what is to be said about one annotation of one Ingress.
type Finding struct {
	Key     string // its name with the prefix, as it was written
	Verdict Verdict
	Message string
}

// family is the annotations of one file.
type family struct {
	name string
	rows []Annotation
	// settle looks at the settings as a whole when all are read: one annotation may need another. nil = nothing to do.
	settle func(*reading)
}

// families are all, in the order of the table.
func families() []family {
	return []family{
		rewriteFamily(), redirectFamily(), backendFamily(), affinityFamily(), canaryFamily(), authFamily(), clientTLSFamily(), tlsFamily(),
		corsFamily(), limitsFamily(), proxyFamily(), bufferFamily(), errorsFamily(), observeFamily(), rawFamily(),
	}
}

// Table is every annotation of ingress-nginx, family by family.
func Table() []Annotation {
	var all []Annotation
	for _, f := range families() {
		for _, a := range f.rows {
			a.Family = f.name
			all = append(all, a)
		}
	}
	return all
}
