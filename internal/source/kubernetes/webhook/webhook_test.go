package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/certs/certstest"
	"paifang/internal/model"
	"paifang/internal/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// judged is a source and its judge: it remembers what it was asked and says what it was told to.
type judged struct {
	mu    sync.Mutex
	tried *networkingv1.Ingress
	say   []model.Diagnostic
	err   error
}

func (j *judged) Try(v *networkingv1.Ingress) ([]source.Group, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tried = v
	return nil, j.err
}

func (j *judged) judge([]source.Group) ([]model.Diagnostic, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.say), nil
}

// serve runs a webhook and returns its URL and a client that trusts it.
func serve(t *testing.T, j *judged, deny bool) (string, *http.Client) {
	t.Helper()
	return serveWith(t, j, func(c *Config) { c.Deny = deny })
}

func serveWith(t *testing.T, j *judged, change func(*Config)) (string, *http.Client) {
	t.Helper()
	ca := certstest.New(t, "ca", nil)
	pair := ca.Server("127.0.0.1")
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	var chain bytes.Buffer
	for _, der := range pair.Certificate {
		_ = pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	c := Config{Address: netip.MustParseAddrPort("127.0.0.1:0"), Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"),
		Source: j, Judge: j.judge, Log: slog.New(slog.DiscardHandler)}
	for name, text := range map[string][]byte{c.Cert: chain.Bytes(), c.Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	change(&c)
	s, err := Listen(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // which certificate it is matters to nobody here
	t.Cleanup(func() { transport.CloseIdleConnections(); cancel(); running.Wait() })
	return "https://" + s.Address().String() + Path, &http.Client{Transport: transport, Timeout: 5 * time.Second}
}

func post(t *testing.T, url string, c *http.Client, body string) (int, response) {
	t.Helper()
	r, err := c.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var out review
	if r.StatusCode == http.StatusOK {
		if err := json.NewDecoder(r.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		if out.Kind != "AdmissionReview" || out.APIVersion != "admission.k8s.io/v1" || out.Response == nil || out.Response.UID != "u1" {
			t.Fatalf("answered %+v", out)
		}
		return r.StatusCode, *out.Response
	}
	return r.StatusCode, response{}
}

const asked = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","kind":{"group":"networking.k8s.io","version":"v1","kind":"Ingress"},` +
	`"operation":"CREATE","namespace":"shop","object":{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"web"},"spec":{"rules":[{"host":"shop.test"}]}}}}`

func about(name string, s model.Severity, c model.Code) model.Diagnostic {
	return model.Diagnostic{Origin: model.Origin{Kind: "Ingress", Namespace: "shop", Name: name}, Field: "spec", Severity: s, Code: c, Message: "says so"}
}

func TestReview(t *testing.T) {
	fault, missing := about("web", model.Error, model.CodeInvalid), about("web", model.Error, model.CodeServiceMissing)
	for _, c := range []struct {
		name     string
		deny     bool
		say      []model.Diagnostic
		err      error
		allowed  bool
		warnings []string
		refused  string
	}{
		{"all is well", true, nil, nil, true, nil, ""},
		{"faults are warnings", false, []model.Diagnostic{fault, about("web", model.Warning, model.CodeAnnotationIgnored)}, nil, true,
			[]string{"invalid: spec: says so", "annotation-ignored: spec: says so"}, ""},
		{"a fault of its own is refused", true, []model.Diagnostic{fault, missing}, nil, false, []string{"service-missing: spec: says so"}, "invalid: spec: says so"},
		{"what may come later is not", true, []model.Diagnostic{missing}, nil, true, []string{"service-missing: spec: says so"}, ""},
		{"remarks and others are left out", true, []model.Diagnostic{about("web", model.Info, model.CodeIgnored), about("other", model.Error, model.CodeInvalid)}, nil, true, nil, ""},
		{"who cannot judge lets it pass", true, nil, errors.New("not yet"), true, []string{"paifang: not checked: not yet"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := &judged{say: c.say, err: c.err}
			url, client := serve(t, j, c.deny)
			status, got := post(t, url, client, asked)
			if status != http.StatusOK || got.Allowed != c.allowed || !slices.Equal(got.Warnings, c.warnings) || (got.Status != nil) != (c.refused != "") ||
				got.Status != nil && got.Status.Message != c.refused {
				t.Errorf("%d %+v", status, got)
			}
			if j.tried == nil || j.tried.Namespace != "shop" || j.tried.Spec.Rules[0].Host != "shop.test" {
				t.Errorf("tried %+v", j.tried)
			}
		})
	}
}

func TestReviewOfOthers(t *testing.T) {
	j := &judged{say: []model.Diagnostic{about("web", model.Error, model.CodeInvalid)}}
	url, client := serve(t, j, true)
	for _, body := range []string{strings.Replace(asked, "CREATE", "DELETE", 1), strings.Replace(asked, `"kind":"Ingress"},`, `"kind":"Service"},`, 1)} {
		if status, got := post(t, url, client, body); status != http.StatusOK || !got.Allowed || len(got.Warnings) > 0 {
			t.Errorf("%d %+v", status, got)
		}
	}
	for _, body := range []string{"", "{}", "no JSON"} {
		if status, _ := post(t, url, client, body); status != http.StatusBadRequest {
			t.Errorf("%q: %d, want 400", body, status)
		}
	}
	if status, _ := post(t, strings.TrimSuffix(url, Path)+"/other", client, asked); status != http.StatusNotFound {
		t.Errorf("another path: %d, want 404", status)
	}
}

func TestWarningsAreBounded(t *testing.T) {
	j := &judged{}
	for range 1000 {
		d := about("web", model.Warning, model.CodeAnnotationIgnored)
		d.Message = strings.Repeat("long ", 100)
		j.say = append(j.say, d)
	}
	url, client := serve(t, j, true)
	_, got := post(t, url, client, asked)
	n := 0
	for _, w := range got.Warnings {
		n += len(w)
	}
	if n == 0 || n > 4096 {
		t.Errorf("%d bytes of warnings", n)
	}
}

func TestListen(t *testing.T) {
	if _, err := Listen(Config{Address: netip.MustParseAddrPort("127.0.0.1:0"), Cert: "no/cert", Key: "no/key"}); err == nil {
		t.Error("it listens without a certificate")
	}
}
