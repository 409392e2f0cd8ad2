// Package listener owns the TCP sockets that planes serve on. Sockets are keyed by address and outlive generations:
// a plane acquires one while it prepares (bound, not accepting), serves on it from its commit on, and releases it when it
// retires. A port that stays is never touched; one that goes drains first: its probe fails, then, when the balancer in
// front has had time to see that, it stops accepting.
//
// The package also settles who the client is. Connections from a listener's balancers must begin with a PROXY
// protocol header, version 1 or 2; from all others the socket's own address counts. The balancer's own connections
// (the LOCAL command, PROXY protocol specification section 2.2) may ask GET /readyz in clear text and are answered here.
package listener
