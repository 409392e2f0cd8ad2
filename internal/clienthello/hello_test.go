package clienthello

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"time"
)

// recorded is the ClientHello of this Go's own client.
func recorded(t testing.TB, cfg *tls.Config) []byte {
	t.Helper()
	cfg.InsecureSkipVerify = true
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tls.Client(near, cfg).Handshake() // it ends when far closes
	}()
	defer func() { <-done }()
	defer far.Close()
	_ = far.SetDeadline(time.Now().Add(5 * time.Second))
	r := &Reader{}
	for {
		n, err := far.Read(r.Room())
		if err != nil {
			t.Fatal(err)
		}
		whole, err := r.Take(n)
		if err != nil {
			t.Fatal(err)
		}
		if whole {
			return bytes.Clone(r.Bytes())
		}
	}
}

// cut makes records of n bytes of a message that came in records.
func cut(raw []byte, n int) []byte {
	var message, out []byte
	for len(raw) > 0 {
		size := int(binary.BigEndian.Uint16(raw[3:]))
		message = append(message, raw[recordHeader:recordHeader+size]...)
		raw = raw[recordHeader+size:]
	}
	for len(message) > 0 {
		part := min(n, len(message))
		out = append(out, handshakeType, 3, 1, byte(part>>8), byte(part))
		out = append(out, message[:part]...)
		message = message[part:]
	}
	return out
}

// feed gives a Reader the bytes in segments of n.
func feed(raw []byte, n int) (r *Reader, whole bool, err error) {
	r = &Reader{}
	for len(raw) > 0 && !whole && err == nil {
		k := copy(r.Room(), raw[:min(n, len(raw))])
		raw = raw[k:]
		whole, err = r.Take(k)
	}
	return r, whole, err
}

func TestServerName(t *testing.T) {
	long := make([]string, 400) // an ALPN list that makes the message longer than a segment, and than a record
	for i := range long {
		long[i] = "protocol-with-a-name-of-some-length-" + string(rune('a'+i%26)) + string(rune('a'+i/26))
	}
	for _, c := range []struct {
		name string
		cfg  *tls.Config
		want string
	}{
		{"plain", &tls.Config{ServerName: "pay.shop.test"}, "pay.shop.test"},
		{"upper case and a dot", &tls.Config{ServerName: "Pay.Shop.Test."}, "pay.shop.test"},
		{"TLS 1.2", &tls.Config{ServerName: "pay.shop.test", MaxVersion: tls.VersionTLS12}, "pay.shop.test"},
		{"post-quantum key share", &tls.Config{ServerName: "pay.shop.test", CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}, "pay.shop.test"},
		{"more than a record", &tls.Config{ServerName: "pay.shop.test", NextProtos: long}, "pay.shop.test"},
		{"none", &tls.Config{}, ""},
		{"an address", &tls.Config{ServerName: "127.0.0.1"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := recorded(t, c.cfg)
			for _, record := range []int{1, 7, 1000, 16 << 10} {
				for _, segment := range []int{1, 5, 1460, 1 << 20} {
					r, whole, err := feed(cut(raw, record), segment)
					if record == 1 && len(raw) > 20<<10 {
						continue // its headers are more than is read
					}
					if err != nil || !whole {
						t.Fatalf("records of %d, segments of %d: whole %v, %v", record, segment, whole, err)
					}
					name, err := r.ServerName()
					if name != c.want || err != nil {
						t.Errorf("records of %d, segments of %d: %q, %v, want %q", record, segment, name, err, c.want)
					}
					if !bytes.HasPrefix(cut(raw, record), r.Bytes()) || len(r.Bytes()) != len(cut(raw, record)) {
						t.Errorf("records of %d, segments of %d: the bytes are not those that came", record, segment)
					}
				}
			}
		})
	}
	if n := len(recorded(t, &tls.Config{ServerName: "pay.shop.test", CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}})); n < 1400 {
		t.Errorf("the ClientHello with a post-quantum key share has %d bytes: it shows nothing of long ones", n)
	}
}

