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
		Use:   "check [PATH…] [--from-cluster]",
		Short: "Compile manifests, routes and configuration without serving them, and print what is wrong",
		Long: "Reads files and directories as `paifang up` and `paifang serve` do, prints every error, warning and note with file and line, and\n" +
			"serves nothing. Beside Spring's application.yml those for profiles are read too, and it is said which are not active. Without a\n" +
			"configuration it reads Ingresses of ingress-nginx's classes as ours, too, as the report for moving over does. With\n" +
			"--from-cluster it reads the Ingresses of a live cluster once, those of ingress-nginx included, and prints\n" +
			"what would become of each annotation of each: the report for moving over. It changes nothing there. The Deployment or DaemonSet\n" +
			"of ingress-nginx's controller, in the files or in the cluster, has a verdict for each of its flags and for each key of the\n" +
			"ConfigMap that they name. Exit code 1 when there are errors.",
		Args: Between(0, 1<<16, "files and directories"),
	}
	form := cmd.Flags().StringP("output", "o", formTable, "table, json or yaml")
	cluster := cmd.Flags().Bool("from-cluster", false, "read a live cluster too")
	var from Cluster
	cmd.Flags().StringVar(&from.Kubeconfig, "kubeconfig", "", "with --from-cluster: kubeconfig file (default: that of kubectl)")
	cmd.Flags().StringVar(&from.Context, "context", "", "with --from-cluster: context of the kubeconfig (default: its current one)")
	cmd.Flags().StringSliceVar(&from.Namespaces, "namespace", nil, "with --from-cluster: namespaces to read (default: all)")
	cmd.Flags().StringSliceVar(&from.Adopt, "adopt", nil, "classes of other controllers to read as ours (default: those of ingress-nginx, where no configuration is given)")
	cmd.Flags().StringSliceVar(&from.Profiles, "profile", nil, "active profiles of Spring's files (default: those of the configuration, or that spring.profiles.active names)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 && !*cluster {
			return usage("want at least one file or directory, or --from-cluster")
		}
		if err := checkForm(*form, formTable, formJSON, formYAML); err != nil {
			return err
		}
		var o Offline
		err := e.during("checking", func() (err error) {
			if *cluster {
				o, err = e.FromCluster(cmd.Context(), from, args)
				return err
			}
			o, err = e.Report(cmd.Context(), args, from.Adopt, from.Profiles)
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
		show := func() error { return e.showDiagnostics(all, countLine(counts), *form) }
		if *cluster && *form == formTable {
			show = func() error { return e.showCluster(all, countLine(counts)) }
		}
		if err := show(); err != nil {
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
