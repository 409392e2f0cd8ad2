// Package overload watches the memory of the process and says, step by step, what it must do without: idle connections
// first, then kept connections, then requests, then connections at all. Who serves asks; nobody is told.
//
// The collector of Go is asked to keep memory below the first step (debug.SetMemoryLimit), so what is above it is in use,
// and not garbage that was not looked at yet. Pace is about the opposite: a small heap that is collected too often, and stacks that would be given back too late.
package overload
