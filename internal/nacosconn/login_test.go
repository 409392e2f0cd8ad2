package nacosconn

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A server of before 3.0 knows the older path only. Tokens are kept until they run out or are refused.
func TestTokens(t *testing.T) {
	var logins atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/nacos/v1/auth/users/login" {
			http.NotFound(w, r)
			return
		}
		if r.FormValue("username") != "ann" || r.PostFormValue("password") != "a&b" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		logins.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"accessToken": "t", "tokenTtl": 18000})
	}))
	defer s.Close()
	tk := NewTokens(&Login{Servers: []string{"127.0.0.1:1", s.Listener.Addr().String()}, Username: "ann", Password: "a&b"}, nil)
	for range 3 {
		if token, err := tk.Get(t.Context()); err != nil || token != "t" {
			t.Fatal(token, err)
		}
	}
	tk.Drop("another")
	if _, err := tk.Get(t.Context()); err != nil || logins.Load() != 1 {
		t.Fatal(err, logins.Load())
	}
	tk.Drop("t")
	if _, err := tk.Get(t.Context()); err != nil || logins.Load() != 2 {
		t.Fatal(err, logins.Load())
	}
	tk = NewTokens(&Login{Servers: []string{s.Listener.Addr().String()}, Username: "ann", Password: "else"}, nil)
	if _, err := tk.Get(t.Context()); err == nil || strings.Contains(err.Error(), "else") || !strings.Contains(err.Error(), "403") {
		t.Fatal(err)
	}
}

// Nacos 3 may refuse the newer path without a word while the older one lets in; where both refuse, the reason is that of the older.
func TestNewerPathRefuses(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusInternalServerError} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path != "/nacos/v1/auth/users/login":
				http.Error(w, "Access Denied", status)
			case r.PostFormValue("password") != "right":
				http.Error(w, "user not found!", http.StatusForbidden)
			default:
				_ = json.NewEncoder(w).Encode(map[string]any{"accessToken": "t", "tokenTtl": 18000})
			}
		}))
		defer s.Close()
		login := &Login{Servers: []string{s.Listener.Addr().String()}, Username: "ann", Password: "right"}
		if token, err := NewTokens(login, nil).Get(t.Context()); err != nil || token != "t" {
			t.Errorf("%d: %q, %v", status, token, err)
		}
		login.Password = "wrong"
		if _, err := NewTokens(login, nil).Get(t.Context()); err == nil || !strings.Contains(err.Error(), "user not found") {
			t.Errorf("%d: %v", status, err)
		}
	}
}
