package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paifang/internal/adminapi"
)

func getCommand(e Env) *cobra.Command {
	var kinds []string
	for _, k := range adminapi.Kinds() {
		kinds = append(kinds, string(k))
	}
	cmd := &cobra.Command{
		Use:   "get KIND [NAME]",
		Short: "List roads, nodes, pods, records, routes, upstreams, endpoints, services, listeners, diagnostics, …",
		Long:  "Lists what a running process has, or with -f what files say. NAME keeps the rows whose name contains it.\nKinds: " + strings.Join(kinds, ", "),
		Args:  Between(1, 2, "a kind, and perhaps a part of a name: get routes shop; kinds are "+strings.Join(kinds, ", ")),
	}
	admin := adminFlag(cmd)
	form := cmd.Flags().StringP("output", "o", formTable, "table, wide, json, yaml; for records zone: what to enter at a DNS host; for routes nginx: as nginx.conf would say it, to read")
	files := cmd.Flags().StringArrayP("file", "f", nil, "files or directories to read in place of a running process; may be repeated")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		kind, err := adminapi.ParseKind(args[0])
		if err != nil {
			return usage("%w", err)
		}
		forms := []string{formTable, formWide, formJSON, formYAML}
		switch kind {
		case adminapi.Records:
			forms = append(forms, formZone)
		case adminapi.Routes:
			forms = append(forms, formNginx)
		}
		if err := checkForm(*form, forms...); err != nil {
			return err
		}
		var view adminapi.View
		err = e.during("reading "+string(kind), func() error {
			reader, done, err := e.reader(cmd.Context(), *admin, *files)
			if err != nil {
				return err
			}
			defer done()
			kinds := []adminapi.Kind{kind}
			if *form == formNginx {
				kinds = nginxKinds()
			}
			view, err = reader.Read(cmd.Context(), kinds...)
			return err
		})
		var partial *adminapi.PartialError
		if err != nil && !errors.As(err, &partial) {
			return err
		}
		if len(args) == 2 {
			view.Narrow(kind, args[1])
		}
		if *form == formNginx {
			return errors.Join(printNginx(e.Out, view, nginxScope{files: len(*files) > 0, part: len(args) == 2}), err)
		}
		return errors.Join(e.show(view, kind, *form, len(*files) > 0), err)
	}
	return cmd
}

// reader is that of the running process, or of files.
func (e Env) reader(ctx context.Context, admin string, files []string) (adminapi.Reader, func(), error) {
	if len(files) == 0 {
		client := adminapi.NewClient(admin)
		return client, client.Close, nil
	}
	o, err := e.Offline(ctx, files)
	return o.Reader, func() {}, err
}

// show prints rows; files tells that they were read from files.
func (e Env) show(view adminapi.View, kind adminapi.Kind, form string, files bool) error {
	switch form {
	case formJSON, formYAML:
		text, err := view.Encode(kind)
		if err != nil {
			return err
		}
		return printJSON(e.Out, text, form)
	case formZone:
		return printZone(e.Out, view.Records)
	}
	t := tableOf(view, kind, form == formWide, time.Now())
	if len(t.rows) == 0 {
		text := fmt.Sprintf("there are no %s", kind)
		switch kind {
		case adminapi.Roads, adminapi.Records, adminapi.Routes, adminapi.Upstreams, adminapi.Listeners, adminapi.Diagnostics:
		default:
			if files {
				text = fmt.Sprintf("files do not tell %s: only what runs has them", kind)
			}
		}
		_, err := fmt.Fprintln(e.Err, text)
		return err
	}
	return t.print(e.Out, e.Color)
}

// printZone writes records as a master file has them (RFC 1035, section 5).
func printZone(w io.Writer, records []adminapi.Record) error {
	var b strings.Builder
	for _, r := range records {
		name := r.Name
		if rest, ok := strings.CutPrefix(name, "**."); ok {
			name = "*." + rest // a wildcard of the DNS stands for any number of labels (RFC 4592)
		}
		for _, a := range r.Addrs {
			fmt.Fprintf(&b, "%s. %d IN %s %s\n", name, r.TTL, r.Type, a)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
