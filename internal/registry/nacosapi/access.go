package nacosapi

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"

	"paifang/internal/nacoswire"
	"paifang/internal/registry/auth"
)

// need is what a caller must be allowed to do.
type need int

const (
	open   need = iota // nothing
	reads              // read in the namespace
	writes             // write in it
	admin              // everything: users, roles, namespaces
	knows              // log in
)

// proof is what a request brings to tell who sent it.
type proof struct {
	token              string
	username, password string // some clients send these with every request
}

func httpProof(c *call) proof {
	k := proof{c.q.Get("accessToken"), c.q.Get("username"), c.q.Get("password")}
	if t := c.r.Header.Get("accessToken"); k.token == "" {
		k.token = t
	}
	if t, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer "); ok {
		k.token = t
	}
	return k
}

// allow tells whether the caller may do what is needed, and who it is. Without authentication everybody may do everything; what is
// about users, of whom there are none, refuses by itself.
func (s *Server) allow(ctx context.Context, k proof, n need, namespace string) (auth.Identity, error) {
	a := s.cfg.Auth
	if n == open {
		return auth.Identity{}, nil
	}
	if a == nil {
		return auth.Identity{}, nil
	}
	who, err := s.identify(ctx, k)
	if err != nil {
		return who, err
	}
	switch n {
	case reads:
		err = who.May(auth.Read, namespace)
	case writes:
		err = who.May(auth.Write, namespace)
	case admin:
		if !who.Admin {
			err = fmt.Errorf("nacosapi: user %q is no administrator: %w", who.User, auth.ErrForbidden)
		}
	}
	return who, err
}

func (s *Server) identify(ctx context.Context, k proof) (auth.Identity, error) {
	if k.token != "" || k.username == "" {
		return s.cfg.Auth.Identify(k.token)
	}
	key := sha256.Sum256([]byte(k.username + "\x00" + k.password))
	if token, ok := s.logins.get(key); ok {
		if who, err := s.cfg.Auth.Identify(token); err == nil {
			return who, nil
		}
	}
	g, err := s.cfg.Auth.Login(ctx, k.username, k.password)
	if err != nil {
		return auth.Identity{}, err
	}
	s.logins.put(key, g.Token)
	return s.cfg.Auth.Identify(g.Token)
}

// logins remembers the tokens of those who send name and password with every request: checking a password takes as long as a
// thousand requests. A token that ended, or whose password was changed, is asked for again.
type logins struct {
	mu     sync.Mutex
	tokens map[[sha256.Size]byte]string
}

const maxLogins = 1_000

func (l *logins) get(key [sha256.Size]byte) (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	token, ok := l.tokens[key]
	return token, ok
}

func (l *logins) put(key [sha256.Size]byte, token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tokens == nil || len(l.tokens) >= maxLogins {
		l.tokens = map[[sha256.Size]byte]string{}
	}
	l.tokens[key] = token
}

// login is the answer to one, of all versions.
type login struct {
	AccessToken string `json:"accessToken"`
	TokenTTL    int    `json:"tokenTtl"` // seconds
	GlobalAdmin bool   `json:"globalAdmin"`
	Username    string `json:"username"`
}

// logIn answers, while authentication is off, as Nacos does then: any user gets the same word, which nobody checks.
func logIn(c call) (any, error) {
	name := c.q.Get("username")
	if c.server.cfg.Auth == nil {
		return login{"AUTH_DISABLED", 18_000, false, name}, nil
	}
	g, err := c.server.cfg.Auth.Login(c.r.Context(), name, c.q.Get("password"))
	if err != nil {
		return nil, err
	}
	return login{g.Token, int(g.TTL.Seconds()), g.Admin, g.User}, nil
}

// grpcNeed is what a request of a type needs, and the namespace that it is about.
func grpcNeed(typ string, is nacoswire.Head) (need, string, error) {
	var n need
	switch typ {
	case nacoswire.TypeInstance, nacoswire.TypeBatchInstance, nacoswire.TypePersistent, nacoswire.TypeConfigPublish, nacoswire.TypeConfigRemove:
		n = writes
	case nacoswire.TypeServiceQuery, nacoswire.TypeServiceList, nacoswire.TypeSubscribeService, nacoswire.TypeFuzzyWatch,
		nacoswire.TypeConfigFuzzyWatch, nacoswire.TypeConfigQuery:
		n = reads
	default: // those that are about no namespace; a ConfigBatchListenRequest may be about several
		return open, "", nil
	}
	switch typ {
	case nacoswire.TypeConfigPublish, nacoswire.TypeConfigRemove, nacoswire.TypeConfigQuery:
		is.Namespace = is.Tenant
	case nacoswire.TypeFuzzyWatch, nacoswire.TypeConfigFuzzyWatch:
		pattern, err := nacoswire.ParseFuzzyPattern(is.Pattern)
		if err != nil {
			return n, "", invalid(err)
		}
		is.Namespace = pattern.Namespace
	}
	return n, nacoswire.NonEmpty(is.Namespace, nacoswire.PublicNamespace), nil
}
