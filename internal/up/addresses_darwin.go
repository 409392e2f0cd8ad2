package up

import "strings"

// moreAddresses says how to get the addresses that the picture has: on macOS loopback aliases have to be made first.
func moreAddresses(*Plan) string {
	var lines []string
	for _, a := range []string{"127.0.0.10", "127.0.0.11", "127.0.0.12", "127.0.0.20", "127.1.1.2", "127.1.1.3", "127.1.2.2", "127.1.2.3"} {
		lines = append(lines, "sudo ifconfig lo0 alias "+a)
	}
	return "for an address per piece, paste:\n" + strings.Join(lines, "; ")
}
