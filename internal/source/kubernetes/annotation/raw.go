package annotation

import "strings"

func rawFamily() family {
	return family{name: "FastCGI and text of nginx", rows: []Annotation{
		{Name: "fastcgi-index", Scope: OwnPaths, Verdict: Ignored, Note: "FastCGI is not spoken: put a web server beside the program"},
		{Name: "fastcgi-params-configmap", Scope: OwnPaths, Verdict: Ignored, Note: "FastCGI is not spoken: put a web server beside the program"},
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
	var b strings.Builder
	b.WriteString(neverExecuted)
	seen := map[string]bool{}
	for _, name := range directives(v.text) {
		if seen[name] {
			continue
		}
		seen[name] = true
		if len(seen) > maxDirectives {
			b.WriteString("; and more")
			break
		}
		b.WriteString("; " + name + ": " + replacement(name))
	}
	v.found.Message = b.String()
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

// replacement is what does the same without text of nginx.
func replacement(directive string) string {
	switch directive {
	case "add_header", "more_set_headers", "more_clear_headers", "proxy_hide_header", "expires":
		return "a response-headers filter in paifang.dev/filters"
	case "proxy_set_header", "more_set_input_headers", "more_clear_input_headers":
		return "a request-headers filter in paifang.dev/filters"
	case "rewrite":
		return "rewrite-target, or a rewrite-path filter in paifang.dev/filters"
	case "return":
		return "permanent-redirect or temporal-redirect, or a redirect or respond filter in paifang.dev/filters"
	case "allow", "deny":
		return "allowlist-source-range and denylist-source-range"
	case "auth_basic", "auth_basic_user_file":
		return "auth-type: basic with auth-secret"
	case "auth_request", "auth_request_set":
		return "auth-url with auth-response-headers"
	case "limit_req", "limit_req_zone", "limit_req_status":
		return "limit-rps or limit-rpm, or a rate-limit filter in paifang.dev/filters"
	case "limit_conn", "limit_conn_zone", "limit_conn_status":
		return "limit-connections, or a concurrency-limit filter in paifang.dev/filters"
	case "client_max_body_size":
		return "proxy-body-size"
	case "proxy_read_timeout", "proxy_send_timeout", "proxy_connect_timeout":
		return strings.ReplaceAll(directive, "_", "-")
	case "proxy_next_upstream", "proxy_next_upstream_tries", "proxy_next_upstream_timeout":
		return strings.ReplaceAll(directive, "_", "-")
	case "proxy_ssl_name", "proxy_ssl_verify", "proxy_ssl_server_name", "proxy_ssl_verify_depth":
		return strings.ReplaceAll(directive, "_", "-")
	case "location":
		return "a path of the Ingress"
	case "if":
		return "a Route of paifang.dev/v1 with conditions on methods, headers or the query; its body is told by itself"
	case "proxy_pass", "grpc_pass":
		return "the backend of a path"
	case "set", "map":
		return "nothing: variables of nginx do not exist here"
	case "access_log", "error_log", "log_format":
		return "the access log of the process, for all routes"
	case "gzip", "gzip_types", "brotli":
		return "nothing yet: answers are not compressed"
	case "proxy_buffering", "proxy_buffer_size", "proxy_buffers", "proxy_request_buffering", "client_body_buffer_size":
		return "nothing is needed: bodies stream; a buffer-request filter reads one whole"
	}
	if strings.HasSuffix(directive, "_by_lua_block") || strings.HasSuffix(directive, "_by_lua_file") || strings.HasSuffix(directive, "_by_lua") {
		return "nothing: programs are not run; external-auth asks a service of yours"
	}
	return "nothing replaces it"
}
