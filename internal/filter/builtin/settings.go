package builtin

import (
	"errors"
	"reflect"
	"strings"
	"time"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// Retry says when a request is sent again. It is forward.retry of its route, written as a filter: no step, so that its place in the list means
// nothing.
type Retry struct {
	Attempts      int                 `json:"attempts"`
	On            []model.RetryOn     `json:"on"`
	Statuses      []model.StatusRange `json:"statuses"`
	NonIdempotent bool                `json:"nonIdempotent"`
	Methods       []string            `json:"methods"`
	PerTry        Duration            `json:"perTry"`
	Within        Duration            `json:"within"`
	Backoff       struct {
		Base     Span     `json:"base"`
		Most     Duration `json:"most"`
		Factor   int      `json:"factor"`
		Spread   int      `json:"spread"`
		FromLast bool     `json:"fromLast"`
	} `json:"backoff"`
	Budget model.RetryBudget `json:"budget"`
}

// Setting is forward.retry.
func (c Retry) Setting() model.FilterSetting {
	return model.FilterSetting{Retry: model.Retry{Attempts: c.Attempts, On: c.On, Statuses: c.Statuses, NonIdempotent: c.NonIdempotent, Methods: c.Methods,
		PerTry: time.Duration(c.PerTry), Within: time.Duration(c.Within), Budget: c.Budget,
		Backoff: model.Backoff{Base: time.Duration(c.Backoff.Base), Most: time.Duration(c.Backoff.Most), Factor: c.Backoff.Factor, Spread: c.Backoff.Spread, FromLast: c.Backoff.FromLast}}}
}

// Validate refuses what a route could not say, and what says nothing.
func (c Retry) Validate() error {
	s := c.Setting()
	if reflect.ValueOf(s.Retry).IsZero() {
		return errors.New("it says nothing: want attempts, on, statuses or another of its settings")
	}
	return asSetting(s)
}

// Timeout bounds a request. It is timeouts of its route, written as a filter: no step, so that its place in the list means nothing.
type Timeout struct {
	Connect  Duration `json:"connect"`
	Response Duration `json:"response"`
	Idle     Duration `json:"idle"`
	Send     Duration `json:"send"`
	Upgraded Duration `json:"upgraded"`
	Request  Duration `json:"request"`
}

// Setting is timeouts.
func (c Timeout) Setting() model.FilterSetting {
	return model.FilterSetting{Timeouts: model.Timeouts{Connect: time.Duration(c.Connect), Response: time.Duration(c.Response), Idle: time.Duration(c.Idle),
		Send: time.Duration(c.Send), Upgraded: time.Duration(c.Upgraded), Request: time.Duration(c.Request)}}
}

// Validate refuses what a route could not say, and what says nothing.
func (c Timeout) Validate() error {
	if c == (Timeout{}) {
		return errors.New("it says nothing: want one of connect, response, idle, send, upgraded, request")
	}
	return asSetting(c.Setting())
}

// asSetting is what is wrong with a setting, under the names that it has in a filter.
func asSetting(s model.FilterSetting) error {
	err := model.Route{Timeouts: s.Timeouts, Action: model.Forward{Retry: s.Retry}}.ValidateEffect()
	if f, ok := errors.AsType[*model.FieldError](err); ok {
		name := strings.TrimPrefix(strings.TrimPrefix(f.Field, "timeouts."), "forward.retry.")
		return &model.FieldError{Field: name, Problem: f.Problem}
	}
	return err
}

func retryKind() filter.Kind { return filter.DefineSetting[Retry]("retry") }

func timeoutKind() filter.Kind { return filter.DefineSetting[Timeout]("timeout") }
