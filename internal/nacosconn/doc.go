// Package nacosconn is one connection to a server that speaks Nacos' gRPC, as a client has it: logging in, the handshake, requests,
// and what the server sends by itself. It knows no services and no configurations.
//
//	conn.go   Dial, Conn, Call
//	login.go  tokens
package nacosconn
