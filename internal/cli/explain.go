package cli

import (
	"context"
	"encoding/json"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"paifang/internal/adminapi"
	"paifang/internal/explain"
)

// besideColumns is the width of two results side by side where the output is no terminal.
const besideColumns = 160

func explainCommand(e Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain URL [URL2]",
		Short: "Say every hop of a request, numbered as its road numbers them",
		Long: "Says what becomes of a request, hop by hop, from a running process or with -f from files. It takes nothing and asks nobody;\n" +
			"with --send it makes the request and says what happened. Two URLs stand side by side, differing hops marked.",
		Args: Between(1, 2, "a URL, or two to compare: explain http://shop.test/order/42"),
	}
	admin := adminFlag(cmd)
	method := cmd.Flags().StringP("request", "X", "GET", "method of the request")
	headers := cmd.Flags().StringArrayP("header", "H", nil, "header of the request, 'Name: value'; may be repeated")
	send := cmd.Flags().Bool("send", false, "make the request and print what happened")
	form := cmd.Flags().StringP("output", "o", formTable, "table, json or yaml")
	files := cmd.Flags().StringArrayP("file", "f", nil, "files or directories to read in place of a running process; may be repeated")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkForm(*form, formTable, formJSON, formYAML); err != nil {
			return err
		}
		if *send && len(*files) > 0 {
			return usage("--send needs a running process, -f reads files: give one of them")
		}
		var results []explain.Result
		err := e.during("explaining", func() error {
			x, done, err := e.explainer(cmd.Context(), *admin, *files)
			if err != nil {
				return err
			}
			defer done()
			for _, u := range args {
				r, err := x.Explain(cmd.Context(), explain.Request{URL: u, Method: *method, Headers: *headers}, *send)
				if err != nil {
					return err
				}
				results = append(results, r)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := e.showResults(results, *form); err != nil {
			return err
		}
		for _, r := range results {
			if r.Sent && (r.Status == 0 || r.Status >= 500) {
				return errFound
			}
		}
		return nil
	}
	return cmd
}

func (e Env) explainer(ctx context.Context, admin string, files []string) (adminapi.Explainer, func(), error) {
	if len(files) == 0 {
		client := adminapi.NewClient(admin)
		return client, client.Close, nil
	}
	o, err := e.Offline(ctx, files)
	return o.Explainer, func() {}, err
}

func (e Env) showResults(results []explain.Result, form string) error {
	if form != formTable {
		text, err := json.Marshal(adminapi.Explained{Results: results})
		if err != nil {
			return err
		}
		return printJSON(e.Out, text, form)
	}
	var b strings.Builder
	if len(results) == 1 {
		if err := explain.Fprint(&b, results[0]); err != nil {
			return err
		}
	} else {
		columns := e.Columns
		if columns == 0 {
			columns = besideColumns
		}
		if err := explain.FprintPair(&b, results[0], results[1], columns); err != nil {
			return err
		}
	}
	_, err := io.WriteString(e.Out, e.painted(b.String()))
	return err
}

// painted marks differing hops with colour as well.
func (e Env) painted(text string) string {
	if !e.Color {
		return text
	}
	return strings.ReplaceAll(text, " "+explain.Differs+" ", " \x1b["+string(warn)+"m"+explain.Differs+"\x1b[0m ")
}
