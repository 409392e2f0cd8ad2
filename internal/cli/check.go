package cli

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"paifang/internal/model"
)

func checkCommand(e Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check PATH…",
		Short: "Compile manifests, routes and configuration without serving them, and print what is wrong",
		Long: "Reads files and directories as `paifang up` and `paifang serve` do, prints every error, warning and note with file and line, and\n" +
			"serves nothing. Exit code 1 when there are errors.",
		Args: Between(1, 1<<16, "at least one file or directory"),
	}
	form := cmd.Flags().StringP("output", "o", formTable, "table, json or yaml")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkForm(*form, formTable, formJSON, formYAML); err != nil {
			return err
		}
		var o Offline
		err := e.during("checking", func() (err error) {
			o, err = e.Offline(cmd.Context(), args)
			return err
		})
		if err != nil {
			return err
		}
		all := slices.Clone(o.Diagnostics)
		slices.SortFunc(all, model.CompareDiagnostics)
		counts := map[model.Severity]int{}
		for _, d := range all {
			counts[d.Severity]++
		}
		if err := e.showDiagnostics(all, countLine(counts), *form); err != nil {
			return err
		}
		if counts[model.Error] > 0 {
			return errFound
		}
		return nil
	}
	return cmd
}

func (e Env) showDiagnostics(all []model.Diagnostic, counts, form string) error {
	if form != formTable {
		if all == nil {
			all = []model.Diagnostic{}
		}
		text, err := json.Marshal(struct {
			Items []model.Diagnostic `json:"items"`
		}{all})
		if err != nil {
			return err
		}
		return printJSON(e.Out, text, form)
	}
	for _, d := range all {
		line := clean(d.String())
		if t := severityTone(d.Severity); e.Color && t != plain {
			line = "\x1b[" + string(t) + "m" + line + "\x1b[0m"
		}
		if _, err := fmt.Fprintln(e.Out, line); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(e.Out, counts)
	return err
}
