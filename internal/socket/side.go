package socket

import (
	"net"
	"syscall"
)

// Side is a connection that bytes are moved from or to. Raw is that of TCP.
type Side struct {
	TCP *net.TCPConn
	Raw syscall.RawConn
}
