package httpproxy

import (
	"math/rand/v2"
	"strings"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// Names of our own fields.
const (
	fieldReason = "X-Paifang-Reason" // of an answer of ours: its code
	fieldNode   = "X-Paifang-Node"   // the node of the listener that took the request
)

// maxVia bounds the chain of gateways: longer ones are loops, or somebody plays.
const maxVia = 1 << 10

// loops tells whether this listener has sent the request on before, and otherwise adds it to the chain.
func (w *work) loops() bool {
	f := &w.x.Request.Fields
	own := w.site.via
	chain := ""
	for v := range f.Values(filter.FieldVia) {
		for list := v; list != ""; {
			var one string
			one, list, _ = strings.Cut(list, ",")
			if strings.Trim(one, " \t") == own {
				if loop := w.c.plane.cfg.Loop; loop != nil {
					loop(w.site.listener.ID, w.x.Request.Host, w.x.Request.Path)
				}
				return true
			}
		}
		chain = v
		if len(v) > maxVia {
			return true
		}
	}
	if chain != "" {
		own = w.x.Request.Mem.Join(chain, ", ", own)
	}
	f.Set(filter.FieldVia, own)
	return false
}

// newID returns 128 random bits. They need not be secret, only unlike.
func newID(mem *http1.Arena) string {
	const digits = "0123456789abcdef"
	var b [32]byte
	for i := 0; i < len(b); i += 16 {
		for j, n := 0, rand.Uint64(); j < 16; j++ {
			b[i+j] = digits[n&15]
			n >>= 4
		}
	}
	return mem.Join(bytesView(b[:]))
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}
