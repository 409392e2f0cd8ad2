package up

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"paifang/internal/example"
)

// TestMain is two programs: the tests, and, started again by up as the program of the example's pods, the example.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "example" && os.Args[2] == "order" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err := example.Run(ctx, os.Getenv, os.Stdout)
		stop()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
