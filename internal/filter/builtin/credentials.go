package builtin

import (
	"paifang/internal/filter"
	"paifang/internal/model"
)

// CodeCredentialsTwice is of requests that have a field of credentials more than once: 400.
const CodeCredentialsTwice model.Code = "credentials-twice"

// once refuses a request that has more than one field of the name that its credentials are in. Such a field is no list (RFC 9110, 5.3 and
// 11.6.2): who comes behind may go by another one than was verified.
func once(x *filter.Exchange, name string) bool {
	if _, twice := x.Request.Fields.Nth(name, 1); !twice {
		return true
	}
	x.Respond(400, CodeCredentialsTwice, "This has credentials more than once.\n")
	return false
}
