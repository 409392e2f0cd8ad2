package nacosapi

import (
	"net/http"
	"testing"

	"paifang/internal/registry"
)

// Who types the address of Nacos' web pages into a browser finds ours; clients of the protocol find nothing there.
func TestBrowsersAreSentToTheConsole(t *testing.T) {
	const browser = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"
	with := serve(t, Config{Console: "http://127.0.0.1:8088/"}, registry.Options{})
	without := serve(t, Config{}, registry.Options{})
	for _, c := range []struct {
		f                    *fixture
		method, path, accept string
		status               int
	}{
		{with, "GET", "/", browser, 302}, {with, "GET", "/", "*/*", 404}, {with, "GET", "/", "", 404}, {with, "POST", "/", browser, 405},
		{with, "GET", "/index.html", browser, 404}, {without, "GET", "/", browser, 404},
	} {
		q, err := http.NewRequest(c.method, c.f.base+c.path, nil)
		must(t, err)
		q.Header.Set("Accept", c.accept)
		p, err := http.DefaultTransport.RoundTrip(q)
		must(t, err)
		must(t, p.Body.Close())
		if at := p.Header.Get("Location"); p.StatusCode != c.status || (at == "http://127.0.0.1:8088/") != (c.status == 302) {
			t.Errorf("%s %s of %q is answered with %d to %q, want %d", c.method, c.path, c.accept, p.StatusCode, at, c.status)
		}
	}
}
