package installation

import "paifang/internal/source/kubernetes/annotation"

func addressKeys() group {
	return group{"Addresses of clients", []Key{
		same("whitelist-source-range", ""),
		same("denylist-source-range", ""),
		acts("block-cidrs", "", (*value).blocked),
		ignored("block-user-agents", "", "a Route of paifang.dev/v1 with a condition on the field User-Agent answers 403"),
		ignored("block-referers", "", "a Route of paifang.dev/v1 with a condition on the field Referer answers 403"),
		{Name: "use-forwarded-headers", Default: "false", Verdict: annotation.Differs, read: func(v *value) { v.boolean(&v.s.Forwarded.Headers) },
			Note: "only what addresses in proxy-real-ip-cidr say is believed, of the protocol and the host too: that is every IPv4 address where it is not set"},
		acts("compute-full-forwarded-for", "false", func(v *value) { v.boolean(&v.s.Forwarded.Full) }),
		acts("enable-real-ip", "false", func(v *value) { v.boolean(&v.s.Forwarded.RealIP) }),
		acts("proxy-real-ip-cidr", "0.0.0.0/0", (*value).believed),
		acts("forwarded-for-header", "X-Forwarded-For", (*value).forwardedField),
		ignored("forwarded-host-header", "X-Forwarded-Host", "X-Forwarded-Host and Forwarded are read, no others"),
		ignored("forwarded-for-proxy-protocol-header", "X-Forwarded-For-Proxy-Protocol", "who sends the PROXY protocol is believed about the connection, and who is in ingress.trusted about the request"),
		{Name: "use-proxy-protocol", Default: "false", Verdict: annotation.Differs, read: func(v *value) { v.boolean(&v.s.Forwarded.Proxy) },
			Note: "connections of addresses that are not in proxy-real-ip-cidr begin without a header"},
		acts("proxy-protocol-header-timeout", "5s", func(v *value) { v.idle(&v.s.Clients.ProxyHeader) }),
	}}
}

func tlsKeys() group {
	return group{"TLS towards clients", []Key{
		acts("ssl-protocols", "TLSv1.2 TLSv1.3", (*value).versions),
		{Name: "ssl-ciphers", Default: "those of Mozilla's intermediate list", Verdict: annotation.Differs, read: (*value).ciphers,
			Note: "suites without forward secrecy or authenticated encryption, and those with finite-field Diffie-Hellman, are left out of the list"},
		ignored("ssl-ecdh-curve", "auto", "X25519, its hybrid with ML-KEM and the NIST curves are offered"),
		ignored("ssl-dh-param", "", "no cipher with finite-field Diffie-Hellman is spoken"),
		{Name: "ssl-session-cache", Default: "true", Verdict: annotation.Differs, Note: "sessions are resumed by tickets, which need no cache; where it is false, and ssl-session-tickets is not true, none is",
			read: func(v *value) { v.boolean(&v.s.Sessions.Cache) }},
		ignored("ssl-session-cache-size", "10m", "sessions are resumed by tickets, which need no cache"),
		{Name: "ssl-session-tickets", Default: "false", Verdict: annotation.Differs, Note: "sessions are resumed by tickets, whose keys change every 12 h, unless ssl-session-cache is false and this is not true",
			read: func(v *value) { v.boolean(&v.s.Sessions.Tickets) }},
		ours("ssl-session-ticket-key", "", "tls.ticketKeys"),
		acts("ssl-session-timeout", "10m", func(v *value) { v.idle(&v.s.Sessions.Life) }),
		ignored("ssl-buffer-size", "4k", "records grow with the answer"),
		ignored("ssl-early-data", "false", "early data can be replayed and is not taken"),
		{Name: "ssl-reject-handshake", Default: "false", Verdict: annotation.Differs, read: func(v *value) { v.boolean(&v.s.Reject) },
			Note: "a name is known if there is a certificate for it, and not if there is a rule; default-ssl-certificate is one for every name"},
		{Name: "enable-ocsp", Default: "false", Verdict: annotation.Differs, read: func(v *value) { v.boolean(&v.s.Staple) },
			Note: "a response is asked for when its certificate comes and renewed at half of its time, and never sent after its end, where ingress-nginx asks at a handshake and sends it for three days; responders at loopback, link-local and metadata addresses are not asked"},
	}}
}

