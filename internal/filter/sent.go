package filter

// Names of fields that tell of a request who has sent it on.
const (
	FieldVia      = "X-Paifang-Via"      // the listeners that have, each INSTANCE/LISTENER
	FieldMirrored = "X-Paifang-Mirrored" // of a copy: the host that the client has asked for
)
