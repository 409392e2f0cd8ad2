package up

import (
	"context"
	"fmt"
	"time"

	"paifang/internal/adminapi"
)

// alreadyRunning is an error when an up answers at the admin address.
func (p *Plan) alreadyRunning(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	at := p.Addr["admin"].String()
	view, err := adminapi.NewClient(at).Read(ctx, adminapi.Infos)
	if err != nil || len(view.Info) == 0 {
		return nil // nobody, or somebody else: then the ports are taken, which is checked next
	}
	i := view.Info[0]
	return fmt.Errorf("up: one is running already: process %d, admin API %s, reading %s, state in %s.\n"+
		"End it there with Ctrl-C, or give this one ports of its own: --port-offset 100", i.PID, at, i.Dir, i.State)
}
