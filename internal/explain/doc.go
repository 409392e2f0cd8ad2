// Package explain says what becomes of a request, hop by hop, in the numbering of the road that the request takes: road 1
// is domain, SLB, ingress, service, pod; road 2 is gateway, registry, pod.
//
// Explain looks and takes nothing: it uses the lookup code that serves (dnsserver.Lookup, snapshot.Find, certs.Store) and
// reads the next turn of a picker without taking it. Send makes the request and prints the same lines from what the
// planes recorded of it. The road is read from the keeper of the list that the addresses come from, never from a mode.
//
// A request that gets no answer is explained too: the last lines say where it ends and why.
package explain