func streamKeys() group {
	return group{"TCP and UDP services", []Key{
		acts("proxy-stream-timeout", "600s", func(v *value) { v.idle(&v.s.StreamIdle) }),
		acts("proxy-stream-next-upstream", "true", func(v *value) {
			on := true
			if v.boolean(&on) && !on {
				v.s.StreamTries = 1
			}
		}),
		{Name: "proxy-stream-next-upstream-timeout", Default: "600s", Verdict: annotation.Differs, read: (*value).streamWithin,
			Note: "the try that is under way ends then too; where it is not given, or 0, the tries of a connection take 10 s together at most"},
		{Name: "proxy-stream-next-upstream-tries", Default: "3", Verdict: annotation.Differs, read: (*value).streamTries,
			Note: "where it is not given, or 0, each endpoint is tried once before a connection is given up"},
		acts("proxy-stream-responses", "1", func(v *value) { v.integer(&v.s.StreamResponses, 1, 1000) }),
	}}
}

func safetyKeys() group {
	return group{"What Ingresses may ask", []Key{
		{Name: "allow-snippet-annotations", Default: "false", Verdict: annotation.Refused, Note: "text of nginx is never executed", read: func(v *value) {
			var on bool
			if v.boolean(&on) && !on {
				v.found.Verdict, v.found.Message = annotation.Ignored, "text of nginx is never executed in any case"
			}
		}},
		{Name: "annotations-risk-level", Default: "High", Verdict: annotation.Differs, read: (*value).risk,
			Note: "the paths of an Ingress with an annotation above it answer 503, where ingress-nginx leaves the Ingress out; where it is not given there is no bound, since text of nginx is never executed"},
		{Name: "annotation-value-word-blocklist", Verdict: annotation.Differs, read: func(v *value) { v.s.Annotations.Guard.Words = v.list() },
			Note: "the paths of an Ingress with such an annotation answer 503, where ingress-nginx leaves the Ingress out"},
		{Name: "allow-cross-namespace-resources", Default: "false", Verdict: annotation.Refused, Note: "an Ingress never reads Secrets and ConfigMaps of another namespace", read: func(v *value) {
			var on bool
			if v.boolean(&on) && !on {
				v.found.Verdict, v.found.Message = annotation.Ignored, "an Ingress never reads Secrets and ConfigMaps of another namespace in any case"
			}
		}},
		{Name: "strict-validate-path-type", Default: "true", Verdict: annotation.Differs, read: (*value).strict,
			Note: "where it is given, a path that its type does not allow is refused, and other paths of its Ingress are served; where it is not, such a path is served with a warning, as ingress-nginx goes on with an Ingress that it has"},
	}}
}

func logKeys() group {
	g := group{name: "Logs"}
	own := func(where string, names ...[2]string) {
		for _, n := range names {
			g.keys = append(g.keys, Key{Name: n[0], Default: n[1], Verdict: annotation.Ignored, Note: "set " + where + inOurFile})
		}
	}
	own("log.access", [2]string{"access-log-path", "/var/log/nginx/access.log"}, [2]string{"http-access-log-path", ""}, [2]string{"stream-access-log-path", ""},
		[2]string{"disable-access-log", "false"}, [2]string{"disable-http-access-log", "false"}, [2]string{"disable-stream-access-log", "false"}, [2]string{"access-log-params", ""})
	own("log.accessFormat", [2]string{"log-format-upstream", "a line"}, [2]string{"log-format-stream", "a line"}, [2]string{"log-format-escape-json", "false"}, [2]string{"log-format-escape-none", "false"})
	own("log.level", [2]string{"error-log-level", "notice"})
	for _, n := range [][2]string{{"error-log-path", "/var/log/nginx/error.log"}} {
		g.keys = append(g.keys, ignored(n[0], n[1], "what the process says goes to stderr"))
	}
	for _, n := range [][2]string{{"skip-access-log-urls", ""}, {"enable-access-log-for-default-backend", "false"}, {"enable-auth-access-log", "false"}} {
		g.keys = append(g.keys, ignored(n[0], n[1], "every request has its line in the access log, and no sub-request has one"))
	}
	for _, n := range [][2]string{{"enable-syslog", "false"}, {"syslog-host", ""}, {"syslog-port", "514"}} {
		g.keys = append(g.keys, ignored(n[0], n[1], "logs are not sent to syslog: what collects stdout does it"))
	}
	g.keys = append(g.keys, ignored("debug-connections", "", "log.level is of the whole process"))
	return g
}

