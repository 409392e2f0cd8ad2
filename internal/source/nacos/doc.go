// Package nacos reads a registry that speaks Nacos' protocol in another process: a real Nacos, or our own. It holds one gRPC
// connection, a subscription for each service, and takes pushes as they come, the empty ones too.
//
//	source.go     Source and its configuration
//	session.go    one connection: what the server sends, which services there are
//	services.go   which services are subscribed to, what is known of them
package nacos
