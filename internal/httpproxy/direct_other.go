//go:build !unix

package httpproxy

// direct is not to be had on this system.
type direct struct{ on, inside bool }

func (c *conn) begin() {}

func (c *conn) turns() (_ *work, _ then, again bool) { return nil, ends, true }

func (c *conn) offer([]byte) (int, error) { return 0, nil }
