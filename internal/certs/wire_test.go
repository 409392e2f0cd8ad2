package certs

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
)

// fragments is a connection that cuts each TLS record it writes into records of one byte of content (RFC 8446 section 5.1
// lets handshake messages be spread over records at will).
type fragments struct{ net.Conn }

func (f fragments) Write(p []byte) (int, error) {
	var out []byte
	for rest := p; len(rest) >= 5; {
		n := int(binary.BigEndian.Uint16(rest[3:5]))
		if rest[0] == 22 { // a handshake in clear text
			for _, b := range rest[5 : 5+n] {
				out = append(out, rest[0], rest[1], rest[2], 0, 1, b)
			}
		} else {
			out = append(out, rest[:5+n]...)
		}
		rest = rest[5+n:]
	}
	for len(out) > 0 { // and in segments of a few bytes
		n := min(len(out), 7)
		if _, err := f.Conn.Write(out[:n]); err != nil {
			return 0, err
		}
		out = out[n:]
	}
	return len(p), nil
}

// TestNameInRecordsOfOneByte: rules are those of the name in the whole ClientHello, however it is cut up.
func TestNameInRecordsOfOneByte(t *testing.T) {
	ca := newAuthority(t, "ca", nil)
	w := newWorld(t, []model.Certificate{ca.For("ingress", "a", "a.test"), ca.For("ingress", "closed", "closed.test")}, policy("p", ca, model.ClientRequired, "closed.test"))
	dial := func(name string) (*tls.Conn, error) {
		nc, err := net.DialTimeout("tcp", w.addr, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
		t.Cleanup(func() { nc.Close() })
		c := tls.Client(fragments{nc}, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err := c.Handshake(); err != nil {
			return nil, err
		}
		_, err = io.ReadFull(c, make([]byte, 2))
		return c, err
	}
	c, err := dial("a.test")
	if err != nil || c.ConnectionState().PeerCertificates[0].Subject.CommonName != "a" || (<-w.ended).Name != "a.test" {
		t.Errorf("%v", err)
	}
	if _, err := dial("closed.test"); err == nil || <-w.ended != nil {
		t.Errorf("a ClientHello in pieces gets round the client certificate: %v", err)
	}
}

// tap keeps what a client receives and has a door into the connection below TLS.
type tap struct {
	net.Conn
	received bytes.Buffer
}

func (c *tap) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received.Write(p[:n])
	return n, err
}

// TestRenegotiationIsRefused: a client that begins a second handshake inside TLS 1.2 is sent off. crypto/tls clients cannot
// do that, so the record is made by hand from the secrets of the connection.
func TestRenegotiationIsRefused(t *testing.T) {
	ca := newAuthority(t, "ca", nil)
	s := store(t)
	s.Set([]model.Certificate{ca.For("ingress", "a", "a.test")})
	term := s.Terminator(model.ListenerTLS{}, NewTickets(TicketConfig{}), nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ended := make(chan error, 1)
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			ended <- err
			return
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
		c, _, err := term.Handshake(nc)
		if err == nil {
			_, err = io.Copy(c, c)
		}
		ended <- err
	}()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	below := &tap{Conn: nc}
	var secrets bytes.Buffer
	c := tls.Client(below, &tls.Config{ServerName: "a.test", InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, KeyLogWriter: &secrets})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	// "CLIENT_RANDOM <random> <master secret>"; the server's random is in the ServerHello, the first record.
	fields := strings.Fields(secrets.String())
	clientRandom, _ := hex.DecodeString(fields[1])
	master, _ := hex.DecodeString(fields[2])
	serverRandom := below.received.Bytes()[5+4+2 : 5+4+2+32]
	block := prf(master, "key expansion", append(append([]byte{}, serverRandom...), clientRandom...), 2*16+2*4)
	aesBlock, err := aes.NewCipher(block[:16])
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(aesBlock)
	if err != nil {
		t.Fatal(err)
	}
	// seal makes a record of the client's; its Finished was number 0 (RFC 5288).
	seal := func(number uint64, kind byte, content []byte) []byte {
		explicit := binary.BigEndian.AppendUint64(nil, number)
		additional := append(append([]byte{}, explicit...), kind, 3, 3, byte(len(content)>>8), byte(len(content)))
		sealed := aead.Seal(nil, append(append([]byte{}, block[32:36]...), explicit...), content, additional)
		length := len(explicit) + len(sealed)
		return append(append([]byte{kind, 3, 3, byte(length >> 8), byte(length)}, explicit...), sealed...)
	}
	if _, err := nc.Write(seal(1, 23, []byte("in order"))); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 8)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "in order" {
		t.Fatalf("a record made by hand is not taken: %q, %v", got, err)
	}
	hello := append([]byte{3, 3}, make([]byte, 32)...)          // version, random
	hello = append(hello, 0, 0, 2, 0xc0, 0x2b, 1, 0)            // no session, one suite, no compression
	hello = append([]byte{1, 0, 0, byte(len(hello))}, hello...) // a ClientHello
	if _, err := nc.Write(seal(2, 22, hello)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(got); err == nil || !strings.Contains(err.Error(), "renegotiation") && !strings.Contains(err.Error(), "unexpected message") && err != io.EOF {
		t.Errorf("the client reads %v", err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "renegotiation") && !strings.Contains(err.Error(), "unexpected") {
		t.Errorf("the server ends with %v", err)
	}
}

// prf is the pseudorandom function of TLS 1.2 with SHA-256 (RFC 5246 section 5).
func prf(secret []byte, label string, seed []byte, length int) []byte {
	mac := func(parts ...[]byte) []byte {
		h := hmac.New(sha256.New, secret)
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	seed = append([]byte(label), seed...)
	var out []byte
	for a := mac(seed); len(out) < length; a = mac(a) {
		out = append(out, mac(a, seed)...)
	}
	return out[:length]
}
