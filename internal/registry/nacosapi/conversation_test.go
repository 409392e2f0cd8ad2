package nacosapi

import (
	"bufio"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/config"
	"paifang/internal/registry/storage"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/conversations and testdata/http")

// What official clients really send was recorded: each file is one connection of one client, in its order. Lines with > are requests,
// >> is the setup on the stream; what is answered stands below each. -update rewrites the answers, and never the requests.
func TestConversations(t *testing.T) { replay(t, "conversations", converse) }

// replay has every conversation of a directory again, and compares answers with those of before.
func replay(t *testing.T, dir string, converse func(*testing.T, string) string) {
	files, err := filepath.Glob("testdata/" + dir + "/*.txt")
	must(t, err)
	if len(files) == 0 {
		t.Fatal("there are no conversations")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			must(t, err)
			got := converse(t, string(b))
			if *update {
				must(t, os.WriteFile(file, []byte(got), 0o600))
				return
			}
			if got != string(b) {
				t.Errorf("it goes otherwise than before:\n%s", got)
			}
		})
	}
}

func converse(t *testing.T, text string) string {
	t.Helper()
	s, err := config.Open(t.Context(), storage.NewMemory(), config.Options{})
	must(t, err)
	defer s.Close()
	f := serve(t, Config{Configs: s, Confirm: time.Hour, Ack: time.Hour}, registry.Options{Addresses: registry.AddressRule{Also: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	c := dial(t, f.grpc)
	var out strings.Builder
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		mark, rest, _ := strings.Cut(lines.Text(), " ")
		typ, body, _ := strings.Cut(rest, " ")
		p := &nacoswire.Payload{Type: typ, Body: []byte(body)}
		switch mark {
		case ">":
			out.WriteString(lines.Text() + "\n" + answered("<", c.call(p)))
		case ">>":
			out.WriteString(lines.Text() + "\n")
			c.ClientStream, err = c.conn.NewStream(c.ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, nacoswire.FullStreamMethod)
			must(t, err)
			must(t, c.SendMsg(p))
			if !strings.Contains(body, `"abilityTable"`) { // an older client, which gets no acknowledgement
				eventually(t, "set up", func() bool {
					return c.request(nacoswire.TypeHealthCheck, nacoswire.Request{}).Type == nacoswire.TypeHealthCheckAnswer
				})
				continue
			}
			ack := new(nacoswire.Payload)
			must(t, c.RecvMsg(ack))
			out.WriteString(answered("<<", ack))
		case "<", "<<":
		default:
			out.WriteString(lines.Text() + "\n") // a remark
		}
	}
	must(t, lines.Err())
	return out.String()
}

// answered writes an answer without what is another each time.
func answered(mark string, p *nacoswire.Payload) string {
	body := regexp.MustCompile(`"connectionId":"[^"]*"`).ReplaceAllString(string(p.Body), `"connectionId":"…"`)
	body = regexp.MustCompile(`\b1[0-9]{12}\b`).ReplaceAllString(body, "0")
	return mark + " " + p.Type + " " + body + "\n"
}
