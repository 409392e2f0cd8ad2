package annotation

import (
	"fmt"
	"strings"
)

// Risk is how much harm a bad value of an annotation could do under ingress-nginx, where values become text of nginx.
type Risk int

// The risks. The zero value stands for none that is known, and as a bound for no bound.
const (
	LowRisk Risk = iota + 1
	MediumRisk
	HighRisk
	CriticalRisk
)

// RiskOf reads the name of a risk, whatever its case; ok is false where it is none.
func RiskOf(name string) (r Risk, ok bool) {
	for r := LowRisk; r <= CriticalRisk; r++ {
		if strings.EqualFold(name, r.String()) {
			return r, true
		}
	}
	return 0, false
}

// String is the name that ingress-nginx has for a risk.
func (r Risk) String() string {
	switch r {
	case LowRisk:
		return "Low"
	case MediumRisk:
		return "Medium"
	case HighRisk:
		return "High"
	case CriticalRisk:
		return "Critical"
	}
	return ""
}

// Guard is which annotations nobody may use.
type Guard struct {
	MostRisk Risk     // that an annotation may have; 0 = any
	Words    []string // that no value may contain
}

// refusal says why an annotation may not be used; "" = it may.
func (g *Guard) refusal(a *Annotation, text string) string {
	if a != nil && g.MostRisk > 0 {
		if r := a.Risk(); r > g.MostRisk {
			return fmt.Sprintf("its risk is %s, and annotations-risk-level allows %s", r, g.MostRisk)
		}
	}
	for _, w := range g.Words {
		if strings.Contains(text, w) {
			return fmt.Sprintf("its value has %q, which annotation-value-word-blocklist forbids", w)
		}
	}
	return ""
}

// risky are the annotations of each risk above Low, as ingress-nginx 1.15 has them.
func risky(r Risk) string {
	switch r {
	case CriticalRisk:
		return "auth-snippet configuration-snippet modsecurity-snippet server-snippet stream-snippet"
	case HighRisk:
		return "auth-signin auth-tls-error-page auth-tls-match-cn auth-url mirror-host mirror-target modsecurity-transaction-id proxy-ssl-name server-alias upstream-hash-by"
	case MediumRisk:
		return "affinity-mode allowlist-source-range app-root auth-cache-duration auth-cache-key auth-proxy-set-headers auth-realm auth-request-redirect " +
			"auth-response-headers auth-secret auth-signin-redirect-param auth-tls-secret auth-tls-verify-client canary-by-cookie canary-by-header canary-by-header-pattern " +
			"canary-by-header-value cors-allow-headers cors-allow-methods cors-allow-origin cors-expose-headers custom-headers denylist-source-range fastcgi-index " +
			"fastcgi-params-configmap force-ssl-redirect opentelemetry-operation-name permanent-redirect preserve-trailing-slash proxy-body-size proxy-cookie-domain " +
			"proxy-cookie-path proxy-next-upstream proxy-redirect-from proxy-redirect-to proxy-ssl-ciphers proxy-ssl-secret rewrite-target session-cookie-domain " +
			"session-cookie-expires session-cookie-max-age session-cookie-name session-cookie-path temporal-redirect x-forwarded-prefix"
	}
	return ""
}

// Risk is the risk of the annotation.
func (a *Annotation) Risk() Risk {
	for r := CriticalRisk; r > LowRisk; r-- {
		for name := range strings.FieldsSeq(risky(r)) {
			if name == a.Name {
				return r
			}
		}
	}
	return LowRisk
}
