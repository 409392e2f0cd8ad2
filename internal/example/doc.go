// Package example is the application order, which `paifang up` runs as the pods of its built-in example. It is one
// program on both roads: Kubernetes knows its pods as order-service, by their labels; the registry knows them as
// nacos-order-service, for they register themselves. It answers with what it knows of itself and of the request, so
// that one sees which way a request took.
package example
