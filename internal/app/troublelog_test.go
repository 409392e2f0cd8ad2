package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
)

// TestLogTellsOfMistakes: a file that is edited badly shows in the log of `serve`, once, with where and what.
func TestLogTellsOfMistakes(t *testing.T) {
	free := netip.MustParseAddrPort("127.0.0.1:0")
	file := filepath.Join(t.TempDir(), "objects.yaml")
	write := func(kind string) {
		t.Helper()
		text := "apiVersion: paifang.dev/v1\nkind: Route\nmetadata: {name: all}\nspec:\n  attach: [gateway]\n  match: {path: {kind: " + kind + ", value: /}}\n  respond: {status: 200}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("Prefix")
	log := &said{}
	a, err := New(Config{Admin: Admin{Address: free}, Sources: Sources{Manifests: []string{file}}, Gateway: &Gateway{HTTP: free, Service: "-"}}, Options{Name: "serve", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	until(t, "ready", func() bool { return log.has("msg=ready") })
	if log.has("level=ERROR") {
		t.Errorf("a good file is an error:\n%s", log.text.String())
	}
	write("Prefixx")
	until(t, "told", func() bool { return log.has("at=" + file + ":") })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	text := log.text.String()
	if n := strings.Count(text, "level=ERROR"); n != 1 || !strings.Contains(text, "Prefixx") {
		t.Errorf("%d errors, want one about Prefixx:\n%s", n, text)
	}
}

// TestMistakesAreBounded: however much is wrong, the log has some lines of it and how much it left out.
func TestMistakesAreBounded(t *testing.T) {
	var out strings.Builder
	l := troubleLog{log: slog.New(slog.NewTextHandler(&out, nil))}
	lines := func() (all, left int) {
		defer out.Reset()
		text := out.String()
		if _, after, found := strings.Cut(text, " lines="); found {
			if _, err := fmt.Sscan(after, &left); err != nil {
				t.Fatal(err)
			}
		}
		return strings.Count(text, "\n"), left
	}
	said := make([]model.Diagnostic, 1000)
	for i := range said {
		said[i] = model.Diagnostic{Severity: model.Error, Code: "bad", Message: "it is wrong"}
	}
	now := time.Unix(1e9, 0)
	l.tell(now, said)
	if all, left := lines(); all != troubleAtOnce+1 || left != len(said)-troubleAtOnce {
		t.Errorf("%d lines at once, %d told to be left out", all, left)
	}
	l.tell(now.Add(time.Second/2), said[:3])
	if all, _ := lines(); all != 0 {
		t.Errorf("%d lines half a second later, want none", all)
	}
	l.tell(now.Add(10*time.Second), said[:15])
	if all, left := lines(); all != 11 || left != 3+5 {
		t.Errorf("%d lines ten seconds later, %d told to be left out, want 10 and one about 8", all, left)
	}
	l.tell(now.Add(time.Hour), said[:1])
	if all, left := lines(); all != 1 || left != 0 {
		t.Errorf("%d lines an hour later, %d told to be left out", all, left)
	}
}

// TestErrorsAreToldFirst: warnings leave no error out.
func TestErrorsAreToldFirst(t *testing.T) {
	var out strings.Builder
	l := troubleLog{log: slog.New(slog.NewTextHandler(&out, nil))}
	said := make([]model.Diagnostic, 2*troubleAtOnce)
	for i := range said {
		said[i] = model.Diagnostic{Severity: model.Warning, Code: "odd", Message: "it is odd"}
	}
	said = append(said, model.Diagnostic{Severity: model.Error, Code: "bad", Message: "it is wrong"})
	l.tell(time.Unix(1e9, 0), said)
	if first, _, _ := strings.Cut(out.String(), "\n"); !strings.Contains(first, "code=bad") {
		t.Errorf("the first line is %q", first)
	}
	if said[0].Code != "odd" {
		t.Error("the list of others was put in order")
	}
}
