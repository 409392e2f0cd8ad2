// Package registry keeps who serves what: namespaces, groups, services and their instances, as Nacos means these
// words. It knows no wire format; registry/nacosapi speaks to clients and renders what is kept here.
//
// An instance lives as long as somebody vouches for it: heartbeats (Register, Beat) or a connection (Connect,
// Connection.Publish). What a service looks like at one moment is a View, immutable and with a revision that grows
// with every change in the registry. A Watcher is woken when a view it watches has changed and asks for the newest one,
// so that a slow reader costs no memory and misses only what no longer holds.
//
// All state stands behind one mutex, which nobody holds while the storage is asked. What has to outlive the process is written to
// a storage.Store first and gets into the views by following it: persistent instances, settings of services, updates by API.
// Ephemeral instances are saved there now and then, and are back after a restart, in doubt until their clients are heard of.
// Where several processes share a storage (storage.Shared), each writes the ephemeral instances of its own clients there instead. One
// goroutine waits for leases to run out, one follows the storage, one saves, one writes for the others, one writes how persistent
// instances are.
//
//	registry.go    Registry, options, what was asked last
//	key.go         names of services and their rules
//	instance.go    instances, their rules, leases by metadata
//	address.go     which addresses an instance may have
//	service.go     one service: publications, view
//	heartbeat.go   instances kept by heartbeats
//	connection.go  instances kept by a connection
//	expiry.go      leases running out
//	patch.go       updates by API, laid over what clients say
//	settings.go    what is set of a service, kinds of services, the protect threshold
//	fixed.go       persistent instances
//	health.go      how they are, asked by one of several processes
//	record.go      what is stored, and under which keys
//	news.go        what the storage tells
//	saved.go       ephemeral instances over a restart
//	shared.go      instances of several processes on one storage
//	process.go     where those processes are
//	refs.go        lastRefTime over a restart and across processes
//	watch.go       watchers
//	handle.go      a registry that is stopped and started
//	source.go      the registry as a source of endpoint sets
package registry
