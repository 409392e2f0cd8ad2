package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"paifang/internal/source/springgw"
)

func TestImportCommand(t *testing.T) {
	finding := func(j springgw.Judgement) springgw.Finding {
		return springgw.Finding{Verdict: springgw.Verdict{Kind: "filter", Name: "StripPrefix", Verdict: j, Why: "so it is"}, File: "a.yml", Line: 3, Route: "order"}
	}
	file := filepath.Join(t.TempDir(), "out.yaml")
	for _, c := range []struct {
		name     string
		args     []string
		judged   springgw.Judgement
		code     int
		out, err string
	}{
		{"to standard output", []string{"import", "a.yml"}, springgw.Supported, 0, "documents\n", "1 route read: 1 supported, 0 differing, 0 ignored, 0 lost\nBeside that, field names with underscores are refused"},
		{"to a file", []string{"import", "a.yml", "-o", file, "--profile", "prod,blue"}, springgw.Differs, 0, "a.yml:3", ""},
		{"with a loss", []string{"import", "a.yml", "-o", file}, springgw.Unsupported, 1, "0 ignored, 1 lost", ""},
		{"without a path", []string{"import"}, springgw.Supported, 2, "", ""},
		{"to a file that cannot be", []string{"import", "a.yml", "-o", filepath.Join(file, "below")}, springgw.Supported, 1, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			var asked Import
			e := Env{Out: &out, Err: &errs, Import: func(_ context.Context, in Import) (Imported, error) {
				asked = in
				return Imported{[]byte("documents\n"), springgw.Imported{Routes: 1, Findings: []springgw.Finding{finding(c.judged)}}}, nil
			}}
			cmd := importCommand(e)
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			cmd.SetArgs(c.args[1:])
			err := cmd.ExecuteContext(t.Context())
			if ExitCode(err) != c.code || !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.err) {
				t.Errorf("%v: code %d\n%s\n%s", err, ExitCode(err), out.String(), errs.String())
			}
			if c.name == "to a file" {
				if text, err := os.ReadFile(file); err != nil || string(text) != "documents\n" || strings.Join(asked.Profiles, " ") != "prod blue" || strings.Contains(out.String(), "documents") {
					t.Errorf("%q %v %+v\n%s", text, err, asked, out.String())
				}
			}
		})
	}
	// How much source was looked through is told, where some was named.
	for _, c := range []struct {
		read *springgw.JavaRead
		want string
	}{{nil, ""}, {&springgw.JavaRead{Java: 12}, "12 files of Java looked through\n"}, {&springgw.JavaRead{Kotlin: 1}, "0 files of Java looked through, and 1 file of Kotlin for the names of types alone\n"}} {
		foot := verdictsTable(&Imported{Imported: springgw.Imported{Java: c.read}}).foot
		if !strings.Contains(foot, c.want) || strings.Contains(foot, "of Java") != (c.read != nil) {
			t.Error(foot)
		}
	}
	// What was read is not written over, by whatever name.
	input, link := filepath.Join(t.TempDir(), "a.yml"), filepath.Join(t.TempDir(), "link.yml")
	if err := errors.Join(os.WriteFile(input, []byte("spring:\n"), 0o600), os.Symlink(input, link)); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]string{{"-o", input}, {"-o", link}, {"-o", input, "-c", link}} {
		read := []string{"elsewhere.yml", input}
		if len(c) > 2 {
			read = nil
		}
		cmd := importCommand(Env{Import: func(context.Context, Import) (Imported, error) {
			return Imported{[]byte("documents\n"), springgw.Imported{Files: read}}, nil
		}})
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(append([]string{"a.yml"}, c...))
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "name another file") {
			t.Errorf("%v: %v", c, err)
		}
		if text, err := os.ReadFile(input); string(text) != "spring:\n" {
			t.Errorf("%v: %q %v", c, text, err)
		}
	}
	failed := errors.New("nothing is there")
	cmd := importCommand(Env{Import: func(context.Context, Import) (Imported, error) { return Imported{}, failed }})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"a.yml"})
	if err := cmd.ExecuteContext(t.Context()); !errors.Is(err, failed) {
		t.Error(err)
	}
}
