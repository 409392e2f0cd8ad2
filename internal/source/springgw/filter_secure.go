package springgw

import (
	"fmt"
	"slices"
	"strings"

	"paifang/internal/bootconfig"
)

// secureHeader is a header that SecureHeaders adds: its name, its value unless told otherwise, and the property that tells.
type secureHeader struct {
	name, value, property string
	asked                 bool // it is sent only where it is enabled
}

func secureHeaders() []secureHeader {
	return []secureHeader{
		{name: "X-Xss-Protection", value: "1 ; mode=block", property: "xss-protection-header"},
		{name: "Strict-Transport-Security", value: "max-age=631138519", property: "strict-transport-security"},
		{name: "X-Frame-Options", value: "DENY", property: "frame-options"},
		{name: "X-Content-Type-Options", value: "nosniff", property: "content-type-options"},
		{name: "Referrer-Policy", value: "no-referrer", property: "referrer-policy"},
		{name: "Content-Security-Policy", value: "default-src 'self' https:; font-src 'self' https: data:; img-src 'self' https: data:; object-src 'none'; script-src https:; style-src 'self' https: 'unsafe-inline'", property: "content-security-policy"},
		{name: "X-Download-Options", value: "noopen", property: "download-options"},
		{name: "X-Permitted-Cross-Domain-Policies", value: "none", property: "permitted-cross-domain-policies"},
		{name: "Permissions-Policy", value: everyFeatureOff(), property: "permissions-policy", asked: true},
	}
}

// everyFeatureOff is the Permissions-Policy that Spring sends where no other is given.
func everyFeatureOff() string {
	features := strings.Fields("accelerometer ambient-light-sensor autoplay battery camera cross-origin-isolated display-capture document-domain encrypted-media " +
		"execution-while-not-rendered execution-while-out-of-viewport fullscreen geolocation gyroscope keyboard-map magnetometer microphone midi navigation-override " +
		"payment picture-in-picture publickey-credentials-get screen-wake-lock sync-xhr usb web-share xr-spatial-tracking")
	return strings.Join(features, "=(), ") + "=()"
}

// secureHeaders adds what the upstream has not said itself. Values come from the route, then from the properties. Which headers there are is
// said by the properties for routes that say nothing of it, and for the others by the route alone.
func (e *effect) secureHeaders(p *part) error {
	said := map[string]string{} // by names that do not tell "frame-options" from "frameOptionsHeaderValue"
	lists := map[string][]string{}
	own := false
	if p.args != nil {
		for _, k := range p.args.Kids {
			name := bareHeader(k.Name)
			switch name {
			case "enable", "disable":
				lists[name], own = headerNames(k), true
			case "permissionspolicy":
				own = true
				fallthrough
			default:
				said[name] = strings.Join(k.Values(), ",")
			}
		}
	}
	of := func(name string) *bootconfig.Property { return p.around.gateway("filter", "secure-headers", name) }
	if !own {
		lists["enable"], lists["disable"] = headerNames(of("enable")), headerNames(of("disable"))
	}
	c := headerConfig{}
	for _, h := range secureHeaders() {
		if v := of(h.property); v != nil {
			h.value = strings.Join(v.Values(), ",")
		}
		if v, ok := said[bareHeader(h.property)]; ok {
			h.value = v
			delete(said, bareHeader(h.property))
		}
		if err := checkLiteral(h.value); err != nil {
			return fmt.Errorf("%s: %w", h.property, err)
		}
		name := strings.ToLower(h.name)
		if (!h.asked || slices.Contains(lists["enable"], name)) && !slices.Contains(lists["disable"], name) {
			c.Default = append(c.Default, headerValue{h.name, h.value})
		}
	}
	if rest := sortedKeys(said); len(rest) > 0 {
		return fmt.Errorf("%q is no argument of it", rest[0])
	}
	if len(c.Default) == 0 {
		return nil
	}
	return e.emit("response-headers", c)
}

// bareHeader is the relaxed name of an argument or property without what its end says of its being the value of a header.
func bareHeader(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(bootconfig.Relaxed(name), "value"), "header")
}

// headerNames are the names in a list, in lower case.
func headerNames(p *bootconfig.Property) []string {
	var out []string
	for _, v := range p.Values() {
		out = append(out, strings.FieldsFunc(strings.ToLower(v), isListByte)...)
	}
	return out
}
