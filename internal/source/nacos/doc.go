// Package nacos is our client of a registry that speaks Nacos' protocol in another process: a real Nacos, or our own.
//
// Source reads: one gRPC connection, a subscription for each service, pushes taken as they come, the empty ones too.
// Registrar writes: one instance by HTTP v1, kept alive by heartbeats; the gateway and the example's pods use it.
//
//	source.go     Source and its configuration
//	session.go    one connection: what the server sends, which services there are
//	services.go   which services are subscribed to, what is known of them
//	registrar.go  Registrar
package nacos
