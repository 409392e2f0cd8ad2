// Package dnsserver is the DNS plane: it answers with authority for the zones of the snapshot, over UDP and TCP, and for
// nothing else. It never asks another server.
//
// Lookup decides what a question gets, as a pure function of the snapshot; explain calls it too. respond turns a packet into a
// packet, without sockets. Server binds both to the sockets of the listeners with protocol DNS.
package dnsserver