// TestEncrypted: what is encrypted is not seen. The name in clear text is that of who decrypts it (RFC 9849 section 6.1).
func TestEncrypted(t *testing.T) {
	raw := recorded(t, &tls.Config{ServerName: "secret.shop.test", EncryptedClientHelloConfigList: configList("front.test"), MinVersion: tls.VersionTLS13})
	r, whole, err := feed(raw, 100)
	if err != nil || !whole {
		t.Fatal(whole, err)
	}
	if name, err := r.ServerName(); name != "front.test" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
}

// configList is an ECHConfigList with one config of version 0xfe0d: X25519 with HKDF-SHA256 and AES-128-GCM.
func configList(public string) []byte {
	key := append([]byte{9}, make([]byte, 31)...) // the base point of X25519
	contents := []byte{1, 0, 0x20, 0, byte(len(key))}
	contents = append(contents, key...)
	contents = append(contents, 0, 4, 0, 1, 0, 1, 32, byte(len(public)))
	contents = append(contents, public...)
	contents = append(contents, 0, 0)
	config := append([]byte{0xfe, 0x0d, 0, byte(len(contents))}, contents...)
	return append([]byte{0, byte(len(config))}, config...)
}

func TestNoHello(t *testing.T) {
	good := recorded(t, &tls.Config{ServerName: "pay.shop.test"})
	changed := func(at int, to ...byte) []byte {
		out := bytes.Clone(good)
		copy(out[at:], to)
		return out
	}
	for _, c := range []struct {
		name string
		raw  []byte
		want error
	}{
		{"HTTP", []byte("GET / HTTP/1.1\r\n"), errNotTLS},
		{"SSLv2", []byte{0x80, 0x2e, 1, 0, 2}, errNotTLS},
		{"a record of version 2", changed(1, 2), errNotTLS},
		{"another message", changed(5, 2), errNotTLS},
		{"an empty record", []byte{22, 3, 1, 0, 0}, errMalformed},
		{"a record that is too long", []byte{22, 3, 1, 0x40, 1}, errMalformed},
		{"a message that is too long", changed(6, 1, 0, 1), errTooLong},
		{"records without end", bytes.Repeat([]byte{22, 3, 1, 0, 1, 1}, maxBytes/6+2), errTooLong},
	} {
		if _, whole, err := feed(c.raw, 1<<10); whole || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.name, whole, err, c.want)
		}
	}
	if _, whole, err := feed(good[:len(good)-1], 1<<10); whole || err != nil {
		t.Errorf("all but a byte: %v, %v", whole, err)
	}
	r, _, _ := feed(changed(5+4+2+32, 255), 1<<20) // a session ID that is longer than the message has room for, or moves all
	if name, err := r.ServerName(); err == nil {
		t.Errorf("a malformed message has the name %q", name)
	}
}

func FuzzServerName(f *testing.F) {
	for _, cfg := range []*tls.Config{{ServerName: "pay.shop.test"}, {}, {ServerName: "a.test", MaxVersion: tls.VersionTLS12}} {
		raw := recorded(f, cfg)
		f.Add(raw, 7)
		f.Add(cut(raw, 9), 100)
	}
	f.Fuzz(func(t *testing.T, raw []byte, segment int) {
		segment = max(1, segment%4096)
		r, whole, err := feed(raw, segment)
		if len(r.Bytes()) > maxBytes+4096 || !bytes.HasPrefix(raw, r.Bytes()) {
			t.Fatalf("%d bytes are kept", len(r.Bytes()))
		}
		if !whole || err != nil {
			return
		}
		name, err := r.ServerName()
		if err != nil && name != "" {
			t.Errorf("%q with %v", name, err)
		}
		if all, is, _ := feed(raw, 1<<20); is { // how it is cut does not matter
			if other, _ := all.ServerName(); other != name {
				t.Errorf("%q in segments of %d, %q in one", name, segment, other)
			}
		}
	})
}
