package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// registryClient asks a registry by the HTTP API of Nacos, as whoever has only its documentation. It logs in once.
type registryClient struct {
	base, password, token string
	http                  *http.Client
}

// registryAt is one for a registry at host:port; password is that of the user nacos, empty where nobody logs in.
func registryAt(address, password string) *registryClient {
	return &registryClient{base: "http://" + address + "/nacos/", password: password, http: client(address, true)}
}

// get asks for a path, and answers what data is to be read from.
func (r *registryClient) get(path string, data any) error {
	if r.token == "" && r.password != "" {
		answer, err := r.http.PostForm(r.base+"v1/auth/login", url.Values{"username": {"nacos"}, "password": {r.password}})
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		var login struct{ AccessToken string }
		if err := json.NewDecoder(answer.Body).Decode(&login); err != nil {
			return fmt.Errorf("login: %s: %w", answer.Status, err)
		}
		r.token = login.AccessToken
	}
	a, err := get(r.http, r.base+path, "accessToken", r.token)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("%s: %d %s", path, a.status, a.body)
	}
	return json.Unmarshal([]byte(a.body), data)
}

// list returns the addresses of the healthy instances of a service, sorted.
func (r *registryClient) list(service string) ([]string, error) {
	var list struct {
		Hosts []struct {
			IP   string
			Port int
		}
	}
	if err := r.get("v1/ns/instance/list?healthyOnly=true&serviceName="+service, &list); err != nil {
		return nil, err
	}
	var out []string
	for _, h := range list.Hosts {
		out = append(out, fmt.Sprint(h.IP, ":", h.Port))
	}
	slices.Sort(out)
	return out, nil
}

// connections are how many clients the registry has itself.
func (r *registryClient) connections() (int, error) {
	var clients struct{ Data []string }
	err := r.get("v2/ns/client/list", &clients)
	return len(clients.Data), err
}

// vigil asks registries for a service again and again, and notes what they leave out.
type vigil struct {
	service string
	want    []string // addresses, sorted
	end     chan struct{}
	done    sync.WaitGroup

	mu      sync.Mutex
	asked   map[string]int       // answers of each registry
	lacking map[string]time.Time // what was left out, and when for the first time
}

// watchOver begins one. What a registry does not answer at all is not noted: it may have been killed.
func watchOver(t *testing.T, service string, want []string) *vigil {
	v := &vigil{service: service, want: want, end: make(chan struct{}), asked: map[string]int{}, lacking: map[string]time.Time{}}
	t.Cleanup(func() { v.ended() })
	return v
}

// over has another registry asked.
func (v *vigil) over(r *registryClient) {
	v.done.Go(func() {
		r.http.Timeout = time.Second
		defer r.http.CloseIdleConnections()
		for {
			have, err := r.list(v.service)
			if err == nil {
				v.note(r.base, have)
			}
			select {
			case <-v.end:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
}

func (v *vigil) note(from string, have []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked[from]++
	for _, a := range v.want {
		if _, found := slices.BinarySearch(have, a); !found {
			what := from + " leaves out " + a
			if _, known := v.lacking[what]; !known {
				v.lacking[what] = time.Now()
			}
		}
	}
}

// ended ends the vigil. It returns how many lists were read, and what was left out.
func (v *vigil) ended() (lists int, lacking []string) {
	select {
	case <-v.end:
	default:
		close(v.end)
	}
	v.done.Wait()
	for n := range maps.Values(v.asked) {
		lists += n
	}
	for what, at := range v.lacking {
		lacking = append(lacking, at.Format(time.TimeOnly)+" "+strings.TrimPrefix(what, "http://"))
	}
	slices.Sort(lacking)
	return lists, lacking
}
