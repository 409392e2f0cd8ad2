package app

import "context"

// rotation waits: there is no such signal on this system.
func (a *App) rotation() func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	}
}
