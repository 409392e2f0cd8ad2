package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"paifang/internal/adminapi"
)

// actCommand is stop and start.
func actCommand(e Env, verb adminapi.Verb) *cobra.Command {
	cmd := &cobra.Command{
		Use:  string(verb) + " PIECE",
		Long: "A piece is node-1, node-2, slb, dns, gateway, registry, or a pod by its name (`paifang get pods`).",
		Args: exactly(1, "one piece: node-1, node-2, slb, dns, gateway, registry, or a pod"),
	}
	admin := adminFlag(cmd)
	signal := cmd.Flags().String("signal", "", "")
	flag := cmd.Flags().Lookup("signal")
	done := "stopped"
	if verb == adminapi.Stop {
		cmd.Short = "Stop a piece of `paifang up`, to see what each road does without it"
		flag.Usage = "TERM ends it in order (default), KILL at once, STOP freezes it"
	} else {
		cmd.Short = "Start a piece that was stopped"
		flag.Usage = "CONT wakes a frozen piece (default)"
		done = "started"
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := adminapi.ParseSignal(verb, *signal)
		if err != nil {
			return usage("%w", err)
		}
		client := adminapi.NewClient(*admin)
		defer client.Close()
		err = e.during(string(verb)+" "+args[0], func() error { return client.Act(cmd.Context(), args[0], verb, s) })
		if err != nil {
			return err
		}
		if s == adminapi.STOP {
			done = "frozen"
		}
		_, err = fmt.Fprintf(e.Out, "%s is %s\n", args[0], done)
		return err
	}
	return cmd
}
