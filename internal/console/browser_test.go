package console

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/explain"
	"paifang/internal/model"
)

// chromium is the browser, or the test is skipped.
func chromium(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no browser: `apt-get install chromium` has the console tested in one")
	return ""
}

// running is an installation in which something happens: each look at it finds more requests, and after the first one
// order-b has stopped and something is wrong.
type running struct {
	*adminapi.Local
	looks atomic.Int32
}

// perLook is how many requests a listener has had since the look before.
const perLook = 10

func (r *running) Traffic() []adminapi.Traffic {
	n := uint64(r.looks.Add(1))
	out := []adminapi.Traffic{
		{Part: adminapi.OfName, Name: "gateway.test", Unit: adminapi.Questions, Count: n, Latency: 0.05 * float64(n)},
		{Part: adminapi.OfListener, Name: "gateway/http", Unit: adminapi.Requests, Count: perLook * n, Latency: 25 * float64(n)},
		{Part: adminapi.OfRoute, Name: "springgw/order", Unit: adminapi.Requests, Count: perLook * n, Latency: 25 * float64(n)},
	}
	for _, c := range traffic() {
		c.Count, c.Errors, c.Refused, c.Latency = c.Count*n, c.Errors*n, c.Refused*n, c.Latency*float64(n)
		out = append(out, c)
	}
	return out
}

func (r *running) Pods() []explain.Pod {
	out := append([]explain.Pod(nil), r.Local.Generations.(generations).state.Running...)
	if r.looks.Load() > 0 {
		out[1].Ready, out[1].Reason = false, "stopped by hand"
	}
	return out
}

func (r *running) Diagnostics() []model.Diagnostic {
	if r.looks.Load() == 0 {
		return nil
	}
	return []model.Diagnostic{{Severity: model.Error, Code: "late", Message: `late <img src=x onerror="document.title='taken'"><script>document.title='taken'</script>`}}
}

// serve is the admin API with the console, as a process serves it. withoutScripts has the browser run none.
func serve(t *testing.T, withoutScripts bool) string {
	t.Helper()
	l := local()
	r := &running{Local: l}
	l.Carrier, l.Pods, l.Finders = r, r, []adminapi.Finder{r}
	api := adminapi.New(adminapi.Config{Reader: l, Explainer: l, Console: New(Config{Reader: l, Explainer: l})})
	if withoutScripts {
		// The switch that turns scripts off in a browser (--blink-settings=scriptEnabled=false) also turns off what takes the
		// screenshot. A sandbox does it for one page, in the standard's own words: scripting is disabled there.
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			api.Handler().ServeHTTP(addsPolicy{w}, r)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := api.Serve(ctx, listener); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() { stop(); done.Wait() })
	return "http://" + listener.Addr().String()
}

// addsPolicy adds a policy to the one that the page has: a browser obeys both.
type addsPolicy struct{ http.ResponseWriter }

func (w addsPolicy) Write(b []byte) (int, error) {
	if len(w.Header().Values("Content-Security-Policy")) == 1 {
		w.Header().Add("Content-Security-Policy", "sandbox allow-forms")
	}
	return w.ResponseWriter.Write(b)
}

// load has a browser load a page, live with it for some seconds, and returns what it has become. The screenshot is an artefact of
// the test: `go test -artifacts -outputdir DIR` keeps it.
func load(t *testing.T, name, target string, flags ...string) (dom string) {
	t.Helper()
	profile, err := os.MkdirTemp("", "paifang-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(profile) }) // the browser's last helper may still write there
	shot := filepath.Join(t.ArtifactDir(), "console-"+name+".png")
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--user-data-dir=" + profile, "--enable-logging=stderr",
		"--virtual-time-budget=12000", "--dump-dom", "--screenshot=" + shot}, flags...)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, chromium(t), append(args, target)...)
	cmd.WaitDelay = 5 * time.Second
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("the browser: %v\n%s", err, said.String())
	}
	for line := range strings.Lines(said.String()) {
		if strings.Contains(line, "CONSOLE") && !strings.Contains(line, "sandboxed") {
			t.Errorf("%s: the page complains: %s", name, line)
		}
	}
	checkShot(t, shot)
	return out.String()
}

// checkShot tells whether anything is to be seen on a screenshot.
func checkShot(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	colours := map[image.Point]bool{}
	for y := 0; y < picture.Bounds().Dy(); y += 3 {
		for x := 0; x < picture.Bounds().Dx(); x += 3 {
			r, g, b, _ := picture.At(x, y).RGBA()
			colours[image.Pt(int(r>>12), int(g>>12)<<4|int(b>>12))] = true
		}
	}
	if len(colours) < 12 {
		t.Errorf("%s shows %d colours", file, len(colours))
	}
}

// gatewayRequests is the number of requests that the page shows at the gateway.
func gatewayRequests(t *testing.T, dom string) int {
	t.Helper()
	m := regexp.MustCompile(`(?s)id="road-2-entry".*?<dd><span data-show="count">(\d+)</span>`).FindStringSubmatch(dom)
	if m == nil {
		t.Fatalf("there are no counts at the gateway in\n%s", dom)
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

const explained = "/?url=http://shop.test/order/42&url2=http://gateway.test/order/42"

// Counts, states and diagnostics change under the reader, who has loaded the page before any of it.
func TestBrowserKeepsPageLive(t *testing.T) {
	t.Parallel()
	var dom string
	for range 3 { // where the machine is busy, the browser's seconds may pass with too few looks
		if dom = load(t, "light", serve(t, false)+explained, "--window-size=1360,1900"); gatewayRequests(t, dom) >= 3*perLook {
			break
		}
	}
	d := parse(t, strings.TrimSpace(dom))
	if n := gatewayRequests(t, dom); n < 3*perLook {
		t.Errorf("the gateway shows %d requests after seconds of traffic", n)
	}
	mention(t, d.text, "live", "/s errors 0 average 2.50 ms", "order-b shop node-2 127.1.2.2:8080 not ready · stopped by hand", "1 error", "late <img src=x onerror=",
		"http://shop.test/order/42 takes road 1", "http://gateway.test/order/42 takes road 2")
	mention(t, dom, `<span id="pulse" role="status"`, `class="live"`, "<title>(1) Paifang · up</title>")
	if d.elements["img"] > 0 || strings.Contains(dom, "<title>taken") {
		t.Error("the text of a diagnostic became a part of the page")
	}
}

// Without scripts the page is what it was when it was made. The picture that is kept shows one column in dark colours.
func TestBrowserOnPhoneWithoutScripts(t *testing.T) {
	t.Parallel()
	dom := load(t, "phone-dark-without-scripts", serve(t, true)+"/?lang=zh&url=http://shop.test/order/42", "--window-size=500,2600", "--blink-settings=preferredColorScheme=0")
	d := parse(t, strings.TrimSpace(dom))
	if n := gatewayRequests(t, dom); n != perLook {
		t.Errorf("the gateway shows %d requests, want the %d of when the page was made", n, perLook)
	}
	mention(t, d.text, "截至", "刷新", "第一条路", "第二条路", "没有问题", "http://shop.test/order/42 takes road 1")
	if strings.Contains(dom, `class="live"`) {
		t.Error("a script ran")
	}
}
