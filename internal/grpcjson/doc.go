// Package grpcjson turns JSON into the request of a unary gRPC method, and its answer into JSON, by descriptors that are given as
// bytes: the methods are not known to the program.
package grpcjson
