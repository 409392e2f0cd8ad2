package app

import (
	"os"
	"strings"
	"testing"
)

// TestUpstreamPage asks the routes that the page about upstreams shows: what is tried again and how often, and what is too late.
func TestUpstreamPage(t *testing.T) {
	t.Parallel() // what is in it waits
	page, err := os.ReadFile("../../docs/upstreams.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(section string) string {
		_, rest, _ := strings.Cut(string(page), "\n## "+section+"\n")
		_, rest, ok := strings.Cut(rest, "```yaml\n")
		text, _, ends := strings.Cut(rest, "```")
		if !ok || !ends {
			t.Fatalf("%s has no block", section)
		}
		return text
	}
	const host, times = "> Host: shop.test", "GET /order HTTP/1.1"
	broken := func(status string) []string { return []string{getPage, host, "} HTTP/1.1 " + status} }
	askFilters(t, block("Retries"), "", [][]string{
		append(broken("503 Service Unavailable"), "*3 "+times, "< HTTP/1.1 503 Service Unavailable"),
		append(broken("429 Too Many Requests"), "*3 "+times, "< HTTP/1.1 429 Too Many Requests"),
		append(broken("500 Broken"), "*1 "+times, "< HTTP/1.1 500 Broken"),
		{"> POST /order HTTP/1.1", host, ">", "> body", "} HTTP/1.1 503 Service Unavailable", "*1 POST /order HTTP/1.1", "< HTTP/1.1 503 Service Unavailable"},
	}, false)
	timeouts := block("Timeouts")
	if !strings.Contains(timeouts, "response: 5s") || !strings.Contains(timeouts, "request: 20s") {
		t.Fatal(timeouts)
	}
	ok := []string{getPage, host, "< HTTP/1.1 200 OK"}
	askFilters(t, strings.Replace(timeouts, "response: 5s", "response: 200ms", 1), "", [][]string{ok,
		{getPage, host, "} DELAY 3000", "*1 " + times, "< HTTP/1.1 504 Gateway Timeout", "< X-Paifang-Reason: upstream-timeout"}}, false)
	askFilters(t, strings.Replace(timeouts, "request: 20s", "request: 200ms", 1), "", [][]string{ok,
		{getPage, host, "} DELAY 3000", "*1 " + times, "< HTTP/1.1 504 Gateway Timeout", "< X-Paifang-Reason: exchange-timeout"}}, false)
}
