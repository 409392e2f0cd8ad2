package bed

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// cni is where Debian has the network plugins.
const cni = "/usr/lib/cni"

// Missing says what this machine lacks for a bed; empty: nothing.
func Missing() string {
	if runtime.GOOS != "linux" {
		return "it needs Linux"
	}
	var lacks []string
	if os.Geteuid() != 0 {
		lacks = append(lacks, "root")
	}
	for _, p := range [][2]string{
		{"containerd", "containerd"}, {"ctr", "containerd"}, {"runc", "runc"}, {"nft", "nftables"}, {"conntrack", "conntrack"},
		{"ip", "iproute2"}, {"nsenter", "util-linux"}, {"mount", "mount"}, {"iptables", "iptables"},
	} {
		if _, err := exec.LookPath(p[0]); err != nil {
			lacks = append(lacks, fmt.Sprintf("%s (Debian: %s)", p[0], p[1]))
		}
	}
	if _, err := os.Stat(cni + "/ptp"); err != nil {
		lacks = append(lacks, cni+"/ptp (Debian: containernetworking-plugins)")
	}
	if len(lacks) == 0 {
		return ""
	}
	return "it needs " + strings.Join(lacks, ", ")
}
