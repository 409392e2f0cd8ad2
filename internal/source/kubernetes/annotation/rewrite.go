package annotation

import "strings"

// Rewrite is how paths are matched and what becomes of them.
type Rewrite struct {
	Target string // path that is sent upstream, with {1} to {9} for captures; "" = the request's own
	Same   string // the target as it was written: a path that equals it is not rewritten
	Regex  bool   // paths are expressions
	Prefix string // X-Forwarded-Prefix, with {1} to {9}
}

const linearNote = "expressions are RE2, which matches in linear time, with look-aheads behind fixed text: one with other look-around, or with back-references, is an error, and every path that it could mean answers 503"

func rewriteFamily() family {
	return family{name: "Rewrite and paths", settle: settleRewrite, rows: []Annotation{
		{Name: "rewrite-target", Scope: WholeIngress, Verdict: Supported, read: func(v *value) {
			if strings.HasPrefix(v.text, "//") {
				v.invalid("%q begins with two slashes: the path is not rewritten", v.text)
			} else if v.captured(&v.s.Rewrite.Target) {
				v.s.Rewrite.Same = v.text
			}
		}},
		{Name: "use-regex", Scope: OwnPaths, Verdict: Differs, Note: linearNote, read: func(v *value) {
			if v.boolean(&v.s.Rewrite.Regex) {
				v.same() // a path that is no such expression is told by itself
			}
		}},
		{Name: "x-forwarded-prefix", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.captured(&v.s.Rewrite.Prefix) }},
		{Name: "server-alias", Scope: WholeIngress, Verdict: Ignored, Note: "it is not supported: write a rule for each host"},
	}}
}

// captured reads a path with $1 to $9 for what a path's expression captured.
func (v *value) captured(to *string) bool {
	var b strings.Builder
	bad := v.text == "" || len(v.text) > maxText || v.text[0] != '/' && v.text[0] != '$'
	for i := 0; i < len(v.text) && !bad; i++ {
		c := v.text[i]
		switch {
		case c == '$' && i+1 < len(v.text) && v.text[i+1] >= '1' && v.text[i+1] <= '9':
			b.WriteString("{" + v.text[i+1:i+2] + "}")
			i++
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("/-._~:@!&'()*+,;=%", c) >= 0:
			b.WriteByte(c)
		default:
			bad = true
		}
	}
	if bad {
		v.invalid("%q is no path with $1 to $9 for what was captured: it has no effect", v.text)
		return false
	}
	*to = b.String()
	return true
}

func settleRewrite(r *reading) {
	if r.Rewrite.Prefix != "" && r.Rewrite.Target == "" {
		r.say("x-forwarded-prefix", Ignored, "needs rewrite-target")
	}
}
