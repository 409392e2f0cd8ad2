package annotation

import "strings"

func rawFamily() family {
	return family{name: "FastCGI and text of nginx", rows: []Annotation{
		{Name: "fastcgi-index", Scope: OwnPaths, Verdict: Supported, read: readFastCGIIndex},
		{Name: "fastcgi-params-configmap", Scope: OwnPaths, Verdict: Differs, read: readFastCGIParams,
			Note: "of nginx' variables it knows fastcgi_script_name, uri, document_uri, request_uri, query_string, args, request_method, host and server_name"},
		{Name: "configuration-snippet", Scope: OwnPaths, Verdict: Refused, Note: neverExecuted, read: readSnippet},
		{Name: "server-snippet", Scope: WholeIngress, Verdict: Refused, Note: neverExecuted, read: readSnippet},
		{Name: "stream-snippet", Scope: WholeIngress, Verdict: Refused, Note: neverExecuted, read: readSnippet},
	}}
}

const neverExecuted = "text of nginx is never executed"

// maxDirectives bounds the directives of a snippet that are told.
const maxDirectives = 50

// readSnippet says of each directive what replaces it.
func readSnippet(v *value) {
	v.found.Message = Snippet(v.found.Key[strings.LastIndexByte(v.found.Key, '/')+1:], v.text)
}

// Snippet is what is said about the text of an annotation or key of that name: for each of its directives what replaces it, where
// something does. Of a text without directives there is nothing to say but that it is not executed.
func Snippet(name, text string) string {
	var b strings.Builder
	b.WriteString(neverExecuted)
	known := replacements(name)
	seen := map[string]bool{}
	for _, name := range directives(text) {
		if seen[name] {
			continue
		}
		seen[name] = true
		if len(seen) > maxDirectives {
			b.WriteString("; and more")
			break
		}
		by := known[name]
		switch {
		case by != "":
		case strings.HasSuffix(name, "_by_lua_block") || strings.HasSuffix(name, "_by_lua_file") || strings.HasSuffix(name, "_by_lua"):
			by = "nothing: programs are not run; an external-auth filter asks a service of yours"
		default:
			by = "nothing replaces it"
		}
		b.WriteString("; " + name + ": " + by)
	}
	return b.String()
}

// directives are the names of the directives of a text of nginx, in their order: the first word of each statement.
func directives(text string) []string {
	var out []string
	start, quote := true, byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\':
			i++
			start = false
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote, start = c, false
		case c == '#':
			for i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
		case c == ';' || c == '{' || c == '}':
			start = true
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case start:
			end := i
			for end < len(text) && (text[end] == '_' || text[end] >= 'a' && text[end] <= 'z' || text[end] >= 'A' && text[end] <= 'Z' || text[end] >= '0' && text[end] <= '9') {
				end++
			}
			if end > i {
				out = append(out, text[i:min(end, i+64)])
				i = end - 1
			}
			start = false
		}
	}
	return out
}
