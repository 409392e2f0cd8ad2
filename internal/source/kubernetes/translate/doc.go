// Package translate turns Kubernetes objects into model objects: Ingress, Service, EndpointSlice, Endpoints, Secret,
// ConfigMap, Deployment and Pod. It is a pure function over a store of objects: nothing here reads a file, a clock or a
// network, so a directory of YAML and a live API server go the same way.
//
// The Store keeps a reverse index from every fact (an object, a label) to the groups that were built from it.
// A change therefore costs what depends on it and not what exists. The groups are:
//
//	ingress/HOST/NS/NAME      the routes of an Ingress for one of its hosts, which is empty for any host
//	notes/Ingress/NS/NAME     what is to be said about an Ingress as a whole
//	tls/NS/NAME               the certificate in a Secret that an Ingress names
//	service/NS/NAME           an upstream per port
//	endpoints/NS/NAME         the addresses of a Service that do not come from workloads
//	workload/KIND/NS/NAME     what a Deployment or Pod runs
//	nodes/NAME               the addresses of the Nodes that a NodeList selects
//	installation/PART        what an installation of ingress-nginx as a whole was told
//	own/KIND/NAME             one of our own documents
package translate
