package nacos

import (
	"context"
	"fmt"
	"time"
)

// Keep has an instance registered until ctx ends, and deregisters it then. It waits for a registry that does not answer, or that
// refuses, as long as that lasts, and says so in the log. It returns at once where the options or the instance are of no use;
// otherwise its error is why the registry could not be told of the end. The instance is gone then all the same, once the registry
// has noticed that the connection is.
func Keep(ctx context.Context, opt Options, s Service, in Instance) error {
	if err := opt.prepare(); err != nil {
		return err
	}
	if s = s.plain(); !in.complete(s) {
		return fmt.Errorf("nacos: register %q at %s: want a name and IP:PORT", s.Name, in.Addr)
	}
	var c *Client
	err := insist(ctx, opt, func() (err error) {
		c, err = Connect(ctx, opt)
		return err
	})
	if err != nil {
		return nil // it was never registered
	}
	defer c.Close()
	_ = insist(ctx, opt, func() error {
		// A registration that is under way when ctx ends is waited for: only then is there something to take back.
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), opt.Timeout)
		defer cancel()
		return c.Register(within, s, in)
	})
	<-ctx.Done()
	within := opt.Timeout
	if !c.connected() {
		within = min(within, briefly)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	return c.Deregister(ctx, s, in.Addr)
}

// briefly is how long the end waits for a registry that is away: it may be about to be back, with the instance registered already.
const briefly = time.Second

// insist tries until it succeeds or ctx ends. What is wrong is logged once, and again when it has become something else.
func insist(ctx context.Context, opt Options, try func() error) error {
	said := ""
	for {
		err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err.Error() != said {
			said = err.Error()
			opt.Log.Warn("nacos: not registered, trying again", "error", err)
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// connected tells whether there is a connection at the moment.
func (c *Client) connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn != nil
}
