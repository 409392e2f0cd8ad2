package model

import (
	"encoding/json"
	"reflect"
)

// settings is a part of an object as one line, " name{…}", or nothing where all of it is the default.
func settings(name string, part any) string {
	if reflect.ValueOf(part).IsZero() {
		return ""
	}
	text, err := json.Marshal(part)
	if err != nil {
		return " " + name + " " + err.Error()
	}
	return " " + name + string(text)
}

// Settings is everything by which the upstream differs from the default, but for how it is dialled, as one line for dumps;
// it begins with a space. Durations are in nanoseconds.
func (u *Upstream) Settings() string {
	return settings("balance", u.Balance) + settings("affinity", u.Affinity) + settings("zones", u.Zones) + settings("slowStart", u.SlowStart) +
		settings("health", u.Health) + settings("ejection", u.Ejection) + settings("limits", u.Limits)
}

// Settings is what the policy says beyond the default, as one line for dumps; it begins with a space.
func (r Retry) Settings() string { return settings("retry", r) }

// Settings is what the timeouts say beyond the default, as one line for dumps; it begins with a space.
func (t Timeouts) Settings() string { return settings("timeouts", t) }
