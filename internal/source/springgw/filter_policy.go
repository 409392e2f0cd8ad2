package springgw

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
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

// sizeError is the field in which answers say what is too large.
const sizeError = "errorMessage"

type sizeConfig struct {
	Bytes int64  `json:"bytes"`
	Error string `json:"error"`
}

func (e *effect) requestSize(p *part) error {
	values, err := e.positions(p, []string{"maxSize"}, 0)
	if err != nil {
		return err
	}
	n, err := sizeOf(values, defaultBody)
	if err != nil {
		return err
	}
	return e.emit("body-limit", sizeConfig{n, sizeError})
}

func (e *effect) headerSize(p *part) error {
	values, err := e.positions(p, []string{"maxSize"}, 0, "errorHeaderName")
	if err != nil {
		return err
	}
	n, err := sizeOf(values, defaultHeader)
	if err != nil {
		return err
	}
	return e.emit("header-limit", sizeConfig{n, cmp.Or(values["errorheadername"], sizeError)})
}

func sizeOf(values map[string]string, usual int64) (int64, error) {
	text := values["maxsize"]
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

func isListByte(r rune) bool { return r == ',' || r == ' ' }
