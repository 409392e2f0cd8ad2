package installation

import "paifang/internal/source/kubernetes/annotation"

// Table are all flags of ingress-nginx.
func Table() []Flag {
	return slicesOf(objectFlags(), classFlags(), statusFlags(), processFlags(), metricFlags())
}

func slicesOf(all ...[]Flag) []Flag {
	var out []Flag
	for _, f := range all {
		out = append(out, f...)
	}
	return out
}

func served(name, def string, read func(*flagValue)) Flag {
	return Flag{Name: name, Default: def, Verdict: annotation.Supported, read: read}
}

func servedBool(name, def string, read func(*flagValue)) Flag {
	return Flag{Name: name, Bool: true, Default: def, Verdict: annotation.Supported, read: read}
}

func unused(name, def, why string) Flag {
	return Flag{Name: name, Default: def, Verdict: annotation.Ignored, Note: why}
}

func unusedBool(name, def, why string) Flag {
	return Flag{Name: name, Bool: true, Default: def, Verdict: annotation.Ignored, Note: why}
}

func objectFlags() []Flag {
	return []Flag{
		served("configmap", "", func(v *flagValue) { v.object(&v.f.ConfigMap) }),
		served("tcp-services-configmap", "", func(v *flagValue) { v.object(&v.f.TCP) }),
		served("udp-services-configmap", "", func(v *flagValue) { v.object(&v.f.UDP) }),
		served("default-ssl-certificate", "", func(v *flagValue) { v.object(&v.f.DefaultCertificate) }),
		served("default-backend-service", "", func(v *flagValue) { v.object(&v.f.DefaultBackend) }),
		servedBool("enable-ssl-passthrough", "false", func(v *flagValue) { v.boolean(&v.f.Passthrough) }),
		unused("ssl-passthrough-proxy-port", "442", "server names are read where TLS is ended: there is no second port behind it"),
	}
}

func classFlags() []Flag {
	return []Flag{
		served("ingress-class", "nginx", func(v *flagValue) { v.name(&v.f.Class) }),
		served("controller-class", "k8s.io/ingress-nginx", func(v *flagValue) { v.name(&v.f.Controller) }),
		servedBool("ingress-class-by-name", "false", func(v *flagValue) { v.boolean(&v.f.ByName) }),
		servedBool("watch-ingress-without-class", "false", func(v *flagValue) { v.boolean(&v.f.Unclassed) }),
		served("annotations-prefix", "nginx.ingress.kubernetes.io", func(v *flagValue) { v.name(&v.f.Prefix) }),
		served("watch-namespace", "", func(v *flagValue) { v.name(&v.f.Namespace) }),
		served("watch-namespace-selector", "", func(v *flagValue) { v.f.NamespaceSelector = v.text }), // read by whoever starts: what is wrong with it ends the start
		unusedBool("disable-catch-all", "false", "Ingresses without a host are served"),
		servedBool("disable-svc-external-name", "false", func(v *flagValue) { v.boolean(&v.f.NoExternal) }),
		unusedBool("enable-annotation-validation", "true", "every value of an annotation is validated"),
		unusedBool("deep-inspect", "true", "values are parsed and none is pasted anywhere"),
		unusedBool("enable-topology-aware-routing", "false", "set zone"+inOurFile+", and the annotation service.kubernetes.io/topology-mode on Services"),
	}
}

func statusFlags() []Flag {
	return []Flag{
		served("publish-service", "", func(v *flagValue) { v.object(&v.f.PublishService) }),
		served("publish-status-address", "", (*flagValue).addresses),
		servedBool("update-status", "true", func(v *flagValue) { v.not(&v.f.NoStatus) }),
		unusedBool("update-status-on-shutdown", "true", "the status stays when the last replica goes: an address that comes back is worse than one that waits"),
		unused("status-update-interval", "60", "the status is written when it changes"),
		servedBool("report-node-internal-ip-address", "false", func(v *flagValue) { v.boolean(&v.f.NodeInternal) }),
		served("election-id", "ingress-controller-leader", func(v *flagValue) { v.name(&v.f.Lease) }),
		served("election-ttl", "30s", (*flagValue).leaseTime),
		unusedBool("disable-leader-election", "false", "replicas always agree on the one that writes: one alone does so at once"),
		servedBool("disable-sync-events", "false", func(v *flagValue) { v.boolean(&v.f.NoEvents) }),
	}
}

