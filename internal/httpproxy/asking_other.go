//go:build !unix

package httpproxy

import "paifang/internal/upstream"

// asking is not to be had on this system.
type asking struct{}

func (w *work) ask(up *upstream.Conn, _ bool) (int, error) { return w.sendRequest(up) }

func (w *work) firstBytes(*upstream.Conn) error { return nil }
