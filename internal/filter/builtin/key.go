package builtin

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"net/netip"
	"regexp"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// Key says by what a limit tells requests apart.
type Key struct {
	// By is address (the default: the client's, as the listener believes it), header, user (that an earlier filter has found the
	// client to be), text, or all, which counts every request together.
	By     string `json:"by,omitempty"`
	Header string `json:"header,omitempty"` // with header: its name
	Text   string `json:"text,omitempty"`   // with text: what is counted, made of parts of the request: "{query.user}"
	IPv6   int    `json:"ipv6,omitempty"`   // with address: so many bits of an IPv6 address are one client; default 64, as networks give whole ranges to one
	// Without is what becomes of a request that has no such header or user, or whose text is empty: address (the default) has its
	// address counted, pass lets it pass uncounted, refuse refuses it with WithoutStatus.
	Without       string `json:"without,omitempty"`
	WithoutStatus int    `json:"withoutStatus,omitempty"` // 400 to 599; default 403
	// Only is a regular expression that the whole of the header, user, text or address has to be: requests of which it is
	// something else pass uncounted. Empty = whatever it is.
	Only string `json:"only,omitempty"`
}

// The values of Key.By.
const (
	byAddress = "address"
	byHeader  = "header"
	byUser    = "user"
	byText    = "text"
	byAll     = "all"
)

// The values of Key.Without.
const (
	withoutAddress = "address"
	withoutPass    = "pass"
	withoutRefuse  = "refuse"
)

func (c Key) validate() error {
	switch c.By {
	case "", byAddress, byUser, byAll:
	case byHeader:
		if !http1.IsToken(c.Header) {
			return fmt.Errorf("key.header %q is no header name", c.Header)
		}
	case byText:
		if t, err := parseText(c.Text); err != nil || len(t) == 0 {
			return fmt.Errorf("key.text %q is no text of parts of a request: %w", c.Text, cmp.Or(err, errEmpty))
		}
	default:
		return fmt.Errorf("key.by %q is none of address, header, user, text, all", c.By)
	}
	switch {
	case c.Header != "" && c.By != byHeader:
		return fmt.Errorf("key.header is given, and key.by is not header")
	case c.Text != "" && c.By != byText:
		return fmt.Errorf("key.text is given, and key.by is not text")
	case c.Without != "" && c.Without != withoutAddress && c.Without != withoutPass && c.Without != withoutRefuse:
		return fmt.Errorf("key.without %q is none of address, pass, refuse", c.Without)
	case c.WithoutStatus != 0 && (c.Without != withoutRefuse || c.WithoutStatus < 400 || c.WithoutStatus > 599):
		return fmt.Errorf("key.withoutStatus is %d: want 400 to 599, with key.without: refuse", c.WithoutStatus)
	}
	if c.IPv6 < 0 || c.IPv6 > 128 {
		return fmt.Errorf("key.ipv6 is %d: want 1 to 128 bits", c.IPv6)
	}
	if c.Only != "" && c.By == byAll {
		return fmt.Errorf("key.only is given, and key.by is all")
	}
	_, err := wholes("key.only", []string{c.Only})
	return err
}

var errEmpty = errors.New("it is empty")

// key is who is counted: an address, or a digest of a text.
type key struct {
	kind byte
	id   [16]byte
}

// keyer finds the key of a request. The seeds keep clients from choosing texts with equal digests.
type keyer struct {
	Key
	made  text             // Key.Text
	only  []*regexp.Regexp // Key.Only; none = whatever
	seeds [2]maphash.Seed
}

func newKeyer(c Key) keyer {
	if c.IPv6 == 0 {
		c.IPv6 = 64
	}
	made, _ := parseText(c.Text) // validated with the configuration
	k := keyer{Key: c, made: made, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	if c.Only != "" {
		k.only, _ = wholes("key.only", []string{c.Only}) // validated, too
	}
	return k
}

// said is what the request says of whom to count; "" where that is for its address, or for nobody.
func (k *keyer) said(x *filter.Exchange) (kind byte, text string) {
	switch k.By {
	case byHeader:
		for v := range x.Request.Fields.Sent(k.Header) { // who names the field in Connection says nothing to who is behind
			return 2, v
		}
		return 2, ""
	case byUser:
		return 3, x.User
	case byText:
		return 4, k.made.of(x)
	}
	return 0, ""
}

// of returns the key of a request; ok is false where not even the client's address is known.
func (k *keyer) of(x *filter.Exchange) (id key, ok bool) {
	if k.By == byAll {
		return key{}, true
	}
	if kind, said := k.said(x); said != "" {
		return k.digest(kind, said), true
	}
	return k.address(x.Client)
}

// without decides about a request that is not to be counted, or does not say whom to count where its address is not to be: then over is
// true.
func (k *keyer) without(x *filter.Exchange) (v filter.Verdict, over bool) {
	if len(k.only) > 0 && !anyWhole(k.only, k.value(x)) {
		return filter.Continue, true
	}
	if k.Without != withoutPass && k.Without != withoutRefuse {
		return filter.Continue, false
	}
	switch kind, said := k.said(x); {
	case kind == 0 || said != "":
		return filter.Continue, false
	case k.Without == withoutPass:
		return filter.Continue, true
	}
	return x.Respond(cmp.Or(k.WithoutStatus, 403), CodeNoKey, "It is not known for whom this is.\n"), true
}

// value is what Only is about.
func (k *keyer) value(x *filter.Exchange) string {
	if kind, said := k.said(x); kind != 0 {
		return said
	}
	return x.Client.Unmap().String()
}

// text is what tells who is counted from everybody else, the same in all processes.
func (k *keyer) text(x *filter.Exchange) string {
	if k.By == byAll {
		return byAll
	}
	if _, said := k.said(x); said != "" {
		return k.By + " " + said
	}
	id, _ := k.address(x.Client)
	return byAddress + " " + netip.AddrFrom16(id.id).String()
}

func (k *keyer) address(a netip.Addr) (key, bool) {
	switch {
	case !a.IsValid():
		return key{}, false
	case a.Is6() && k.IPv6 < 128:
		if p, err := a.WithZone("").Prefix(k.IPv6); err == nil {
			a = p.Addr()
		}
	}
	return key{1, a.As16()}, true
}

func (k *keyer) digest(kind byte, text string) key {
	out := key{kind: kind}
	for i, seed := range k.seeds {
		h := maphash.String(seed, text)
		for j := range 8 {
			out.id[8*i+j] = byte(h >> (8 * j))
		}
	}
	return out
}
