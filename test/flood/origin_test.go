package flood

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// runOrigin is the server behind those that are attacked. It answers a request when it has read it: something short, and
// something long where /big is asked for.
func runOrigin(at string) int {
	limit()
	short, long := strings.Repeat("x", 100), strings.Repeat("x", 256<<10)
	server := &http.Server{Addr: at, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/big" {
			_, _ = io.WriteString(w, long)
			return
		}
		_, _ = io.WriteString(w, short)
	})}
	fmt.Println(server.ListenAndServe())
	return 1
}
