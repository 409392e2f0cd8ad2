// Package kubernetes reads Ingresses and what they name from a live API server and feeds the same translation as
// source/manifest. It follows each kind with one list and one watch, keeps what it knows while the server is away, and,
// as the one of several replicas that holds the Lease, writes addresses and Events back.
//
// Of client-go it takes the REST client, the reflector, which is what informers are made of, and the reader of kubeconfig
// files. It has no second cache: the store of the translation is the only one.
package kubernetes
