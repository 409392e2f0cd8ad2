// Package telemetry is what a process tells about the traffic it carries. Today it is the access log: a line of JSON
// for each request, written so that a slow disk never holds up a request.
package telemetry
