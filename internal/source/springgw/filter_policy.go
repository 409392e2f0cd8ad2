package springgw

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
)

// insteadOf says what to do in place of a filter that is not supported.
func insteadOf(filter string) string {
	switch filter {
	case "ModifyRequestBody", "ModifyResponseBody":
		return ": it is for code in Java; change bodies in the service"
	case "SaveSession":
		return ": there is no session here; take it out"
	case "TokenRelay":
		return ": it relays what a login in Java has got; forward the Authorization header, which is kept as it is"
	}
	return ""
}

func (e *effect) redirectTo(p *part) error {
	values, err := e.positions(p, []string{"status", "url", "includeRequestParams"}, 2)
	if err != nil {
		return err
	}
	status, err := statusOf(values["status"])
	if err != nil {
		return err
	}
	if status < 300 || status > 308 || status == 304 {
		return fmt.Errorf("status %d is no redirect that is supported", status)
	}
	include := values["includerequestparams"]
	if include != "" && !isFlag(include) {
		return fmt.Errorf("includeRequestParams %q is neither true nor false", include)
	}
	return e.emit("redirect", struct {
		Status   int    `json:"status"`
		Location string `json:"location"`
		Keep     bool   `json:"keepQuery,omitempty"`
	}{status, values["url"], strings.EqualFold(include, "true")})
}

// The limits that Spring has where none is given, in bytes.
const (
	defaultBody   = 5_000_000
	defaultHeader = 16_000
)

func (e *effect) requestSize(p *part) error {
	n, err := e.size(p, "maxSize", defaultBody)
	if err != nil {
		return err
	}
	return e.emit("body-limit", struct {
		Bytes int64 `json:"bytes"`
	}{n})
}

func (e *effect) headerSize(p *part) error {
	n, err := e.size(p, "maxSize", defaultHeader)
	if err != nil {
		return err
	}
	return e.emit("header-limit", struct {
		Bytes int64 `json:"bytes"`
	}{n})
}

func (e *effect) size(p *part, name string, usual int64) (int64, error) {
	values, err := e.positions(p, []string{name}, 0)
	if err != nil {
		return 0, err
	}
	text := values[bootconfig.Relaxed(name)]
	if text == "" {
		return usual, nil
	}
	return dataSize(text)
}

// dataSize reads Spring's DataSize: bytes, or a number with B, KB, MB, GB or TB, which are powers of 1024.
func dataSize(text string) (int64, error) {
	s := strings.ToUpper(strings.TrimSpace(text))
	number := strings.TrimRight(s, "BKMGT")
	shift, ok := map[string]uint{"": 0, "B": 0, "KB": 10, "MB": 20, "GB": 30, "TB": 40}[s[len(number):]]
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || !ok || n < 1 || n > 1<<62>>shift {
		return 0, fmt.Errorf("%q is not a size: want bytes, or a number with KB, MB or GB", text)
	}
	return n << shift, nil
}

// retryAgain reads what Spring sends again: GET only, answers of 500 to 599, and whatever broke, unless told otherwise.
func (e *effect) retryAgain(p *part) error {
	values, err := p.unchecked("retries", "statuses", "methods", "backoff.firstBackoff", "backoff.maxBackoff", "backoff.factor", "backoff.basedOnPreviousValue")
	if err != nil {
		return err
	}
	r := model.Retry{Attempts: 3, On: []model.RetryOn{model.RetryConnect, model.RetryRefused, model.RetryReset, model.RetryTimeout}, Backoff: model.Backoff{Base: -1}}
	series := "SERVER_ERROR"
	methods := "GET"
	var firstBackoff, maxBackoff timeout
	for _, name := range sortedKeys(values) {
		v := values[name]
		var err error
		switch name {
		case "retries":
			r.Attempts, err = strconv.Atoi(v)
			if err == nil && (r.Attempts < 0 || r.Attempts > 7) {
				err = errors.New("want 0 to 7")
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
			e.notes = append(e.notes, fault{"", p.line, p.field, model.CodeIgnored, model.Info,
				"filter Retry: exceptions are names of Java: every failure of a connection and every timeout is tried again"})
		case "backoff.firstbackoff":
			err = firstBackoff.set(v)
		case "backoff.maxbackoff":
			err = maxBackoff.set(v)
		case "backoff.factor", "backoff.basedonpreviousvalue", "jitter.randomfactor", "timeout":
			e.notes = append(e.notes, fault{"", p.line, p.field, model.CodeUnsupported, model.Warning,
				fmt.Sprintf("filter Retry: %s has no effect: pauses double, with jitter", name)})
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
	if firstBackoff > 0 {
		r.Backoff = model.Backoff{Base: time.Duration(firstBackoff), Most: min(max(time.Duration(maxBackoff), time.Duration(firstBackoff)), 10*time.Second)}
	}
	if r.Attempts == 0 {
		r.Attempts = -1
	}
	e.retry, e.again = r, true
	return nil
}

func isListByte(r rune) bool { return r == ',' || r == ' ' }
