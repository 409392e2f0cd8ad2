package annotation

import (
	"fmt"
	"strings"
)

// FastCGI is what endpoints of FastCGI are told.
type FastCGI struct {
	Index  string // behind a path that ends in a slash
	Params string // namespace/name, or the name alone, of a ConfigMap with further parameters
}

func readFastCGIIndex(v *value) {
	if v.text == "" || strings.ContainsFunc(v.text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '.' && r != '_' && r != '-'
	}) {
		v.invalid("%q is no name of a file: it has no effect", v.text)
		return
	}
	v.s.Backend.FastCGI.Index = v.text
	v.same()
}

func readFastCGIParams(v *value) { v.object(&v.s.Backend.FastCGI.Params) }

// FastCGIValue turns the text of a parameter with variables of nginx into one of model.FastCGIParam. The error says which it does not know.
func FastCGIValue(text string) (string, error) {
	if strings.ContainsAny(text, "\x00\r\n") {
		return "", fmt.Errorf("has a byte that no parameter may have")
	}
	var out strings.Builder
	for rest := text; ; {
		plain, after, found := strings.Cut(rest, "$")
		if strings.Contains(plain, "{") {
			return "", fmt.Errorf("has a brace, which is not known")
		}
		out.WriteString(plain)
		if !found {
			return out.String(), nil
		}
		name, tail := variable(after)
		known := map[string]string{
			"fastcgi_script_name": "script", "uri": "path", "document_uri": "path", "request_uri": "target", "query_string": "query", "args": "query",
			"request_method": "method", "host": "host", "server_name": "host",
		}[name]
		if known == "" {
			return "", fmt.Errorf("has $%s, which is not known", name)
		}
		out.WriteString("{" + known + "}")
		rest = tail
	}
}
