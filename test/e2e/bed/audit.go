package bed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// Read is a list or a watch that the API server has answered.
type Read struct {
	// User is the whole name, as in system:serviceaccount:NAMESPACE:NAME, and From its address.
	User, From string
	Resource   string
	// Whole says that all objects were asked for: a list, or a watch that begins with one.
	Whole bool
	At    time.Time
}

// Reads are those of service accounts since a time, in their order.
func (c *Cluster) Reads(since time.Time) ([]Read, error) {
	text, err := os.ReadFile(c.auditLog())
	if err != nil {
		return nil, fmt.Errorf("bed: read the audit log: %w", err)
	}
	var out []Read
	for line := range bytes.Lines(text) {
		var e struct {
			Stage, Verb, RequestURI  string
			User                     struct{ Username string }
			SourceIPs                []string
			ObjectRef                struct{ Resource string }
			ResponseStatus           struct{ Code int }
			RequestReceivedTimestamp time.Time
		}
		if err := json.Unmarshal(line, &e); err != nil {
			continue // the API server was killed while it wrote
		}
		// A list is over when it is written, a watch counts when it has begun.
		stage := map[string]string{"list": "ResponseComplete", "watch": "ResponseStarted"}[e.Verb]
		if e.Stage != stage || e.ResponseStatus.Code != 200 || len(e.SourceIPs) == 0 || e.RequestReceivedTimestamp.Before(since) {
			continue
		}
		whole := e.Verb == "list" || bytes.Contains([]byte(e.RequestURI), []byte("sendInitialEvents=true"))
		out = append(out, Read{e.User.Username, e.SourceIPs[0], e.ObjectRef.Resource, whole, e.RequestReceivedTimestamp})
	}
	return out, nil
}
