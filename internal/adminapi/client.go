package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"paifang/internal/explain"
)

// maxAnswer bounds an answer of the API, in bytes.
const maxAnswer = 256 << 20

// clientTimeout bounds a request to the API.
const clientTimeout = 60 * time.Second

// Client reads the API of another process.
type Client struct {
	address string // host:port
	http    *http.Client
}

var (
	_ Reader    = (*Client)(nil)
	_ Explainer = (*Client)(nil)
)

// NewClient returns a client of the API at host:port. It uses no proxy.
func NewClient(address string) *Client {
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second}
	return &Client{address: address, http: &http.Client{Transport: transport, Timeout: clientTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// NothingAnswers is the error of a client whose address has no listener.
type NothingAnswers struct {
	Address string
	Err     error
}

// Error says what to do.
func (e *NothingAnswers) Error() string {
	return fmt.Sprintf("nothing answers at %s: start `paifang up`, or give --admin ADDRESS (PAIFANG_ADMIN)", e.Address)
}

// Unwrap returns the cause.
func (e *NothingAnswers) Unwrap() error { return e.Err }

// APIError is an answer that is an error.
type APIError struct {
	Status  int
	Message string
}

// Error returns the API's own sentence.
func (e *APIError) Error() string { return e.Message }

// Read implements Reader. Where the process gathers others and one of those is missing, the error is a *PartialError.
func (c *Client) Read(ctx context.Context, kinds ...Kind) (View, error) {
	var v View
	var errs []error
	for _, k := range kinds {
		body, header, err := c.do(ctx, http.MethodGet, "/api/v1/"+string(k), nil)
		if err != nil {
			return v, err
		}
		if err := v.Decode(k, body); err != nil {
			return v, fmt.Errorf("adminapi: %s at %s: %w", k, c.address, err)
		}
		if missing := header.Get("X-Paifang-Missing"); missing != "" {
			errs = append(errs, errors.New(missing))
		}
	}
	if len(errs) > 0 {
		return v, &PartialError{errors.Join(errs...)}
	}
	return v, nil
}

// Explain implements Explainer.
func (c *Client) Explain(ctx context.Context, q explain.Request, send bool) (explain.Result, error) {
	query := url.Values{"url": {q.URL}}
	if q.Method != "" {
		query.Set("method", q.Method)
	}
	if len(q.Headers) > 0 {
		query["header"] = q.Headers
	}
	method := http.MethodGet
	if send {
		query.Set("send", "true")
		method = http.MethodPost
	}
	body, _, err := c.do(ctx, method, "/api/v1/explain", query)
	if err != nil {
		return explain.Result{}, err
	}
	var out Explained
	if err := json.Unmarshal(body, &out); err != nil {
		return explain.Result{}, fmt.Errorf("adminapi: explain at %s: %w", c.address, err)
	}
	if len(out.Results) != 1 {
		return explain.Result{}, fmt.Errorf("adminapi: explain at %s: %d results for one URL", c.address, len(out.Results))
	}
	return out.Results[0], nil
}

// Act stops or starts a piece.
func (c *Client) Act(ctx context.Context, piece string, verb Verb, signal Signal) error {
	query := url.Values{}
	if signal != "" {
		query.Set("signal", string(signal))
	}
	_, _, err := c.do(ctx, http.MethodPost, "/api/v1/pieces/"+url.PathEscape(piece)+"/"+string(verb), query)
	return err
}

// Printed returns the configuration of the process as YAML.
func (c *Client) Printed(ctx context.Context) ([]byte, error) {
	body, _, err := c.do(ctx, http.MethodGet, "/api/v1/config", nil)
	return body, err
}

func (c *Client) do(ctx context.Context, method, path string, query url.Values) ([]byte, http.Header, error) {
	if _, port, err := net.SplitHostPort(c.address); err != nil || port == "" {
		return nil, nil, fmt.Errorf("%q is not an address: write it like 127.0.0.1:8088", c.address)
	}
	target := "http://" + c.address + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%q is not an address: write it like 127.0.0.1:8088", c.address)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, nil, c.cause(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, nil, fmt.Errorf("%s broke off its answer: %w", c.address, err)
	}
	if resp.StatusCode == http.StatusOK {
		return body, resp.Header, nil
	}
	var said struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Error == "" {
		return nil, nil, &APIError{resp.StatusCode, fmt.Sprintf("what answers at %s is not paifang: it says %s", c.address, resp.Status)}
	}
	return nil, nil, &APIError{resp.StatusCode, said.Error}
}

// cause tells a place where nothing listens from other trouble.
func (c *Client) cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" || errors.Is(err, syscall.ECONNREFUSED) {
		return &NothingAnswers{c.address, err}
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("%s does not answer: %s", c.address, strings.TrimPrefix(err.Error(), "net/http: "))
}
