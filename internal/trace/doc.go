// Package trace tells a collector of OpenTelemetry about requests, a span for each. It reads and writes the headers of W3C
// Trace Context, decides which traces are sampled, and sends what was sampled by OTLP: from a bounded queue, in batches, in a
// goroutine of its own, so that a collector that is slow or away costs spans and never time of a request.
//
// The messages are those of OpenTelemetry's own module of protobufs, and nothing else of it: its SDK would bring another model
// of spans, a second queue whose losses cannot be counted, and eight modules more.
package trace
