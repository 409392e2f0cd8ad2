package builtin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"paifang/internal/http1"
	"paifang/internal/jwks"
)

// JWT configures "jwt": only requests with a good token pass (RFC 7519, RFC 6750). The keys come from an address, are given here, or
// are in the Secret that the filter names. Tokens must have an end.
type JWT struct {
	Issuer     string          `json:"issuer"`               // must be the token's
	Audiences  []string        `json:"audiences,omitempty"`  // of which the token must have one; default: any
	Algorithms []string        `json:"algorithms,omitempty"` // of jwks.Algorithms; default RS256, ES256, EdDSA
	URL        string          `json:"url,omitempty"`        // of the key set, http or https
	Keys       json.RawMessage `json:"keys,omitempty"`       // the key set itself, {"keys": […]}
	SecretKey  string          `json:"secretKey,omitempty"`  // of the Secret with the set, if one is named; default jwks
	Refresh    Duration        `json:"refresh,omitempty"`    // how often the set is asked for; default 5m, 10s to 24h
	Stale      Duration        `json:"stale,omitempty"`      // how long a set holds that cannot be asked for; default 1h, at most 168h
	Timeout    Duration        `json:"timeout,omitempty"`    // of one question, and of a request that waits for one; default 5s, at most 60s
	Loopback   bool            `json:"loopback,omitempty"`   // the set may be published on this machine
	Skew       *Span           `json:"skew,omitempty"`       // by which clocks may differ; default 30s, at most 5m
	Header     string          `json:"header,omitempty"`     // that has the token; default Authorization, as Bearer
	Cookie     string          `json:"cookie,omitempty"`     // that has it, where the header has none; default: none
	User       string          `json:"user,omitempty"`       // claim that says who the client is; default sub
	Claims     []ClaimHeader   `json:"claims,omitempty"`     // that the upstream gets
	Require    []ClaimRule     `json:"require,omitempty"`    // what claims must say
	Optional   bool            `json:"optional,omitempty"`   // requests without a token pass; those with a bad one never do
	Keep       bool            `json:"keep,omitempty"`       // the upstream gets the token too. Default: its header and cookie are removed
	Realm      string          `json:"realm,omitempty"`      // told to the client; default empty
}

// ClaimHeader gives the upstream a claim as a field. The client's own of that name never reaches it.
type ClaimHeader struct {
	Claim  string `json:"claim"` // its name, or names with dots between for a claim within a claim
	Header string `json:"header"`
}

// ClaimRule says what a claim must have: one of these values, as its text, as a word of it, or as an item of its list.
type ClaimRule struct {
	Claim  string   `json:"claim"`
	Values []string `json:"values"`
}

// Bounds and defaults of tokens and their keys.
const (
	defaultJWTSkew    = 30 * time.Second
	maxJWTSkew        = 5 * time.Minute
	defaultJWTRefresh = 5 * time.Minute
	minJWTRefresh     = 10 * time.Second
	maxJWTRefresh     = 24 * time.Hour
	defaultJWTStale   = time.Hour
	maxJWTStale       = 7 * 24 * time.Hour
	knownTokens       = 1 << 13 // that were good and are remembered, for each route
	maxClaimBytes     = 4 << 10 // of all fields that claims become
	maxClaims         = 32
)