func processFlags() []Flag {
	const noNginx = "there is no nginx to be told"
	const port = "nothing listens on such a port: nginx is not there to be asked"
	return []Flag{
		unused("http-port", "80", "set ingress.nodes[].http"+inOurFile),
		unused("https-port", "443", "set ingress.nodes[].https"+inOurFile),
		unused("default-server-port", "8181", port),
		unused("status-port", "10246", port),
		unused("stream-port", "10247", port),
		unused("healthz-port", "10254", "set admin.public"+inOurFile),
		unused("healthz-host", "", "set admin.public"+inOurFile),
		unused("health-check-path", "/healthz", "probes ask /healthz and /readyz"),
		unused("health-check-timeout", "10", "probes are answered at once"),
		served("validating-webhook", "", (*flagValue).webhook),
		served("validating-webhook-certificate", "", func(v *flagValue) { v.f.WebhookCert = v.text }),
		served("validating-webhook-key", "", func(v *flagValue) { v.f.WebhookKey = v.text }),
		unusedBool("disable-full-test", "false", "the webhook judges an Ingress among all others, in milliseconds"),
		unused("shutdown-grace-period", "0", "set leave"+inOurFile),
		unused("post-shutdown-grace-period", "10", "set drain"+inOurFile),
		served("kubeconfig", "", func(v *flagValue) { v.f.Kubeconfig = v.text }),
		unused("apiserver-host", "", "write a kubeconfig and name it in sources.kubernetes.kubeconfig"),
		unused("certificate-authority", "", "write a kubeconfig and name it in sources.kubernetes.kubeconfig"),
		unused("sync-period", "0", "nothing is listed twice while a watch stands"),
		unused("sync-rate-limit", "0.3", "changes take effect as they come: nothing is reloaded"),
		unused("dynamic-configuration-retries", "15", noNginx),
		unused("internal-logger-address", "127.0.0.1:11514", noNginx),
		unusedBool("enable-ssl-chain-completion", "false", "chains are served as they are in their Secrets"),
		unusedBool("profiling", "true", "set admin.address"+inOurFile),
		unused("profiler-port", "10245", "set admin.address"+inOurFile),
		unused("profiler-address", "127.0.0.1", "set admin.address"+inOurFile),
		unused("maxmind-mirror", "", noPlaces), unused("maxmind-license-key", "", noPlaces), unused("maxmind-edition-ids", "GeoLite2-City,GeoLite2-ASN", noPlaces),
		unused("maxmind-retries-count", "1", noPlaces), unused("maxmind-retries-timeout", "0s", noPlaces),
		unusedBool("version", "false", "paifang version tells it"),
		unused("v", "2", "set log.level"+inOurFile),
		unused("log_dir", "", "logs go to stderr"),
		unusedBool("logtostderr", "true", "logs go to stderr"),
		unusedBool("alsologtostderr", "false", "logs go to stderr"),
		unused("stderrthreshold", "2", "set log.level"+inOurFile),
		unused("vmodule", "", "set log.level"+inOurFile),
	}
}

const noPlaces = "addresses are not looked up in a database of places"

func metricFlags() []Flag {
	const ours = "set metrics.nginx" + inOurFile + ": requests are then shown under the names of ingress-nginx too"
	const buckets = "the bounds of histograms are those of docs/metrics.md"
	return []Flag{
		unusedBool("enable-metrics", "false", ours),
		unusedBool("metrics-per-host", "true", ours),
		unusedBool("metrics-per-undefined-host", "false", "hosts that no rule names are counted together"),
		unusedBool("report-status-classes", "false", ours),
		unused("time-buckets", "those of Prometheus", buckets), unused("length-buckets", "10 to 100", buckets), unused("size-buckets", "10 to 10000000", buckets),
		unused("bucket-factor", "0", buckets), unused("max-buckets", "100", buckets),
		unused("exclude-socket-metrics", "", "metrics.series"+inOurFile+" bounds how many there are"),
		unused("monitor-max-batch-size", "10000", "metrics are counted where requests are served, in no batches"),
	}
}
