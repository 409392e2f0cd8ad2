// Package bed brings up a real Kubernetes for tests, in seconds, on one Linux machine and without internet: etcd, API
// server, controllers, scheduler, and two nodes in network namespaces of their own with kubelet, kube-proxy, containerd
// and runc.
//
// All of it lives in namespaces of the test process: process ids, mounts and network. Ending the process with SIGKILL
// ends everything, and what was written to /run, /var/lib and to the bed's directory was memory that goes with the
// mounts. The machine's sysctls are not reached (see mask). What is left are empty control groups, which Enter removes.
//
// The network as tests see it: the test process is at 10.99.0.1, where the API server listens; the nodes n1 and n2 are at
// 10.99.0.11 and 10.99.0.12, a machine for balancers at 10.99.0.20; pods are in 10.244.1.0/24 and 10.244.2.0/24, Services in 10.96.0.0/16. Addresses of pods
// and NodePorts are reached from the test process, cluster addresses from the nodes (Cluster.On).
package bed
