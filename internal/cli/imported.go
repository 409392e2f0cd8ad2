package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"paifang/internal/source/springgw"
)

// Import is what is imported, and with what.
type Import struct {
	Paths    []string
	Profiles []string
	Config   string // a configuration of serve; "" = that of up
	Source   string // directory of Java source; "" = none
	Nacos    bool   // rules of Sentinel in Nacos are asked for
}

// Imported is our own documents, and what became of everything they were made from.
type Imported struct {
	Documents []byte
	springgw.Imported
}

func importCommand(e Env) *cobra.Command {
	var in Import
	var file string
	cmd := &cobra.Command{
		Use:   "import PATH… [--profile P] [-o FILE]",
		Short: "Turn the configuration of Spring Cloud Gateway into documents of our own",
		Long: "Reads application.yml or .properties, or a directory with those for profiles, and prints paifang.dev/v1 documents, which `paifang check`\n" +
			"reads and `paifang serve` runs as sources.manifests. What becomes of each predicate, filter and property is printed too: beside the\n" +
			"documents on standard error, or alone where -o names a file for them. Exit code 1 when something is lost.",
		Args: Between(1, 1<<16, "files and directories of a Spring application"),
	}
	cmd.Flags().StringSliceVar(&in.Profiles, "profile", nil, "active profiles (default: those that spring.profiles.active names)")
	cmd.Flags().StringVarP(&in.Config, "config", "c", "", "configuration of `paifang serve` that will run the documents: its registry, properties and profiles count")
	cmd.Flags().StringVar(&in.Source, "source", "", "directory with the application's Java source: what may replace each of its filters is said")
	cmd.Flags().BoolVar(&in.Nacos, "nacos", false, "ask the Nacos servers that the files name for rules of Sentinel")
	cmd.Flags().StringVarP(&file, "output", "o", "", "file for the documents (default: standard output)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in.Paths = args
		var out Imported
		err := e.during("importing", func() (err error) {
			out, err = e.Import(cmd.Context(), in)
			return err
		})
		if err != nil {
			return err
		}
		if err := spared(file, append(out.Files, in.Config)); err != nil {
			return err
		}
		report := e.Out
		if file == "" {
			report = e.Err
			_, err = e.Out.Write(out.Documents)
		} else if err = os.WriteFile(file, out.Documents, 0o600); err != nil { // values of headers may be secrets
			err = fmt.Errorf("import: %w", err)
		}
		if err == nil {
			err = verdictsTable(&out).print(report, e.Color && file != "")
		}
		if err == nil && out.Lost() > 0 {
			err = errFound
		}
		return err
	}
	return cmd
}

// spared is an error for a file that is to be written and is one of those that were read.
func spared(file string, read []string) error {
	there, err := os.Stat(file)
	if err != nil {
		return nil // it is not there, or writing it says why not
	}
	for _, path := range read {
		if info, err := os.Stat(path); err == nil && os.SameFile(there, info) {
			return fmt.Errorf("import: %s is what was read: name another file for the documents", file)
		}
	}
	return nil
}

func verdictsTable(in *Imported) *table {
	t := &table{head: []string{"AT", "VERDICT", "KIND", "NAME", "ROUTE", "WHY"}}
	counts := map[springgw.Judgement]int{}
	for _, f := range in.Findings {
		counts[f.Verdict.Verdict]++
		at := f.File
		if f.Line > 0 {
			at += fmt.Sprintf(":%d", f.Line)
		}
		tones := map[springgw.Judgement]tone{springgw.Supported: good, springgw.Differs: warn, springgw.Unsupported: bad}
		t.add(c(at), toned(string(f.Verdict.Verdict), tones[f.Verdict.Verdict]), c(f.Kind), c(f.Name), c(f.Route), c(f.Why))
	}
	t.foot = fmt.Sprintf("%s read: %d supported, %d differing, %d ignored, %d lost", plural(in.Routes, "route"), counts[springgw.Supported],
		counts[springgw.Differs], counts[springgw.Ignored], counts[springgw.Unsupported])
	if in.Java != nil {
		t.foot += "\n" + plural(in.Java.Java, "file") + " of Java looked through"
		if in.Java.Kotlin > 0 {
			t.foot += ", and " + plural(in.Java.Kotlin, "file") + " of Kotlin for the names of types alone"
		}
	}
	t.foot += "\n" + strictness
	return t
}

// strictness is what no finding tells, because no file of the application says it.
const strictness = "Beside that, field names with underscores are refused, %2F in a path is redirected and several slashes are made one, unless gateway.parsing of `serve` says otherwise."
