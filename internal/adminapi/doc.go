// Package adminapi is the read model of a process and the actions on it, over HTTP on a loopback address, for the command
// line, the console and for those who gather several processes.
//
// A View is everything that can be listed, as plain rows; a Reader makes one. Local makes it from the parts of this process,
// Client from the API of another one, Merged from several Readers. Server offers a Reader at /api/v1, beside /healthz,
// /readyz and /metrics. The rows are the JSON: their field names are a contract with scripts.
//
// Nothing here shows a secret, and nothing but stop, start, a sent explain and the reopening of the access log has an effect.
package adminapi
