// Package counter counts what every request counts: in shards, so that processors do not wait for each other's cache
// lines, without locks and without allocating. Who counts brings the number of a shard along, one that it keeps while it
// runs; reading adds the shards up.
//
// A reading is not a moment: what is counted meanwhile is in some of its numbers and not yet in others. Every number
// only grows.
package counter
