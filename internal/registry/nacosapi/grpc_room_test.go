package nacosapi

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"paifang/internal/nacoswire"
)

// hoard sends so many bytes on one connection, spread over messages none of which ends, and returns when the connection has ended.
func hoard(t *testing.T, at string, bytesOfAll int) {
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(15 * time.Second))
	f := http2.NewFramer(c, c)
	var head bytes.Buffer
	h := hpack.NewEncoder(&head)
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", nacoswire.FullRequestMethod}, {":authority", "registry"}, {"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		_ = h.WriteField(hpack.HeaderField{Name: field[0], Value: field[1], Sensitive: true}) // the same bytes each time
	}
	_, _ = io.WriteString(c, http2.ClientPreface)
	_ = f.WriteSettings()
	room := make([]int, maxStreams) // what may be sent
	begin := binary.BigEndian.AppendUint32([]byte{0}, maxMessage)
	for i := range room {
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: head.Bytes(), EndHeaders: true})
		_ = f.WriteData(uint32(2*i+1), false, begin)
		room[i] = maxMessage - 1
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, c) // whatever it says: it has said that the whole message may come by then
	}()
	part := make([]byte, frameMost)
	for sent, i := 0, 0; sent < bytesOfAll; i = (i + 1) % len(room) {
		n := min(room[i], len(part))
		if n == 0 || f.WriteData(uint32(2*i+1), false, part[:n]) != nil {
			break
		}
		room[i] -= n
		sent += n
	}
	<-ended
}

// What connections have on their way before anybody was let in on them is bounded, for each and for all. Who has little on its way is
// served meanwhile, and who is known sends what is large.
func TestRoomOfConnections(t *testing.T) {
	f := guarded(t)
	known := dial(t, f.grpc).setup()
	token := f.login(t, "ann", "ann's password")
	publish := func(c *client, content string) nacoswire.Response {
		t.Helper()
		p, err := nacoswire.NewPayload(nacoswire.TypeConfigPublish, nacoswire.ConfigPublishRequest{ConfigRef: nacoswire.ConfigRef{DataID: "a", Group: "g", Tenant: "test"}, Content: content})
		must(t, err)
		p.Headers = map[string]string{"accessToken": token}
		return answerOf[nacoswire.Response](c, nacoswire.TypeConfigPublishAnswer, c.call(p))
	}
	if a := publish(known, "1"); !a.Success {
		t.Fatal(a)
	}
	began := time.Now()
	hoard(t, f.grpc, maxStreams*maxMessage)
	if took := time.Since(began); took > placeFor {
		t.Errorf("a connection with more on its way than one may have lasted %v", took)
	}
	var work sync.WaitGroup
	for range maxPlaces + 4 {
		work.Go(func() { hoard(t, f.grpc, maxMessage) })
	}
	hoards := func() (held, most int) {
		f.conns.mu.Lock()
		defer f.conns.mu.Unlock()
		for _, c := range f.conns.open {
			c.room.mu.Lock()
			held, most = held+c.room.held, max(most, c.room.held)
			c.room.mu.Unlock()
		}
		return held, most
	}
	highest, one := 0, 0
	eventually(t, "all places are taken", func() bool {
		held, most := hoards()
		highest, one = max(highest, held), max(one, most)
		return len(f.conns.places) == maxPlaces && held > maxPlaces*maxMessage/2 // they keep them
	})
	if a := publish(known, strings.Repeat("a", 800<<10)); !a.Success {
		t.Errorf("who is known sends a large message: %+v", a)
	}
	began = time.Now()
	if a := publish(dial(t, f.grpc).setup(), "2"); !a.Success || time.Since(began) > formWait/2 {
		t.Errorf("who has little to send: %+v after %v", a, time.Since(began))
	}
	done := make(chan struct{})
	go func() { work.Wait(); close(done) }()
	for waits := true; waits; {
		held, most := hoards()
		highest, one = max(highest, held), max(one, most)
		select {
		case <-done:
			waits = false
		case <-time.After(time.Millisecond):
		}
	}
	const slack = 2 * frameMost // what one read brings
	if one > mostRoom+slack || highest > maxPlaces*(mostRoom+slack)+(maxPlaces+4)*(freeRoom+slack) {
		t.Errorf("at most %d bytes were held of one connection, %d of all", one, highest)
	}
	eventually(t, "all places are free", func() bool { return len(f.conns.places) == 0 })
	if a := publish(dial(t, f.grpc).setup(), strings.Repeat("b", 800<<10)); !a.Success {
		t.Errorf("a large message is the first: %+v", a)
	}
}

// What a client sends again and again is not taken for what it has on its way, whether it has a stream or not and whether it is known or not.
func TestRoomIsGivenBack(t *testing.T) {
	f := guarded(t)
	c := dial(t, f.grpc)
	room := func() (held int) {
		f.conns.mu.Lock()
		defer f.conns.mu.Unlock()
		for _, c := range f.conns.open {
			c.room.mu.Lock()
			held += c.room.held
			c.room.mu.Unlock()
		}
		return held
	}
	ask := func(n int) {
		t.Helper()
		for range n {
			var a nacoswire.Payload
			must(t, c.conn.Invoke(c.ctx, nacoswire.FullRequestMethod, &nacoswire.Payload{Type: nacoswire.TypeHealthCheck, Body: []byte(`{"requestId":"` + strings.Repeat("a", 1000) + `"}`)}, &a))
		}
	}
	ask(100)
	eventually(t, "nothing is on its way", func() bool { return room() < 100 })
	c.setup()
	before := room()
	ask(100)
	if after := room(); after > before+100*50 {
		t.Errorf("%d bytes are left of 100 requests of 1,000 bytes", after-before)
	}
}
