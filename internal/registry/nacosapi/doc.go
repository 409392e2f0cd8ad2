// Package nacosapi serves a registry to Nacos clients: HTTP v1, v2 and v3 on one port, gRPC on the port 1000 above it. It keeps no
// copy of what is registered; every answer and every push renders a view of the registry at the moment it is sent.
//
// One file for each version of the protocol and subject:
//
//	server.go              configuration, start, end
//	render.go              views as payloads
//	access.go              who asks, and what they may do
//	fault.go               errors as HTTP and gRPC tell them
//	http.go                what all HTTP calls share: parameters, limits, answers
//	http_v1_instance.go    /v1/ns/instance
//	http_v1_service.go     /v1/ns/service; http_service.go changes services, for all versions
//	http_v1_operator.go    /v1/ns/operator, /v1/console, logins
//	http_v1_config.go      /v1/cs, with the long poll; http_search.go finds configurations and
//	                       http_history.go has their versions, for all
//	http_v2.go, http_v3.go the same in their forms
//	http_v1_catalog.go     lists of services with their instances
//	http_client.go         who is connected and what it published; http_subscriber.go: who is told of what
//	http_listener.go       who listens to which configuration
//	http_operation.go      counts, switches, health, servers
//	http_namespace.go      namespaces since v2
//	http_user.go           users, roles and permissions
//	http_page.go           pages in browsers that come by another name
//	http_unserved.go       what Nacos has and this has not, and what nobody has
//	udp.go                 subscriptions of HTTP v1
//	grpc.go                the gRPC server, its connections
//	grpc_request.go        unary requests
//	grpc_config.go         those about configurations
//	grpc_room.go           what connections may have on their way before it is known whose they are
//	grpc_stream.go         the stream of a connection: setup, what is read
//	grpc_writer.go         and what is written: messages that are due, questions for a sign of life
//	grpc_delivery.go       messages that are acknowledged, merged and sent again
//	grpc_push.go           subscriptions
//	grpc_fuzzy.go          what there is, to those who watch a pattern; grpc_fuzzy_kind.go: services, configurations
//
// With authentication, every call and request is asked for its need in its namespace before anything is done. Without it,
// whoever reaches the ports, but for foreign pages in a browser, may register what registry.AddressRule allows, and logins
// answer as a Nacos server does whose authentication is switched off.
package nacosapi
