package springgw

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"paifang/internal/model"
)

// What Spring's pauses are where some of it is given.
const (
	retryBase   = 5 * time.Millisecond
	retryFactor = 2
	mostPause   = 10 * time.Second // that a route may ask for here
)

// retryPauses are the arguments of Retry about pauses. There is none without any of backoff.
type retryPauses struct {
	any         bool
	first, most timeout
	factor      int
	fresh       bool    // each follows from the first one, and not from the one before
	jitter      float64 // a share
}

// backoff is how long to pause; cut tells that it is less than the arguments say.
func (r *retryPauses) backoff() (out model.Backoff, cut bool) {
	if !r.any {
		return model.Backoff{Base: -1}, false
	}
	first, most := time.Duration(r.first), time.Duration(r.most)
	if most == 0 {
		most = mostPause
	}
	most = max(most, first)
	out = model.Backoff{Base: min(first, mostPause), Most: min(most, mostPause), Factor: r.factor, Spread: -1}
	if percent := int(math.Round(100 * r.jitter)); percent > 0 {
		out.Spread, out.FromLast = percent, !r.fresh // without chance both come to the same
	}
	return out, most > mostPause
}

// retryAgain reads what Spring sends again: GET only, answers of 500 to 599, and whatever broke, unless told otherwise.
func (e *effect) retryAgain(p *part) error {
	values, err := p.unchecked("retries", "statuses", "methods", "backoff.firstBackoff", "backoff.maxBackoff", "backoff.factor", "backoff.basedOnPreviousValue", "jitter.randomFactor", "timeout")
	if err != nil {
		return err
	}
	r := model.Retry{Attempts: 3, On: []model.RetryOn{model.RetryConnect, model.RetryRefused, model.RetryReset, model.RetryTimeout}}
	series := "SERVER_ERROR"
	methods := "GET"
	pauses := retryPauses{first: timeout(retryBase), factor: retryFactor}
	var within timeout
	for _, name := range sortedKeys(values) {
		v := values[name]
		pauses.any = pauses.any || strings.HasPrefix(name, "backoff.")
		var err error
		switch name {
		case "retries":
			if r.Attempts, err = strconv.Atoi(v); err == nil && r.Attempts < 0 {
				err = errors.New("is negative")
			}
		case "statuses":
			for one := range strings.FieldsFuncSeq(v, isListByte) {
				n, bad := statusOf(one)
				if bad != nil {
					return bad
				}
				r.Statuses = append(r.Statuses, model.StatusRange{From: n, To: n})
			}
		case "methods":
			methods = v
		case "series":
			series = v
		case "exceptions": // which class a failure has in Java is not known here; that it failed is
			e.remark(p, model.CodeUnsupported, model.Info, "exceptions are names of Java: every failure of a connection and every timeout is tried again")
		case "backoff.firstbackoff":
			if err = pauses.first.set(v); err == nil && pauses.first == 0 {
				err = errors.New("is no time above 0")
			}
		case "backoff.maxbackoff":
			err = pauses.most.set(v)
		case "backoff.factor":
			if err = countInto(&pauses.factor)(v); err == nil && pauses.factor > 100 {
				err = errors.New("is more than 100")
			}
		case "backoff.basedonpreviousvalue":
			pauses.fresh = strings.EqualFold(v, "false")
		case "jitter.randomfactor":
			if pauses.jitter, err = strconv.ParseFloat(v, 64); err == nil && !(pauses.jitter >= 0 && pauses.jitter <= 1) {
				err = errors.New("is not from 0 to 1")
			}
		case "timeout":
			err = within.set(v)
		default:
			return fmt.Errorf("%q is no argument of it", name)
		}
		if err != nil {
			return fmt.Errorf("%s %q: %w", name, v, err)
		}
	}
	for one := range strings.FieldsFuncSeq(series, isListByte) {
		from, ok := map[string]int{"SERVER_ERROR": 500, "CLIENT_ERROR": 400, "REDIRECTION": 300}[strings.ToUpper(one)]
		if !ok {
			return fmt.Errorf("series %q is none of SERVER_ERROR, CLIENT_ERROR, REDIRECTION", one)
		}
		r.Statuses = append(r.Statuses, model.StatusRange{From: from, To: from + 99})
	}
	for one := range strings.FieldsFuncSeq(methods, isListByte) {
		one = strings.ToUpper(one)
		r.Methods = append(r.Methods, one)
		r.NonIdempotent = r.NonIdempotent || one == "POST" || one == "PATCH"
	}
	var cut bool
	if r.Backoff, cut = pauses.backoff(); cut {
		e.remark(p, model.CodeUnsupported, model.Warning, "a pause is %v at most", mostPause)
	}
	if r.Attempts > model.MostAttempts {
		e.remark(p, model.CodeUnsupported, model.Warning, "of %d retries %d are made at most", r.Attempts, model.MostAttempts)
		r.Attempts = model.MostAttempts
	}
	if r.Attempts == 0 {
		r.Attempts = -1
	}
	if within != timeout(off) {
		r.Within = time.Duration(within)
	}
	e.retry, e.again = r, true
	return nil
}
