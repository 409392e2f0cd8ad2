// Package podrun runs the workloads of a snapshot as processes of this machine. Each pod has a node, an address of
// that node's range, probes with the semantics of Kubernetes and a life of its own, so that what a cluster does with a
// Deployment can be seen without one. It is for development: nothing is isolated.
//
// It is a plane, which takes the workloads of each generation, and a source, which tells the addresses of their pods.
//
//	plane.go      the generation that is wanted
//	runner.go     the owner: what is wanted against what is there
//	rollout.go    the decision: how many pods to add, which ones to end (pure)
//	pod.go        the life of one pod; launch.go, restart.go its parts
//	program.go    what a container runs; words.go splits a command line
//	process.go    start, signal and end of a process, by system in process_*.go
//	probe.go      httpGet, tcpSocket and exec probes
//	portmap.go    podIP:containerPort to a port on 127.0.0.1
//	address.go    which address, and which free port
//	feed.go       the source
//	actions.go    stop, start and kill by hand
//	leftovers.go  processes that a killed predecessor left behind
package podrun
