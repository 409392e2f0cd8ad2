package translate

import (
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/document"
	"paifang/internal/model"
	"paifang/internal/source/kubernetes/annotation"
)

// verdicts says of every annotation of ingress-nginx what becomes of it. A limit or a login that is silently not applied is
// worse than none.
func (b *builder) verdicts(o *stored, v *networkingv1.Ingress) {
	set, found := b.settings(v, b.likeNginx(v))
	for _, f := range found {
		if set.TLS.Pass && f.Key == b.store.reader.Prefix()+passthroughAnnotation {
			if b.passes(v) {
				continue // it is said of each host
			}
			f.Verdict, f.Message = annotation.Ignored, "TLS is ended here: the installation is not told --enable-ssl-passthrough"
		}
		if set.Redirect.WWW && f.Key == b.store.reader.Prefix()+wwwAnnotation && f.Verdict == annotation.Supported {
			f.Verdict, f.Message = b.wwwVerdict(v)
		}
		if f.Key == b.store.reader.Prefix()+tracesAnnotation && set.Traces.Spans == model.SpansOn && !b.store.opt.Traced && b.store.set.Traces.Host == "" {
			f.Verdict, f.Message = annotation.Ignored, "nobody is named who takes spans: give otlp-collector-host in the ConfigMap, or tracing.collector in the configuration file"
		}
		severity, code := severityOf(f.Verdict)
		message := f.Message
		switch f.Verdict {
		case annotation.Supported:
			message = "does what it says"
		case annotation.Unknown:
			if n := document.Nearest(strings.TrimPrefix(f.Key, b.store.reader.Prefix()), b.store.reader.Names()); n != "" {
				message += ": did you mean " + n + "?"
			}
		default: // the note says it all
		}
		b.diagnose(o, annotationField(f.Key), severity, code, "%s", message)
	}
}

const tracesAnnotation = "enable-opentelemetry"

// severityOf is how bad a verdict is for whoever relies on the annotation.
func severityOf(v annotation.Verdict) (model.Severity, model.Code) {
	switch v {
	case annotation.Supported:
		return model.Info, model.CodeAnnotationServed
	case annotation.Differs:
		return model.Warning, model.CodeAnnotationDiffers
	case annotation.Ignored:
		return model.Warning, model.CodeAnnotationIgnored
	case annotation.Refused:
		return model.Error, model.CodeAnnotationRefused
	case annotation.Unknown:
		return model.Warning, model.CodeAnnotationUnknown
	default:
		return model.Error, model.CodeInvalid
	}
}

func annotationField(key string) string { return "metadata.annotations[" + key + "]" }

// misplaced warns of annotations that have no effect where they stand: those of an Ingress on something else, and those that
// look like ours and are none of known.
func (b *builder) misplaced(o *stored, path string, annotations map[string]string, known []string) {
	for name := range annotations {
		if strings.HasPrefix(name, b.store.reader.Prefix()) {
			b.diagnose(o, path+"["+name+"]", model.Warning, model.CodeUnsupported, "has no effect: this annotation belongs on an Ingress")
		}
	}
	b.ownNames(o, path, annotations, known)
}

// ownNames warns of annotations that look like ours and are none of known.
func (b *builder) ownNames(o *stored, path string, annotations map[string]string, known []string) {
	for name := range annotations {
		if strings.HasPrefix(name, "paifang.dev/") && !slices.Contains(known, name) {
			hint := ""
			if n := document.Nearest(name, known); n != "" {
				hint = ": did you mean " + n + "?"
			}
			b.diagnose(o, path+"["+name+"]", model.Warning, model.CodeUnsupported, "has no effect: this annotation is not known here%s", hint)
		}
	}
}
