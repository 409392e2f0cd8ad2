package app

import (
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"paifang/internal/certs/certstest"
	"paifang/internal/model"
)

// TestRevocationListsThatEnd has lists of revoked client certificates shown whose time is over or nearly, and when each ends.
func TestRevocationListsThatEnd(t *testing.T) {
	now := time.Now()
	at := func(d time.Duration) time.Time { return now.Add(d) }
	list := func(ca *certstest.Authority, from, until time.Time) string {
		return ca.List(&x509.RevocationList{Number: big.NewInt(1), ThisUpdate: from, NextUpdate: until})
	}
	var text strings.Builder
	policy := func(name string, ca *certstest.Authority, lists string) {
		fmt.Fprintf(&text, "apiVersion: paifang.dev/v1\nkind: TLSPolicy\nmetadata: {name: %s}\nspec: {attach: [ingress, other], hosts: [%[1]s.test], clientAuth: required, clientCAs: %[2]q, clientCRLs: %[3]q}\n---\n", name, ca.PEM(), lists)
	}
	past, near, far, renewed := certstest.New(t, "past", nil), certstest.New(t, "near", nil), certstest.New(t, "far", nil), certstest.New(t, "renewed", nil)
	policy("past", past, list(past, at(-2*time.Hour), at(-time.Hour)))
	policy("near", near, list(near, at(-91*time.Hour), at(9*time.Hour)))
	policy("far", far, list(far, at(-89*time.Hour), at(11*time.Hour)))
	policy("renewed", renewed, list(renewed, at(-2*time.Hour), at(-time.Hour))+list(renewed, at(-time.Hour), at(10*time.Hour)))
	file := filepath.Join(t.TempDir(), "policies.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	a := started(t, Config{Ingress: &Ingress{Nodes: []Node{{Name: "node-1", HTTP: free(t), HTTPS: free(t)}}}, Sources: Sources{Manifests: []string{file}}})
	said := map[string]model.Diagnostic{}
	for _, d := range a.diagnostics() {
		if d.Code == model.CodeListEnds {
			said[d.Origin.Name] = d
		}
	}
	if d := said["past"]; d.Severity != model.Error || !strings.Contains(d.Message, "CN=past is out of date since") || d.Origin.File != file {
		t.Errorf("past: %v", d)
	}
	if d := said["near"]; d.Severity != model.Warning || !strings.Contains(d.Message, "CN=near is out of date at "+at(9*time.Hour).UTC().Format(time.RFC3339)) {
		t.Errorf("near: %v", d)
	}
	if len(said) != 2 {
		t.Errorf("said %v", said)
	}
	resp, err := http.Get("http://" + a.admin.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for name, until := range map[string]time.Time{"past": at(-time.Hour), "near": at(9 * time.Hour), "far": at(11 * time.Hour), "renewed": at(10 * time.Hour)} {
		want := fmt.Sprintf("paifang_tls_revocation_list_end_timestamp_seconds{policy=%q,issuer=\"CN=%[1]s\"} %[2]s\n", name, strconv.FormatFloat(float64(until.Unix()), 'g', -1, 64))
		if n := strings.Count(string(page), want); n != 1 {
			t.Errorf("%d times %s", n, want)
		}
	}
}
