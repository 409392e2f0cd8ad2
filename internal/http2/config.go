package http2

import "time"

// Config bounds a connection. Every zero field has a default.
type Config struct {
	// Streams is how many streams a client may have open at one time. On a server a stream counts until its handler has
	// returned, also when it was reset before; up to as many again may be over for both sides while their handlers return. On a
	// client it bounds what the server allows. Default 100.
	Streams int
	// StreamWindow bounds the bytes of one stream's body that wait to be taken. Default 64 KiB; at least 65,535, which is
	// what a peer may send before it knows.
	StreamWindow int
	// ConnWindow is the same for all streams of a connection together. Default 1 MiB on a server. On a client it is
	// Streams times StreamWindow, so that no stream that is not read holds up another one. On a server it also bounds the
	// request heads of all open streams together, as HeaderList counts.
	ConnWindow int
	// HeaderList bounds one header section, decoded: its names, its values, and 32 bytes for each field (RFC 9113, section
	// 6.5.2). Default 64 KiB.
	HeaderList int
	// Glitches bounds what is allowed but only costs: pings, settings, priorities, empty frames, window updates for
	// nothing, streams that are reset right after they were opened, and whatever makes this side reset one. Each counts one,
	// and each frame that carries something takes one back. From a quarter of the bound on a server rests with each further
	// eighth, see Timeouts.Rest. At three quarters the connection is asked to go, at the bound it is closed. Default 1,000.
	Glitches int
	// Sections is where header sections of several frames wait until they are whole, shared by connections. Default: each fragment
	// is decoded as it comes.
	Sections *Sections

	Timeouts Timeouts
}

// Timeouts bound the waits of a connection; those of streams are up to who uses them. A zero field has a default.
type Timeouts struct {
	Preface time.Duration // from the start to the peer's first SETTINGS; default 10 s
	Head    time.Duration // from the first to the last frame of a header section; default 10 s
	Idle    time.Duration // without a stream; default 75 s
	Write   time.Duration // until the peer takes what was written; default 60 s
	Rest    time.Duration // in which a server does not read from a client whose frames only cost; default 150 ms
	Linger  time.Duration // for the peer to read why its connection ends, and to close it; default 1 s
}

const (
	minWindow      = 65_535    // what every connection and stream begins with (RFC 9113, section 6.9.2)
	maxWindow      = 1<<31 - 1 // RFC 9113, section 6.9.1
	frameSize      = 16 << 10  // of the frames that are read and written: the least a peer must take, and enough
	outLimit       = 64 << 10  // bytes that may wait to be written before streams wait too
	flushAt        = 32 << 10  // bytes that are written without being asked to
	ackLimit       = 32 << 10  // bytes of answers to control frames that a peer may leave unread
	readBuffer     = 4 << 10   // of a connection; larger frames are read past it
	tableSize      = 4 << 10   // of the header compression, each way
	defaultStreams = 100       // that a server is taken to allow before it says so
	maxSections    = 32        // frames of one header section
	maxHeads       = 32        // heads of one answer: interim ones, however soon they are taken, and the final one
	maxUpdates     = 10        // window updates for each frame with data
	prematurely    = 100 * time.Millisecond
	lingerBytes    = 256 << 10
	writerRounds   = 4 // writes that somebody makes for others before a goroutine takes over
)

func (c *Config) setDefaults(client bool) {
	setDefault(&c.Streams, 100)
	setDefault(&c.StreamWindow, 64<<10)
	c.StreamWindow = min(max(c.StreamWindow, minWindow), maxWindow)
	if client {
		setDefault(&c.ConnWindow, min(c.Streams*c.StreamWindow, maxWindow))
	}
	setDefault(&c.ConnWindow, 1<<20)
	c.ConnWindow = min(max(c.ConnWindow, minWindow), maxWindow)
	setDefault(&c.HeaderList, 64<<10)
	setDefault(&c.Glitches, 1000)
	setDefault(&c.Timeouts.Preface, 10*time.Second)
	setDefault(&c.Timeouts.Head, 10*time.Second)
	setDefault(&c.Timeouts.Idle, 75*time.Second)
	setDefault(&c.Timeouts.Write, time.Minute)
	setDefault(&c.Timeouts.Rest, 150*time.Millisecond)
	setDefault(&c.Timeouts.Linger, time.Second)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