// Validate refuses what would let tokens pass that are for somebody else, and keys that cannot be had.
func (c JWT) Validate() error {
	switch {
	case c.Issuer == "":
		return fmt.Errorf("issuer is empty: every token that the keys have signed would pass, for whomever it is")
	case c.URL != "" && len(c.Keys) > 0:
		return fmt.Errorf("url and keys are both given")
	case c.SecretKey != "" && (c.URL != "" || len(c.Keys) > 0):
		return fmt.Errorf("secretKey is given beside url or keys")
	case len(c.Audiences) > maxClaims || len(c.Claims) > maxClaims || len(c.Require) > maxClaims:
		return fmt.Errorf("audiences, claims and require: at most %d each", maxClaims)
	case c.Skew != nil && (*c.Skew < 0 || time.Duration(*c.Skew) > maxJWTSkew):
		return fmt.Errorf("skew is %v: want up to %v", *c.Skew, maxJWTSkew)
	case c.Refresh != 0 && (time.Duration(c.Refresh) < minJWTRefresh || time.Duration(c.Refresh) > maxJWTRefresh):
		return fmt.Errorf("refresh is %v: want %v to %v", c.Refresh, minJWTRefresh, maxJWTRefresh)
	case c.Stale < 0 || time.Duration(c.Stale) > maxJWTStale:
		return fmt.Errorf("stale is %v: want up to %v", c.Stale, maxJWTStale)
	case c.Timeout < 0 || time.Duration(c.Timeout) > maxAuthTimeout:
		return fmt.Errorf("timeout is %v: want up to %v", c.Timeout, maxAuthTimeout)
	case !http1.IsFieldValue(c.Realm) || strings.ContainsAny(c.Realm, `"\`):
		return fmt.Errorf("realm has a byte that it cannot have: quotes, backslashes and control bytes")
	case c.Header != "" && !http1.IsToken(c.Header), c.Cookie != "" && !http1.IsToken(c.Cookie):
		return fmt.Errorf("header or cookie is no name")
	}
	for i, a := range c.Algorithms {
		if !slices.Contains(jwks.Algorithms(), a) {
			return fmt.Errorf("algorithms[%d]: %q is none of %s", i, a, strings.Join(jwks.Algorithms(), ", "))
		}
	}
	if c.URL != "" {
		if u, err := url.Parse(c.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			return fmt.Errorf("url %q is no http or https address, or has a user", c.URL)
		}
	}
	if len(c.Keys) > 0 {
		if _, err := jwks.Parse(c.Keys); err != nil {
			return fmt.Errorf("keys: %w", err)
		}
	}
	for i, h := range c.Claims {
		if err := validateName(h.Header); err != nil {
			return fmt.Errorf("claims[%d]: %w", i, err)
		}
		if h.Claim == "" {
			return fmt.Errorf("claims[%d]: claim is empty", i)
		}
	}
	for i, r := range c.Require {
		if r.Claim == "" || len(r.Values) == 0 {
			return fmt.Errorf("require[%d]: claim or values are empty", i)
		}
	}
	return nil
}

// claims are what a token says.
type claims map[string]json.RawMessage

// at returns a claim by its path.
func (c claims) at(path string) json.RawMessage {
	if v, ok := c[path]; ok { // names of claims may have dots: many are addresses
		return v
	}
	first, rest, ok := strings.Cut(path, ".")
	if !ok {
		return nil
	}
	var in claims
	if json.Unmarshal(c[first], &in) != nil {
		return nil
	}
	return in.at(rest)
}

// texts returns a claim as texts: a string, a number, true or false, or a list of them. Others are nothing.
func (c claims) texts(path string) []string {
	raw := c.at(path)
	if len(raw) > 0 && raw[0] == '[' {
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) != nil {
			return nil
		}
		var out []string
		for _, one := range list {
			if text, ok := claimText(one); ok {
				out = append(out, text)
			}
		}
		return out
	}
	if text, ok := claimText(raw); ok {
		return []string{text}
	}
	return nil
}

// commas has each comma in an item of a list, and the sign that says so, written as in addresses: a list of one item with a comma is then
// another text than one of two items.
var commas = strings.NewReplacer(",", "%2C", "%", "%25")

// field returns a claim as the value of a field: its text, or the items of its list with commas between.
func (c claims) field(path string) string {
	texts := c.texts(path)
	if raw := c.at(path); len(raw) > 0 && raw[0] == '[' {
		for i := range texts {
			texts[i] = commas.Replace(texts[i])
		}
	}
	return strings.Join(texts, ",")
}

// claimText returns a claim that is one text. What is given is JSON, so a string in which nothing is escaped is what is between its quotes.
func claimText(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 {
		return "", false
	}
	switch raw[0] {
	case '"':
		if inside := bytes.Trim(raw, `"`); len(inside) == len(raw)-2 && bytes.IndexByte(inside, '\\') < 0 && utf8.Valid(inside) {
			return string(inside), true
		}
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err == nil
	case '[', '{', 'n':
		return "", false
	}
	return string(raw), true
}

// time returns a claim that is a NumericDate (RFC 7519, 2); ok is false for one that is something else.
func (c claims) time(name string) (_ time.Time, given, ok bool) {
	raw, given := c[name]
	if !given || string(raw) == "null" {
		return time.Time{}, false, true
	}
	seconds, err := strconv.ParseFloat(string(raw), 64) // which reads all numbers of JSON, and nothing else in a JSON value but words
	if err != nil || !(seconds >= 0 && seconds <= 1<<40) {
		return time.Time{}, true, false
	}
	return time.Unix(int64(seconds), 0), true, true
}

// has tells whether a claim says what a rule asks for. An item of a list is one value, whatever words are in it, also where it is the only
// one: "not admin" is another group than "admin".
func (c claims) has(r ClaimRule) bool {
	texts := c.texts(r.Claim)
	var words []string
	if raw := c.at(r.Claim); len(texts) == 1 && raw[0] != '[' {
		words = strings.Fields(texts[0])
	}
	for _, want := range r.Values {
		if slices.Contains(texts, want) || slices.Contains(words, want) {
			return true
		}
	}
	return false
}
