package annotation_test

import (
	"os"
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

// elsewhere are the keys and flags whose effect shows in no answer to a request of a case, with the test of package app that shows it:
// at an API server, in datagrams, at the end of a process.
func elsewhere(dir string) map[string]string {
	if dir == "keys" {
		return map[string]string{"proxy-stream-responses": "TestUDPServices", "worker-shutdown-timeout": "TestWorkerShutdownTimeout", "enable-ocsp": "TestStaplingOfAnInstallation"}
	}
	out := map[string]string{"udp-services-configmap": "TestUDPServices"}
	for _, name := range []string{"validating-webhook", "validating-webhook-certificate", "validating-webhook-key"} {
		out[name] = "TestToldWebhook"
	}
	for _, name := range []string{"watch-namespace", "watch-namespace-selector", "report-node-internal-ip-address", "disable-svc-external-name", "publish-service",
		"publish-status-address", "update-status", "election-id", "election-ttl", "disable-sync-events", "kubeconfig"} {
		out[name] = "TestInstallationFlags"
	}
	return out
}

// elsewhereDir is the package that has the tests.
const elsewhereDir = "internal/app"

// TestSettingsAgainstCases is the rule of the house, for keys and flags.
func TestSettingsAgainstCases(t *testing.T) {
	keys, flags := map[string]annotation.Verdict{}, map[string]annotation.Verdict{}
	for _, k := range installation.Keys() {
		keys[k.Name] = k.Verdict
	}
	for _, f := range installation.Table() {
		flags[f.Name] = f.Verdict
	}
	compareCases(t, "keys", keys)
	compareCases(t, "flags", flags)
}

func compareCases(t *testing.T, dir string, verdicts map[string]annotation.Verdict) {
	t.Helper()
	tests := elsewhere(dir)
	for name, function := range tests {
		file := testFile(t, elsewhereDir, function)
		if file == "" {
			t.Errorf("%s: there is no test %s in %s", name, function, elsewhereDir)
			continue
		}
		if text, err := os.ReadFile("../../../../" + file); err != nil || !strings.Contains(string(text), name) {
			t.Errorf("%s: %s does not speak of it: %v", name, file, err)
		}
		if v := verdicts[name]; v != annotation.Supported && v != annotation.Differs {
			t.Errorf("%s is %q, and %s is said to show its effect", name, v, function)
		}
	}
	shown := map[string]bool{}
	for _, c := range casesIn(t, dir) {
		if !c.anyway {
			shown[c.annotation] = true
		}
	}
	for name, v := range verdicts {
		acts := v == annotation.Supported || v == annotation.Differs
		switch {
		case acts && !shown[name] && tests[name] == "":
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
