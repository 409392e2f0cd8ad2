package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// registry is a Register in memory.
type registry struct {
	mu      sync.Mutex
	names   []string
	data    map[string][]byte
	version int
	trusted []byte
	failure error // of Save
}

func (r *registry) Names(context.Context) ([]string, error) { return r.names, nil }

func (r *registry) Load(context.Context) (map[string][]byte, string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.data), strconv.Itoa(r.version), nil
}

func (r *registry) Save(_ context.Context, data map[string][]byte, version string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != nil {
		return r.failure
	}
	if version != strconv.Itoa(r.version) {
		return apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, "webhook", nil)
	}
	r.data = data
	r.version++
	return nil
}

func (r *registry) Trust(_ context.Context, bundle []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trusted = bundle
	return nil
}

// trusts tells whether a client that trusts what the registration says takes a certificate for a name.
func (r *registry) trusts(t *testing.T, c *tls.Certificate, name string, at time.Time) bool {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(r.trusted) {
		t.Fatal("nothing is trusted")
	}
	_, err := c.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: at})
	return err == nil
}

func TestReplicasShareACertificate(t *testing.T) {
	const name, other = "hook.paifang.svc", "hook.other.svc"
	r := &registry{names: []string{name}}
	one, two := &registered{at: r}, &registered{at: r}
	if _, err := one.get(nil); err == nil {
		t.Error("there is a certificate before any was made")
	}
	now := time.Now()
	look := func(which *registered, at time.Time) *tls.Certificate {
		t.Helper()
		if err := which.look(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		c, err := which.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := look(one, now)
	if !r.trusts(t, first, name, now) || r.trusts(t, first, other, now) {
		t.Error("the certificate is not one for its name alone")
	}
	if second := look(two, now); !second.Leaf.Equal(first.Leaf) || r.version != 1 {
		t.Errorf("the second replica made one of its own: version %d", r.version)
	}
	if again := look(one, now.Add(certificateLife/2)); !again.Leaf.Equal(first.Leaf) {
		t.Error("a certificate is replaced in the middle of its life")
	}

	// In its last third it is replaced, and the authority that is trusted stays.
	trusted := string(r.trusted)
	late := now.Add(certificateLife * 3 / 4)
	next := look(one, late)
	if next.Leaf.Equal(first.Leaf) || string(r.trusted) != trusted || !r.trusts(t, next, name, late) || !r.trusts(t, first, name, late) {
		t.Error("a renewed certificate is not one of the same authority")
	}
	r.names = []string{name, other}
	if c := look(one, late); !r.trusts(t, c, other, late) || string(r.trusted) != trusted {
		t.Error("another name has no certificate of the same authority")
	}
	end := now.Add(authorityLife - certificateLife/2)
	if c := look(one, end); string(r.trusted) == trusted || !r.trusts(t, c, name, end) {
		t.Error("an authority near its end was not replaced")
	}
	r.mu.Lock()
	r.data = map[string][]byte{fileCert: []byte("broken"), fileCA: []byte("broken")}
	r.mu.Unlock()
	if c := look(two, now); !r.trusts(t, c, name, now) {
		t.Error("what cannot be read was not replaced")
	}
}

// TestOldCertificateIsBetterThanNone has a replica that may not write serve what it found.
func TestOldCertificateIsBetterThanNone(t *testing.T) {
	r := &registry{names: []string{"hook.paifang.svc"}}
	now := time.Now()
	if err := (&registered{at: r}).look(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	r.failure = errors.New("forbidden")
	late := &registered{at: r}
	if err := late.look(t.Context(), now.Add(certificateLife*3/4)); !errors.Is(err, r.failure) {
		t.Errorf("look: %v", err)
	}
	if _, err := late.get(nil); err != nil {
		t.Error(err)
	}
	// One who lost a race takes what the other one saved, the next time.
	r.failure = nil
	raced := &registered{at: &lost{r, 1}}
	if err := raced.look(t.Context(), now.Add(certificateLife*3/4)); !apierrors.IsConflict(err) {
		t.Errorf("look of the slower one: %v", err)
	}
	if err := raced.look(t.Context(), now.Add(certificateLife*3/4)); err != nil {
		t.Error(err)
	}
}

// lost is a registry where another replica saves first, for so many times.
type lost struct {
	*registry
	times int
}

func (l *lost) Save(ctx context.Context, data map[string][]byte, version string) error {
	if l.times > 0 {
		l.times--
		if err := (&registered{at: l.registry}).look(ctx, time.Now().Add(certificateLife*3/4)); err != nil {
			return err
		}
	}
	return l.registry.Save(ctx, data, version)
}

// TestServesItsOwnCertificate runs a server, and a client that trusts what was registered.
func TestServesItsOwnCertificate(t *testing.T) {
	r := &registry{names: []string{"hook.paifang.svc"}}
	s, err := Listen(Config{Address: netip.MustParseAddrPort("127.0.0.1:0"), Register: r, Source: &judged{}, Judge: (&judged{}).judge, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer func() { cancel(); running.Wait() }()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		r.mu.Lock()
		trusted := r.trusted
		r.mu.Unlock()
		if trusted != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was registered")
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.trusted)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "hook.paifang.svc"}}
	defer transport.CloseIdleConnections()
	if status, got := post(t, "https://"+s.Address().String()+Path, &http.Client{Transport: transport, Timeout: 5 * time.Second}, asked); status != http.StatusOK || !got.Allowed {
		t.Errorf("%d %+v", status, got)
	}
}
