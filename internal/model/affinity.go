package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Affinity keeps a client at one endpoint by a cookie of our own. Its value tells nothing about the endpoint's address.
type Affinity struct {
	Mode AffinityMode `json:"mode,omitempty"`
	// Cookie is its name. The default is made from the ID of the upstream, so that two on one host do not disturb each
	// other.
	Cookie string `json:"cookie,omitempty"`
	// PerService has the name end with what stands for the service, the first list of the upstream: then one name can be given to all
	// services, and a client that asks two is bound in both. All upstreams of a service understand each other's cookies.
	PerService bool `json:"perService,omitempty"`

	Path     string        `json:"path,omitempty"`     // default /
	Domain   string        `json:"domain,omitempty"`   // default: the host that was asked, alone
	MaxAge   time.Duration `json:"maxAge,omitempty"`   // in whole seconds; default: until the browser is closed
	Expires  time.Duration `json:"expires,omitempty"`  // the same as MaxAge, as a date, for clients that do not know that
	SameSite string        `json:"sameSite,omitempty"` // Lax, Strict, None, or SameSiteOmit for none of them; default Lax
	Secure   string        `json:"secure,omitempty"`   // Always or Never; default: where the client came over TLS
	// RoutePath makes Path the path that the route matches, where that is a text and no expression.
	RoutePath bool `json:"routePath,omitempty"`
	Scripts   bool `json:"scripts,omitempty"` // scripts may read it: no HttpOnly
	// Move has a client whose endpoint failed bound to the one that answered in its place. Without it the client goes back
	// once its endpoint is up again. One whose endpoint is gone is bound anew in any case.
	Move bool `json:"move,omitempty"`
}

// SameSiteOmit, as Affinity.SameSite, leaves it to browsers: the cookie says nothing.
const SameSiteOmit = "Omit"

// AffinityMode is what the cookie stands for.
type AffinityMode string

// The modes.
const (
	NoAffinity AffinityMode = ""
	// Persistent: the cookie names an endpoint, and the client stays there for as long as it is ready. New clients are
	// balanced.
	Persistent AffinityMode = "Persistent"
	// Balanced: the cookie holds a random key that is hashed consistently, so that when endpoints come, some clients move to
	// them.
	Balanced AffinityMode = "Balanced"
)

func (a Affinity) validate() error {
	switch a.Mode {
	case NoAffinity:
		if a != (Affinity{}) {
			return fieldError("affinity.mode", "is missing: Persistent or Balanced")
		}
		return nil
	case Persistent, Balanced:
	default:
		return fieldError("affinity.mode", fmt.Sprintf("%q is none of Persistent, Balanced", a.Mode))
	}
	switch {
	case strings.ContainsFunc(a.Cookie, notToken):
		return fieldError("affinity.cookie", fmt.Sprintf("%q is no name of a cookie (RFC 6265, 4.1.1)", a.Cookie))
	case a.PerService && (a.Cookie == "" || a.Mode != Persistent):
		return fieldError("affinity.perService", "belongs to a cookie that is named, in mode Persistent")
	case a.Path != "" && a.Path[0] != '/' || strings.ContainsFunc(a.Path, notAttribute):
		return fieldError("affinity.path", fmt.Sprintf("%q is no path", a.Path))
	case strings.ContainsFunc(a.Domain, notAttribute):
		return fieldError("affinity.domain", fmt.Sprintf("%q is no domain", a.Domain))
	case a.MaxAge < 0:
		return fieldError("affinity.maxAge", "is negative")
	case a.Expires < 0:
		return fieldError("affinity.expires", "is negative")
	case a.RoutePath && a.Path != "":
		return fieldError("affinity.routePath", "is set, and path too")
	case a.SameSite != "" && a.SameSite != "Lax" && a.SameSite != "Strict" && a.SameSite != "None" && a.SameSite != SameSiteOmit:
		return fieldError("affinity.sameSite", fmt.Sprintf("%q is none of Lax, Strict, None, Omit", a.SameSite))
	case a.Secure != "" && a.Secure != "Always" && a.Secure != "Never":
		return fieldError("affinity.secure", fmt.Sprintf("%q is none of Always, Never; leave it out for where the client came over TLS", a.Secure))
	}
	return nil
}

// AffinityCookie is the name of the cookie that keeps clients at endpoints of the upstream; empty where none does.
func (u *Upstream) AffinityCookie() string {
	switch a := u.Affinity; {
	case a.Mode == NoAffinity:
		return ""
	case a.Cookie == "":
		return "paifang-" + u.ID.Tag()
	case a.PerService && len(u.Endpoints) > 0:
		return a.Cookie + "-" + tag(u.Endpoints[0].String())
	default:
		return a.Cookie
	}
}

// Tag is a short hash that tells upstreams apart in cookies.
func (id UpstreamID) Tag() string { return tag(string(id)) }

func tag(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}

// notToken tells the runes that no token has (RFC 9110, 5.6.2).
func notToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

// notAttribute tells the runes that would end an attribute of a cookie.
func notAttribute(r rune) bool { return r < ' ' || r >= 0x7f || r == ';' }
