// Package httpproxy is the HTTP plane: it takes requests on the listeners of a snapshot, finds their route, runs the
// route's filters and forwards to an upstream.
//
// One goroutine serves one client connection: it reads a request, writes it to the upstream, reads the answer and writes
// it to the client. Only a request body that streams and an upgraded connection have a second goroutine, for the other
// direction, while they last. Nothing is allocated for a plain request: what a request needs is a work, taken from a pool
// when its first byte arrives, so that an idle connection holds little more than a small buffer.
//
// No deadline is set per request. A goroutine that is about to wait notes in its watch for what and until when, and the
// plane's sweeper interrupts the watches that are over time.
//
// A request loads the table of its listener once and takes a reference on its route, so a change of the configuration
// never disturbs it: the filters and upstreams of a route live until the last request that uses them is done.
package httpproxy
