// Package bridge offers lists of addresses that Kubernetes keeps as services of a registry, so that who looks there finds pods
// that know of no registry. What is offered is said by the upstreams of the snapshot (model.Upstream.Offer), and the addresses
// are those of the upstream table: the same for a cluster, for files, and for pods that run as processes.
//
// Instances are marked with who offered them (model.TagFrom). They live as long as the bridge is connected and are no clients of
// their own: a registry shows what registered itself in their place, and the lists that are offered never have addresses of a
// registry, so nothing goes round in a circle.
package bridge
