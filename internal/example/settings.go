package example

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"paifang/nacos"
)

// The names of the application.
const (
	Service         = "order"               // its own
	RegistryService = "nacos-order-service" // in the registry
)

// settings are what the environment says.
type settings struct {
	addr     netip.AddrPort // POD_IP:PORT; default 127.0.0.1:8080
	pod      string         // POD_NAME; default the host's name
	node     string         // NODE_NAME
	version  string         // VERSION; default the tag of PAIFANG_IMAGE, else v1
	registry nacos.Options  // PAIFANG_REGISTRY: host:port; no servers = it does not register
}

func readSettings(env func(string) string) (settings, error) {
	s := settings{pod: env("POD_NAME"), node: env("NODE_NAME"), version: env("VERSION")}
	ip, port := netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint64(8080)
	var err error
	if s.registry, err = registryOf(env); err != nil {
		return s, err
	}
	if v := env("POD_IP"); v != "" {
		if ip, err = netip.ParseAddr(v); err != nil {
			return s, fmt.Errorf("example: POD_IP: %w", err)
		}
	}
	if v := env("PORT"); v != "" {
		if port, err = strconv.ParseUint(v, 10, 16); err != nil || port == 0 {
			return s, fmt.Errorf("example: PORT: %q is no port", v)
		}
	}
	s.addr = netip.AddrPortFrom(ip, uint16(port))
	if s.pod == "" {
		s.pod, _ = os.Hostname()
	}
	if s.version == "" {
		s.version = tag(env("PAIFANG_IMAGE"))
	}
	return s, nil
}

// registryOf is where and as whom it registers.
func registryOf(env func(string) string) (nacos.Options, error) {
	var o nacos.Options
	if v := env("PAIFANG_REGISTRY"); v != "" {
		o.Servers = []string{v}
	}
	if v := env("PAIFANG_REGISTRY_GRPC"); v != "" {
		o.GRPC = []string{v}
	}
	if o.Username = env("PAIFANG_REGISTRY_USERNAME"); o.Username != "" {
		b, err := os.ReadFile(env("PAIFANG_REGISTRY_PASSWORD_FILE"))
		if err != nil {
			return o, fmt.Errorf("example: PAIFANG_REGISTRY_PASSWORD_FILE: %w", err)
		}
		o.Password = strings.TrimSpace(string(b))
	}
	return o, nil
}

// tag returns the tag of an image, v1 if there is none.
func tag(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') && i+1 < len(image) {
		return image[i+1:]
	}
	return "v1"
}
