package annotation_test

import (
	"slices"
	"strings"
	"testing"

	"paifang/internal/source/kubernetes/annotation"
	"paifang/internal/source/kubernetes/installation"
)

// TestKeys sends the requests of every case of a key of the ConfigMap of ingress-nginx. Without its key it must not hold.
func TestKeys(t *testing.T) {
	t.Parallel()
	runCases(t, casesIn(t, "keys"), func(c testCase) testCase {
		c.config = slices.DeleteFunc(slices.Clone(c.config), func(k [2]string) bool { return k[0] == c.annotation })
		return c
	})
}

// TestFlags is TestKeys for flags of the command line.
func TestFlags(t *testing.T) {
	t.Parallel()
	runCases(t, casesIn(t, "flags"), func(c testCase) testCase {
		c.flags = slices.DeleteFunc(slices.Clone(c.flags), func(f string) bool {
			name, _, _ := strings.Cut(strings.TrimPrefix(f, "--"), "=")
			return name == c.annotation
		})
		return c
	})
}

// ofTheProcess are flags that say how the cluster is read and written: what they do shows at an API server and not in requests.
// TestInstallationFlags of package app has a case for each, TestToldWebhook those of the webhook, and TestUDPServices sends datagrams.
func ofTheProcess() []string {
	return []string{"watch-namespace", "watch-namespace-selector", "report-node-internal-ip-address", "disable-svc-external-name", "publish-service", "publish-status-address", "update-status", "election-id", "election-ttl",
		"disable-sync-events", "kubeconfig", "validating-webhook", "validating-webhook-certificate", "validating-webhook-key", "udp-services-configmap"}
}

// TestSettingsAgainstCases is the rule of the house, for keys and flags.
func TestSettingsAgainstCases(t *testing.T) {
	keys, flags := map[string]annotation.Verdict{}, map[string]annotation.Verdict{}
	for _, k := range installation.Keys() {
		keys[k.Name] = k.Verdict
	}
	for _, f := range installation.Table() {
		flags[f.Name] = f.Verdict
	}
	compareCases(t, "keys", keys, []string{"proxy-stream-responses", "worker-shutdown-timeout"}) // TestUDPServices of package app sends datagrams, and TestWorkerShutdownTimeout ends a process
	compareCases(t, "flags", flags, ofTheProcess())
}

func compareCases(t *testing.T, dir string, verdicts map[string]annotation.Verdict, elsewhere []string) {
	t.Helper()
	shown := map[string]bool{}
	for _, c := range casesIn(t, dir) {
		if !c.anyway {
			shown[c.annotation] = true
		}
	}
	for name, v := range verdicts {
		acts := v == annotation.Supported || v == annotation.Differs
		switch {
		case acts && !shown[name] && !slices.Contains(elsewhere, name):
			t.Errorf("%s is %s, and testdata/%s/%s.txt has no case that fails without it", name, v, dir, name)
		case !acts && shown[name]:
			t.Errorf("%s is %s, and testdata/%s/%s.txt shows an effect of it", name, v, dir, name)
		}
		delete(shown, name)
	}
	for name := range shown {
		t.Errorf("testdata/%s/%s.txt is of nothing that exists", dir, name)
	}
}
