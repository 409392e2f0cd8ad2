// Package socket is what the planes do with TCP sockets whose readiness the caller waits for by itself, inside RawConn.Read:
// it reads, and tells with the bytes whether another read would find something; it writes what goes; and it moves bytes from
// one socket to another.
//
// Where the system says so (Linux: TCP_INQ, tcp(7)), the read that finds nothing is saved, and an end that came together
// with the last bytes is found at once: no further event will tell of it. Elsewhere more is always true, and that read is
// made. On systems without such sockets there is a Mover only.
package socket
