// Package telemetry is what a process tells about the traffic it carries. It is the access log: a line for each
// request, as JSON or as nginx and Apache write it, written so that a slow disk never holds up a request, that nothing a
// client sends can look like another line, and that no secret in an address is kept.
package telemetry
