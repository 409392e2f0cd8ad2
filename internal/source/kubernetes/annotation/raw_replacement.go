package annotation

import "strings"

// inFilters is where an Ingress has filters that no annotation of ingress-nginx stands for.
const inFilters = " in paifang.dev/filters"

// replacements are what does the same as a directive of nginx without text of nginx, by directive. In a snippet of a sub-request,
// or of TCP and UDP, some directives mean something else.
func replacements(snippet string) map[string]string {
	out := map[string]string{}
	add := func(by, names string) {
		for name := range strings.FieldsSeq(names) {
			out[name] = by
		}
	}
	fieldReplacements(add)
	clientReplacements(add)
	upstreamReplacements(add)
	for name := range strings.FieldsSeq("proxy_read_timeout proxy_send_timeout proxy_connect_timeout proxy_next_upstream proxy_next_upstream_tries proxy_next_upstream_timeout " +
		"proxy_ssl_name proxy_ssl_verify proxy_ssl_server_name client_body_buffer_size") {
		out[name] = strings.ReplaceAll(name, "_", "-")
	}
	switch {
	case strings.HasSuffix(snippet, "auth-snippet"):
		add("headers of an external-auth filter"+inFilters, "proxy_set_header more_set_input_headers more_clear_input_headers")
		add("timeout of an external-auth filter"+inFilters, "proxy_read_timeout proxy_send_timeout proxy_connect_timeout")
	case strings.HasPrefix(snippet, "stream-"):
		add("a port in the ConfigMap of tcp-services-configmap or udp-services-configmap", "server listen upstream proxy_pass")
		add("the key proxy-stream-timeout", "proxy_timeout")
	}
	return out
}

// fieldReplacements are of what changes requests and answers, or takes their place.
func fieldReplacements(add func(by, names string)) {
	add("a response-headers filter"+inFilters, "add_header more_set_headers more_clear_headers proxy_hide_header expires")
	add("a request-headers filter"+inFilters, "proxy_set_header grpc_set_header more_set_input_headers more_clear_input_headers")
	add("rewrite-target, or a rewrite-path filter"+inFilters, "rewrite")
	add("permanent-redirect or temporal-redirect, or a redirect or respond filter"+inFilters, "return")
	add("custom-http-errors with default-backend", "error_page proxy_intercept_errors")
	add("use-gzip of the ConfigMap, or a compress filter"+inFilters, "gzip")
	add("gzip-types of the ConfigMap, or a compress filter"+inFilters, "gzip_types")
	add("gzip-level of the ConfigMap", "gzip_comp_level")
	add("gzip-min-length of the ConfigMap", "gzip_min_length")
	add("enable-brotli of the ConfigMap, or a compress filter"+inFilters, "brotli")
	add("brotli-types of the ConfigMap", "brotli_types")
	add("a rewrite-location filter"+inFilters, "proxy_redirect")
	add("a rewrite-response-header filter"+inFilters+" for Set-Cookie", "proxy_cookie_domain proxy_cookie_path proxy_cookie_flags")
	add("a response-cache filter"+inFilters, "proxy_cache proxy_cache_path proxy_cache_valid proxy_cache_key proxy_cache_bypass proxy_no_cache")
	add("a path of the Ingress", "location")
	add("a Route of paifang.dev/v1 with conditions on methods, headers or the query; its body is told by itself", "if")
	add("nothing: variables of nginx do not exist here", "set map")
	add("the access log of the process, for all routes", "access_log error_log log_format")
}

// clientReplacements are of who may ask, and how.
func clientReplacements(add func(by, names string)) {
	add("allowlist-source-range and denylist-source-range", "allow deny")
	add("auth-type: basic with auth-secret", "auth_basic auth_basic_user_file")
	add("auth-url with auth-response-headers", "auth_request auth_request_set")
	add("a jwt filter"+inFilters, "auth_jwt auth_jwt_key_file auth_jwt_key_request auth_jwt_require")
	add("limit-rps or limit-rpm, or a rate-limit filter"+inFilters, "limit_req limit_req_zone")
	add("limit-req-status-code of the ConfigMap", "limit_req_status")
	add("limit-connections, or a concurrency-limit filter"+inFilters, "limit_conn limit_conn_zone")
	add("limit-conn-status-code of the ConfigMap", "limit_conn_status")
	add("proxy-body-size", "client_max_body_size")
	add("auth-tls-secret", "ssl_client_certificate ssl_trusted_certificate ssl_crl")
	add("auth-tls-verify-client", "ssl_verify_client")
	add("nothing: one intermediate certificate is allowed", "ssl_verify_depth")
	add("ssl-protocols of the ConfigMap", "ssl_protocols")
	add("ssl-ciphers of the ConfigMap", "ssl_ciphers")
	add("enable-real-ip and proxy-real-ip-cidr of the ConfigMap", "set_real_ip_from")
	add("enable-real-ip and forwarded-for-header of the ConfigMap", "real_ip_header")
	add("keep-alive of the ConfigMap", "keepalive_timeout")
	add("keep-alive-requests of the ConfigMap", "keepalive_requests")
	add("client-header-timeout of the ConfigMap", "client_header_timeout")
	add("client-body-timeout of the ConfigMap", "client_body_timeout")
	add("large-client-header-buffers of the ConfigMap", "large_client_header_buffers")
}

// upstreamReplacements are of endpoints and of the way to them.
func upstreamReplacements(add func(by, names string)) {
	add("the backend of a path", "proxy_pass grpc_pass")
	add("upstream-hash-by", "hash ip_hash")
	add("mirror-target", "mirror")
	add("mirror-request-body", "mirror_request_body")
	add("proxy-ssl-secret", "proxy_ssl_certificate proxy_ssl_certificate_key proxy_ssl_trusted_certificate")
	add("nothing is needed: chains are verified whatever their length", "proxy_ssl_verify_depth")
	add("nothing is needed: bodies stream; a buffer-request filter reads one whole", "proxy_buffering proxy_buffer_size proxy_buffers proxy_busy_buffers_size proxy_request_buffering")
	add("nothing is needed: endpoints are spoken to in HTTP/1.1, and connections are upgraded where a client asks", "proxy_http_version")
}
