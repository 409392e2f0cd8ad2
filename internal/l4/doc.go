// Package l4 is the plane that carries TCP connections byte for byte: the load balancer in front of the nodes. It
// binds the snapshot's listeners of protocol TCP and forwards each connection to an endpoint of the upstream that the
// first L4 route of the listener's class names.
//
// A connection that cannot be made to one endpoint is made to another, each tried once, before the client notices. The
// client's address survives where the upstream says so: as a PROXY header in front of its bytes. Once connected, bytes
// are spliced in the kernel where the system can, both ways, and each half closes by itself.
//
// TLS that is for server names of L4 routes comes from the HTTP plane, which reads the name (see Plane.Pass). Datagrams of listeners
// of protocol UDP are carried in sessions by client address, each to one endpoint.
//
// A change of rules leaves the connections of what stays alone. Those of a listener or upstream that went may end
// within Config.DrainTimeout; then they are closed and counted.
package l4
