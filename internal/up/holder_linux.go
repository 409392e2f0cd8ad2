package up

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// holder names the process that listens on an address, from /proc, where this user may see it.
func holder(network string, at netip.AddrPort) string {
	for _, table := range []string{network, network + "6"} {
		inode := socketInode("/proc/net/"+table, at, network == "tcp")
		if inode == "" {
			continue
		}
		if h := inodeHolder(inode); h != "" {
			return h
		}
	}
	return ""
}

// socketInode finds the listening socket that takes an address, its own or that of all addresses.
func socketInode(table string, at netip.AddrPort, tcp bool) string {
	f, err := os.Open(table)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 {
			continue
		}
		const listen = "0A"
		if tcp && fields[3] != listen {
			continue
		}
		local, ok := parseProcAddr(fields[1])
		if ok && local.Port() == at.Port() && (local.Addr() == at.Addr() || local.Addr().IsUnspecified()) {
			return fields[9]
		}
	}
	return ""
}

// parseProcAddr reads "0B00007F:1F90": words of the address in host order, the port in hex.
func parseProcAddr(text string) (netip.AddrPort, bool) {
	a, p, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(a)
	port, perr := hex.DecodeString(p)
	if !ok || err != nil || perr != nil || len(port) != 2 || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for word := range slices.Chunk(raw, 4) {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(port)), ok
}

func inodeHolder(inode string) string {
	want := "socket:[" + inode + "]"
	procs, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, fd := range procs {
		if target, err := os.Readlink(fd); err != nil || target != want {
			continue
		}
		pid := strings.Split(fd, "/")[2]
		name, err := os.ReadFile("/proc/" + pid + "/comm")
		if err != nil {
			return "process " + pid
		}
		return fmt.Sprintf("process %s (%s)", pid, strings.TrimSpace(string(name)))
	}
	return ""
}
