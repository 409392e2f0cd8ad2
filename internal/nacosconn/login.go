package nacosconn

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// userAgent is by whom servers know us in their logs.
const userAgent = "Paifang"

// Login is who a client is, where servers ask for it.
type Login struct {
	Servers  []string // host:port, or URLs, of HTTP; one after the other is tried
	Username string
	Password string
}

// Tokens keeps the token of a login, and logs in again before it runs out or when a server no longer takes it.
type Tokens struct {
	login  *Login // nil: no server asks
	client *http.Client
	Scheme string // "http://" or "https://"

	mu    sync.Mutex
	token string
	until time.Time
}

// NewTokens logs in, for a login that is not nil, over TLS where a configuration is given.
func NewTokens(login *Login, secure *tls.Config) *Tokens {
	t := &Tokens{login: login, Scheme: "http://", client: NewHTTPClient(secure)}
	if secure != nil {
		t.Scheme = "https://"
	}
	return t
}

// NewHTTPClient returns a client that makes a connection for each call: they are rare, and none is left behind.
func NewHTTPClient(secure *tls.Config) *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: secure.Clone()},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // passwords go to no other server
	}
}

// Get returns a token; empty where no server asks for one.
func (t *Tokens) Get(ctx context.Context) (string, error) {
	if t.login == nil {
		return "", nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != "" && time.Now().Before(t.until) {
		return t.token, nil
	}
	var errs []error
	for _, server := range t.login.Servers {
		err := t.ask(ctx, server)
		if err == nil {
			return t.token, nil
		}
		errs = append(errs, fmt.Errorf("nacos: log in at %s: %w", server, err))
	}
	return "", errors.Join(errs...)
}

// Drop forgets a token that a server has refused.
func (t *Tokens) Drop(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == token {
		t.token = ""
	}
}

// ask logs in at one server: as since 3.0, and where that is not there as before. The mutex is held.
func (t *Tokens) ask(ctx context.Context, server string) error {
	var err error
	for _, path := range []string{"/v3/auth/user/login", "/v1/auth/users/login"} {
		var again bool
		if again, err = t.post(ctx, server, path); !again {
			return err
		}
	}
	return err
}

func (t *Tokens) post(ctx context.Context, server, path string) (again bool, err error) {
	if !strings.Contains(server, "://") {
		server = t.Scheme + server
	}
	form := url.Values{"username": {t.login.Username}, "password": {t.login.Password}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(server, "/")+"/nacos"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", userAgent)
	resp, err := t.client.Do(req)
	if err != nil {
		return false, WithoutURL(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return false, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusNotImplemented:
		return true, errors.New(resp.Status)
	case http.StatusInternalServerError, http.StatusForbidden: // what Nacos 3 answers, without a word about why; on the older path it has one, or takes what it refused
		return true, fmt.Errorf("%s: %.200s", resp.Status, body)
	default:
		return false, fmt.Errorf("%s: %.200s", resp.Status, body)
	}
	var a struct {
		Token string `json:"accessToken"`
		TTL   int64  `json:"tokenTtl"` // seconds
	}
	if err := json.Unmarshal(body, &a); err != nil || a.Token == "" {
		return false, fmt.Errorf("the answer has no token: %.200s", body)
	}
	t.token, t.until = a.Token, time.Now().Add(time.Duration(min(max(a.TTL, 10), 86_400))*time.Second*9/10)
	return false, nil
}

// WithoutURL is the error of a request without its URL, which is long and said already.
func WithoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
