// Package nacoswire is what Nacos clients and servers say to each other, and nothing about what they do with it: the
// JSON of instances, services, requests and responses, the query form of HTTP v1, and the gRPC message Payload that
// carries the JSON. The server (registry/nacosapi) and the client (source/nacos) share it.
//
// The protocol has no specification of its own; the facts are those of the Nacos sources (alibaba/nacos, api/src/main,
// versions 2.0 to 3.1) and of the official Go client.
//
//	names.go     groups, default names, instance IDs
//	instance.go  Instance, ServiceInfo
//	form.go      the same instance as query parameters of HTTP v1; heartbeats
//	message.go   requests and responses of the naming part of gRPC
//	payload.go   the protobuf message Payload
//	scan.go      JSON of the usual form, read without reflection; scanned.go: the messages that read themselves so
//	codec.go     gRPC codec, names of services and methods
package nacoswire
