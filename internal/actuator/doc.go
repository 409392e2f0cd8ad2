// Package actuator is the part of Spring Cloud Gateway's actuator that has to do with routes: they are listed, added and
// taken away over HTTP at /actuator/gateway, with the paths and answers of Spring Cloud Gateway 4.3, and those that were added are kept
// in a file.
package actuator

import (
	"paifang/internal/model"
	"paifang/internal/source/springgw"
)

// CodeStore is the code of a file with routes that cannot be read or was changed by somebody else.
const CodeStore model.Code = "actuator-store"

// Config is what a Handler works with.
type Config struct {
	Store *Store
	// Spring is how definitions are read.
	Spring springgw.Config
	// Definitions lists those of all sources, of the store too.
	Definitions func() []springgw.Definition
	// Located lists those that discovery locators make.
	Located func() []springgw.Definition
	// Check says whether the configuration of a filter is one.
	Check func(model.FilterSpec) (model.Code, error)
	// Token returns what requests must bring as Authorization: Bearer. Where it fails nobody is let in.
	Token func() (string, error)
}
