package http2

import (
	"bufio"
	"bytes"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Conn is one connection. Make it with Server or Client, have Run serve it, and call Check while Run runs.
type Conn struct {
	nc      net.Conn
	cfg     Config
	client  bool
	handle  func(*Stream) // of a server
	early   []byte        // read before this began
	reader  *bufio.Reader
	framer  *http2.Framer // reads without the lock, writes into out with it
	decoder *hpack.Decoder
	section section        // that the reading goroutine is at
	owned   sync.WaitGroup // handlers, and goroutines that write
	reads   atomic.Uint64  // that brought something
	tired   bool           // the reading goroutine's own: it rests before it reads further

	mu      sync.Mutex // over everything below, and the fields of streams that say so
	err     error      // why the connection is over
	ended   bool       // nothing is begun any more
	streams map[uint32]*Stream
	closed  closedStreams
	last    uint32    // highest number of a stream of the peer's (server), or of ours (client)
	slots   int       // streams in use: of a server its handlers, of a client those reserved or open
	over    int       // of a server's slots: streams that both sides have ended well, whose handlers have yet to return
	heads   int       // size of the request heads of a server's streams
	fresh   []*Stream // whose handlers begin once all that has arrived is read
	gone    []func()  // of streams that the peer ended: for the reading goroutine to call

	out     output
	encoder *hpack.Encoder
	encoded bytes.Buffer      // what encoder wrote
	names   map[string]string // to lower case

	peer   settings // the other side's
	window int64    // bytes of bodies that may be sent
	credit int      // bytes of bodies that may come
	owed   int      // bytes that were taken, and not given back to the peer yet

	began        time.Time
	idleSince    time.Time
	sectionSince time.Time // zero: no header section is half read
	leaving      stage
	farewell     Code // why the peer was told to go
	glitches     int
	resting      chan struct{} // closed to end a rest; nil: there is none
	updates      int           // window updates since the last frame with data
}

// Preface is what a client begins with (RFC 9113, section 3.4).
const Preface = http2.ClientPreface

// settings are those of the peer that matter here (RFC 9113, section 6.5.2).
type settings struct {
	known   bool // its first SETTINGS have come
	streams int
	window  int64
	frame   int
}

// Server returns a connection whose client has not said anything but early, which was read from nc already. handle is
// called for each request in a goroutine of its own; when it returns the stream is over.
func Server(nc net.Conn, early []byte, cfg Config, handle func(*Stream)) *Conn {
	c := newConn(nc, cfg, false)
	c.handle, c.early = handle, early
	c.write(c.framer.WriteSettings(
		http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: uint32(c.cfg.Streams)},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(c.cfg.StreamWindow)},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: uint32(c.cfg.HeaderList)},
		http2.Setting{ID: http2.SettingNoRFC7540Priorities, Val: 1},
	))
	c.widen()
	return c
}

// Client returns a connection whose server has not said anything.
func Client(nc net.Conn, cfg Config) *Conn {
	c := newConn(nc, cfg, true)
	c.out.waiting = append(c.out.waiting, http2.ClientPreface...)
	c.write(c.framer.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(c.cfg.StreamWindow)},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: uint32(c.cfg.HeaderList)},
	))
	c.widen()
	return c
}

func newConn(nc net.Conn, cfg Config, client bool) *Conn {
	cfg.setDefaults(client)
	now := time.Now()
	c := &Conn{
		nc: nc, cfg: cfg, client: client, streams: map[uint32]*Stream{}, names: map[string]string{}, began: now, idleSince: now,
		window: minWindow, credit: minWindow, peer: settings{streams: defaultStreams, window: minWindow, frame: frameSize},
	}
	c.out.rest.L = &c.mu
	c.reader = bufio.NewReaderSize(source{c}, readBuffer)
	c.framer = http2.NewFramer(&c.out, c.reader)
	c.framer.SetReuseFrames()
	c.framer.SetMaxReadFrameSize(frameSize)
	c.decoder = hpack.NewDecoder(tableSize, c.field)
	c.decoder.SetMaxStringLength(2 * cfg.HeaderList)
	c.encoder = hpack.NewEncoder(&c.encoded)
	return c
}

// widen gives the peer the window of the whole connection, which begins at a fixed size.
func (c *Conn) widen() {
	if more := c.cfg.ConnWindow - minWindow; more > 0 {
		c.credit += more
		c.write(c.framer.WriteWindowUpdate(0, uint32(more)))
	}
}

// Streams is the number of streams in use: on a server those whose handlers run, on a client those that NewStream gave
// and that are not closed.
func (c *Conn) Streams() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.slots
}

// closedStreams remembers numbers of streams that are closed: the last ones that ended well, and the last ones that this side
// has reset. What the peer sent of those before it knew is no fault.
type closedStreams struct {
	ended        [16]uint32
	reset        [256]uint32
	ends, resets int // ever
}

func (r *closedStreams) add(id uint32, reset bool) {
	if reset {
		r.reset[r.resets%len(r.reset)] = id
		r.resets++
	} else {
		r.ended[r.ends%len(r.ended)] = id
		r.ends++
	}
}

func (r *closedStreams) wasReset(id uint32) bool { return slices.Contains(r.reset[:], id) }

func (r *closedStreams) hasEnded(id uint32) bool { return slices.Contains(r.ended[:], id) }
