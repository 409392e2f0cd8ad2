//go:build !darwin

package up

// moreAddresses says how to get the addresses that the picture has.
func moreAddresses(*Plan) string { return "--addresses many gives every piece an address of its own" }
