package nacosapi

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"paifang/internal/registry"
	"paifang/internal/registry/auth"
	"paifang/internal/registry/storage"
)

func TestForeignPages(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	users, err := auth.Open(t.Context(), storage.NewMemory(), auth.Options{Cost: bcrypt.MinCost})
	must(t, err)
	t.Cleanup(users.Close)
	guarded := serve(t, Config{Auth: users}, registry.Options{})
	for _, c := range []struct {
		at          *fixture
		host, field string
		says        string
		status      int
		value       string
	}{
		{f, "evil.example:8848", "Accept-Language", "evil.example", 403, "en"},
		{f, "evil.example:8848", "Origin", "evil.example", 403, "http://evil.example:8848"},
		{f, "127.0.0.1.evil.example", "Accept-Language", "evil.example", 403, "en"},
		{f, "nacos:8848", "Client-Version", "", 200, "Nacos-Java-Client:v1.4.8"},
		{f, "127.0.0.1:8848", "Accept-Language", "", 200, "en"},
		{f, "[::1]:8848", "Accept-Language", "", 200, "en"},
		{f, "localhost", "Accept-Language", "", 200, "en"},
		{guarded, "nacos:8848", "Accept-Language", "there is none", 403, "en"}, // no token: its name is no matter
	} {
		q, err := http.NewRequest("GET", c.at.base+"/v1/ns/instance/list?serviceName=order", nil)
		must(t, err)
		q.Host = c.host
		q.Header.Set(c.field, c.value)
		if status, body := do(t, q); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s with %s: %d %s", c.host, c.field, status, body)
		}
	}
}
