package nacos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paifang/internal/nacosconn"
	"paifang/internal/nacoswire"
)

// Config names a configuration of the client's namespace.
type Config struct {
	ID    string // Nacos' data ID; required
	Group string // default "DEFAULT_GROUP"
}

func (id Config) plain() Config {
	id.Group = nacoswire.NonEmpty(id.Group, nacoswire.DefaultGroup)
	return id
}

// ErrNoConfig is wrapped by the error of Read for a configuration that is not there.
var ErrNoConfig = errors.New("there is no such configuration")

func (c *Client) configRef(id Config) nacoswire.ConfigRef {
	r := nacoswire.ConfigRef{DataID: id.ID, Group: id.Group, Tenant: c.opt.Namespace}
	if r.Tenant == nacoswire.PublicNamespace {
		r.Tenant = "" // as servers before 3.0 call it
	}
	return r
}

func configOf(r nacoswire.ConfigRef) Config { return Config{r.DataID, r.Group}.plain() }

// Read returns the content of a configuration.
func (c *Client) Read(ctx context.Context, id Config) (string, error) {
	var content string
	err := c.do(ctx, func(conn *nacosconn.Conn) (err error) {
		content, err = c.read(ctx, conn, id.plain())
		return err
	})
	if err != nil {
		return "", fmt.Errorf("nacos: read %s: %w", id.ID, err)
	}
	return content, nil
}

func (c *Client) read(ctx context.Context, conn *nacosconn.Conn, id Config) (string, error) {
	a, err := nacosconn.Call[nacoswire.ConfigQueryResponse](ctx, conn, nacoswire.TypeConfigQuery, nacoswire.ConfigQueryRequest{
		Request: nacoswire.Request{Module: nacoswire.ModuleConfig}, ConfigRef: c.configRef(id),
	})
	if no := (*nacosconn.ServerError)(nil); errors.As(err, &no) && no.Code == nacoswire.ErrorConfigUnknown {
		return "", ErrNoConfig
	}
	return a.Content, err
}

// FollowConfig calls f with the content of a configuration as it is, and with every later one, until ctx ends; it returns its
// cause, or why the server refuses. An empty content means that there is none. f is called by one goroutine; what changes while
// it runs is one call more.
func (c *Client) FollowConfig(ctx context.Context, id Config, f func(content string)) error {
	id = id.plain()
	c.mu.Lock()
	it := c.configs[id]
	if it == nil {
		it = &followed[string]{news: make(chan struct{})}
		c.configs[id] = it
	}
	it.users++
	fresh := !it.known
	c.mu.Unlock()
	defer c.leaveConfig(id, it)
	if fresh {
		if err := c.do(ctx, func(conn *nacosconn.Conn) error { return c.listen(ctx, conn, id, true) }); err != nil {
			return fmt.Errorf("nacos: follow %s: %w", id.ID, err)
		}
	}
	return follow(ctx, c, it, f)
}

func (c *Client) leaveConfig(id Config, it *followed[string]) {
	c.mu.Lock()
	it.users--
	last := it.users == 0
	if last {
		delete(c.configs, id)
	}
	conn := c.conn
	c.mu.Unlock()
	if last && conn != nil {
		_ = c.listen(conn.Context(), conn, id, false) // where it fails, what is told is passed over
	}
}

// listen begins or ends listening. Where it begins, the client's own goroutine reads the configuration, as it does after every
// change: of two readers the older one might come last.
func (c *Client) listen(ctx context.Context, conn *nacosconn.Conn, id Config, begin bool) error {
	_, err := nacosconn.Call[nacoswire.ConfigListenResponse](ctx, conn, nacoswire.TypeConfigListen, nacoswire.ConfigListenRequest{
		Request: nacoswire.Request{Module: nacoswire.ModuleConfig}, Listen: begin, Contexts: []nacoswire.ConfigSeen{{ConfigRef: c.configRef(id)}},
	})
	if err == nil && begin {
		c.ask(id)
	}
	return err
}

// ask has a configuration read again.
func (c *Client) ask(id Config) {
	c.mu.Lock()
	c.asked[id] = true
	c.mu.Unlock()
	select {
	case c.stale <- struct{}{}:
	default:
	}
}

// take reads a configuration for those who follow it.
func (c *Client) take(ctx context.Context, conn *nacosconn.Conn, id Config) error {
	content, err := c.read(ctx, conn, id)
	if err != nil && !errors.Is(err, ErrNoConfig) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if it := c.configs[id]; it != nil && (!it.known || it.value != content) {
		it.set(content)
	}
	return nil
}

// readStale reads the configurations that have changed.
func (c *Client) readStale(ctx context.Context, conn *nacosconn.Conn) error {
	c.mu.Lock()
	var ids []Config
	for id := range c.asked {
		ids = append(ids, id)
	}
	clear(c.asked)
	c.mu.Unlock()
	for _, id := range ids {
		err := c.take(ctx, conn, id)
		if err == nil {
			continue
		}
		if lost(err, conn) {
			return err
		}
		if ctx.Err() == nil { // the server is slow, or refuses: what is known stays
			time.AfterFunc(again, func() { c.ask(id) })
		}
	}
	return nil
}
