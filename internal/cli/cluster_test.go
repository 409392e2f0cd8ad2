package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"paifang/internal/model"
)

func TestCheckFromCluster(t *testing.T) {
	about := func(name, annotation string, s model.Severity, c model.Code, message string) model.Diagnostic {
		return model.Diagnostic{Origin: model.Origin{Source: "kubernetes", Kind: "Ingress", Namespace: "shop", Name: name},
			Field: "metadata.annotations[nginx.ingress.kubernetes.io/" + annotation + "]", Severity: s, Code: c, Message: message}
	}
	installed := func(kind, field string, s model.Severity, c model.Code, message string) model.Diagnostic {
		return model.Diagnostic{Origin: model.Origin{Source: "kubernetes", Kind: kind, Namespace: "ingress-nginx", Name: "controller"},
			Field: field, Severity: s, Code: c, Message: message}
	}
	all := []model.Diagnostic{
		about("a", "rewrite-target", model.Info, model.CodeAnnotationServed, "does what it says"),
		about("b", "rewrite-target", model.Info, model.CodeAnnotationServed, "does what it says"),
		about("b", "server-snippet", model.Error, model.CodeAnnotationRefused, "is never executed"),
		installed("ConfigMap", "data.hsts", model.Info, model.CodeSettingServed, "does what it says"),
		installed("Deployment", "--v", model.Warning, model.CodeSettingIgnored, "set log.level"),
	}
	var out bytes.Buffer
	var asked Cluster
	e := Env{Out: &out, Err: &out, FromCluster: func(_ context.Context, from Cluster, _ []string) (Offline, error) {
		asked = from
		return Offline{Diagnostics: all}, nil
	}}
	cmd := checkCommand(e)
	cmd.SetArgs([]string{"--from-cluster", "--kubeconfig", "k", "--adopt", "nginx,public", "--profile", "prod"})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if err := cmd.Execute(); err == nil {
		t.Error("a cluster with errors is said to be well")
	}
	if asked.Kubeconfig != "k" || strings.Join(asked.Adopt, " ") != "nginx public" || strings.Join(asked.Profiles, " ") != "prod" {
		t.Errorf("asked for %+v", asked)
	}
	const want = `ConfigMap ingress-nginx/controller
  supported: hsts
Deployment ingress-nginx/controller
  warning: ignored --v: set log.level
Ingress shop/a
  supported: nginx.ingress.kubernetes.io/rewrite-target
Ingress shop/b
  error: refused nginx.ingress.kubernetes.io/server-snippet: is never executed
  supported: nginx.ingress.kubernetes.io/rewrite-target

ANNOTATION                                  SUPPORTED  DIFFERS  IGNORED  REFUSED  UNKNOWN
nginx.ingress.kubernetes.io/rewrite-target  2          0        0        0        0
nginx.ingress.kubernetes.io/server-snippet  0          0        0        1        0

SETTING  SUPPORTED  DIFFERS  IGNORED  REFUSED  UNKNOWN
--v      0          0        1        0        0
hsts     1          0        0        0        0
`
	if got := out.String(); !strings.HasPrefix(got, want) || !strings.Contains(got, "1 error") {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
	if err := checkCommand(Env{Out: &out}).Execute(); err == nil {
		t.Error("check without anything to check is well")
	}
}
