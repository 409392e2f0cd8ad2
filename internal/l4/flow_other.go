//go:build !unix

package l4

// flowReader reads answers; here it holds a buffer of its own while it waits.
type flowReader struct {
	flow *flow
	buf  []byte
}

func (f *flow) reader() *flowReader { return &flowReader{f, make([]byte, mostDatagram)} }

// next waits for an answer and sends it to the client.
func (r *flowReader) next() error {
	n, err := r.flow.up.Read(r.buf)
	if err == nil {
		r.flow.back(r.buf[:n])
	}
	return err
}
