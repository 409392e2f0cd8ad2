// Package nacosapi serves a registry to Nacos clients: HTTP v1 on one port, gRPC on the port 1000 above it. It keeps no
// copy of what is registered; every answer and every push renders a view of the registry at the moment it is sent.
//
// One file for each version of the protocol and subject:
//
//	server.go              configuration, start, end
//	render.go              views as payloads
//	http.go                what all HTTP calls share: parameters, limits, errors
//	http_v1_instance.go    /v1/ns/instance
//	http_v1_service.go     /v1/ns/service
//	http_v1_operator.go    /v1/ns/operator, /v1/console, /v1/auth
//	grpc.go                the gRPC server, its connections
//	grpc_request.go        unary requests
//	grpc_stream.go         the stream of a connection: setup, what is read
//	grpc_writer.go         and what is written: messages that are due, questions for a sign of life
//	grpc_delivery.go       messages that are acknowledged, merged and sent again
//	grpc_push.go           subscriptions
//	grpc_fuzzy.go          which services there are, to those who watch a pattern
//	udp.go                 subscriptions of HTTP v1
//
// Authentication is not there yet: whoever reaches the ports may register what registry.AddressRule allows. Logins answer as a
// Nacos server does whose authentication is switched off.
package nacosapi
