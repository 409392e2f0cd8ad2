package nacoswire

import (
	"fmt"
	"strings"
)

// What an empty name means.
const (
	PublicNamespace = "public"
	DefaultGroup    = "DEFAULT_GROUP"
	DefaultCluster  = "DEFAULT"
)

// groupSeparator stands between group and service in a grouped name.
const groupSeparator = "@@"

// GroupedName joins group and service: "DEFAULT_GROUP@@order".
func GroupedName(group, service string) string {
	return NonEmpty(group, DefaultGroup) + groupSeparator + service
}

// SplitName takes a service name that may be a grouped one, and the group given beside it. The group in the name
// wins, also an empty one ("@@order"), which no server takes; without any it is DefaultGroup.
func SplitName(group, name string) (g, service string) {
	if g, s, ok := strings.Cut(name, groupSeparator); ok {
		return g, s
	}
	return NonEmpty(group, DefaultGroup), name
}

// InstanceID is the identity that a server gives an instance: "10.0.0.1#8080#DEFAULT#DEFAULT_GROUP@@order".
func InstanceID(ip string, port int, cluster, group, service string) string {
	return fmt.Sprintf("%s#%d#%s#%s", ip, port, NonEmpty(cluster, DefaultCluster), GroupedName(group, service))
}

// NonEmpty returns s, or otherwise when s is empty.
func NonEmpty(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