func traceKeys() group {
	g := group{"Traces and WAF", openTelemetryKeys()}
	add := func(why string, names ...[2]string) {
		for _, n := range names {
			g.keys = append(g.keys, ignored(n[0], n[1], why))
		}
	}
	add("ingress-nginx itself has given Jaeger's own protocol up", [2]string{"jaeger-collector-host", ""}, [2]string{"jaeger-collector-port", "6831"}, [2]string{"jaeger-endpoint", ""},
		[2]string{"jaeger-service-name", "nginx"}, [2]string{"jaeger-propagation-format", "jaeger"}, [2]string{"jaeger-sampler-type", "const"}, [2]string{"jaeger-sampler-param", "1"},
		[2]string{"jaeger-sampler-host", "http://127.0.0.1"}, [2]string{"jaeger-sampler-port", "5778"}, [2]string{"jaeger-trace-context-header-name", "uber-trace-id"},
		[2]string{"jaeger-debug-header", "uber-debug-id"}, [2]string{"jaeger-baggage-header", "jaeger-baggage"}, [2]string{"jaeger-trace-baggage-header-prefix", "uberctx-"})
	add("there is no WAF: external-auth in paifang.dev/filters asks a service of yours", [2]string{"enable-modsecurity", "false"}, [2]string{"enable-owasp-modsecurity-crs", "false"}, [2]string{"modsecurity-snippet", ""})
	add("addresses are not looked up in a database of places", [2]string{"use-geoip", "true"}, [2]string{"use-geoip2", "false"}, [2]string{"geoip2-autoreload-in-minutes", "0"})
	return g
}

func processKeys() group {
	g := group{name: "nginx itself"}
	const why = "there is no nginx to be told"
	for _, n := range [][2]string{{"worker-processes", "number of CPUs"}, {"worker-cpu-affinity", ""}, {"enable-multi-accept", "true"}, {"max-worker-open-files", "0"},
		{"map-hash-bucket-size", "64"}, {"server-name-hash-max-size", "1024"}, {"server-name-hash-bucket-size", "cache line"}, {"proxy-headers-hash-max-size", "512"},
		{"proxy-headers-hash-bucket-size", "64"}, {"variables-hash-bucket-size", "256"}, {"variables-hash-max-size", "2048"}, {"lua-shared-dicts", ""}, {"enable-aio-write", "true"},
		{"enable-serial-reloads", "false"}, {"reuse-port", "true"}} {
		g.keys = append(g.keys, ignored(n[0], n[1], why))
	}
	g.keys = append(g.keys,
		Key{Name: "max-worker-connections", Default: "16384", Verdict: annotation.Differs,
			Note: "so many connections of clients at each address of a listener, and no more than limits.connections together; those to endpoints are not counted",
			read: func(v *value) {
				if v.text != "0" { // as there: what the files that may be open allow
					v.integer(&v.s.Clients.Connections, 1, 10_000_000)
				}
			}},
		Key{Name: "worker-shutdown-timeout", Default: "240s", Verdict: annotation.Differs,
			Note: "requests under way have so long when the process ends, or an address of a listener goes; terminationGracePeriodSeconds of our pods must be above it",
			read: func(v *value) { v.idle(&v.s.Clients.Drain) }})
	for _, n := range [][3]string{{"nginx-status-ipv4-whitelist", "127.0.0.1", "admin.address"}, {"nginx-status-ipv6-whitelist", "::1", "admin.address"}} {
		g.keys = append(g.keys, Key{Name: n[0], Default: n[1], Verdict: annotation.Ignored, Note: "set " + n[2] + inOurFile})
	}
	return g
}

func textKeys() group {
	g := group{name: "Text of nginx"}
	for _, n := range []string{"main-snippet", "http-snippet", "server-snippet", "location-snippet", "stream-snippet"} {
		g.keys = append(g.keys, Key{Name: n, Verdict: annotation.Refused, Note: "text of nginx is never executed: " +
			"add-headers, proxy-set-headers and annotations say most of what it is used for",
			read: func(v *value) { v.found.Message = annotation.Snippet(n, v.text) }})
	}
	return g
}
