// Package upstream is the run-time of endpoints: which addresses a list has, how each of them is observed, which one
// a request goes to, and the connections that are kept to it.
//
// The Table is keyed state that outlives generations. Sources' addresses enter it through SetContribution, past
// compile; planes acquire a Handle per upstream when they bind and release it when they retire. A Handle holds an
// immutable picker that is swapped whenever its lists, or what was observed of their endpoints, change. Picking
// neither blocks nor allocates.
//
// Two things are known of an endpoint and kept apart: what its sources say (model.EndpointState), and own
// observation: probes and failed connects make it down. Own observation never takes out the last endpoint that the
// sources call ready; what the sources say does.
package upstream
