package nacosapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry/auth"
	"paifang/internal/registry/config"
)

// answerType is what a request of a type is answered with when that fails; clients of configurations cannot read an
// ErrorResponse there.
func answerType(request string) string {
	switch request {
	case nacoswire.TypeConfigPublish:
		return nacoswire.TypeConfigPublishAnswer
	case nacoswire.TypeConfigQuery:
		return nacoswire.TypeConfigQueryAnswer
	case nacoswire.TypeConfigRemove:
		return nacoswire.TypeConfigRemoveAnswer
	case nacoswire.TypeConfigListen:
		return nacoswire.TypeConfigListenAnswer
	case nacoswire.TypeConfigFuzzyWatch:
		return nacoswire.TypeConfigFuzzyWatchAnswer
	}
	return nacoswire.TypeErrorAnswer
}

// caller is a unary request: who sent it on which session.
type caller struct {
	ctx context.Context
	x   *session
	id  string // of the request
	who auth.Identity
	key proof
}

func (s *Server) configStore() (*config.Store, error) {
	if s.cfg.Configs == nil {
		return nil, fmt.Errorf("nacosapi: %w: %w", errNoConfigs, config.ErrInvalid)
	}
	return s.cfg.Configs, nil
}

func (s *Server) publishConfig(c *caller, q nacoswire.ConfigPublishRequest) (*nacoswire.Payload, error) {
	store, err := s.configStore()
	if err != nil {
		return nil, err
	}
	if err := forAll(q.Addition["betaIps"], q.Addition["tag"]); err != nil {
		return nil, err
	}
	_, err = store.Publish(c.ctx, config.Item{
		ID: configIDOf(q.ConfigRef), Content: q.Content, Type: kindOf(q.Addition["type"]), App: q.Addition["appName"],
		Description: q.Addition["desc"], Tags: q.Addition["config_tags"], EncryptedKey: q.Addition["encryptedDataKey"],
		By: nacoswire.NonEmpty(c.who.User, q.Addition["src_user"]), From: c.x.conn.client,
	}, q.CASMD5)
	if err != nil {
		return nil, err
	}
	return nacoswire.NewPayload(nacoswire.TypeConfigPublishAnswer, nacoswire.OK(c.id))
}

func (s *Server) queryConfig(c *caller, q nacoswire.ConfigQueryRequest) (*nacoswire.Payload, error) {
	store, err := s.configStore()
	if err != nil {
		return nil, err
	}
	item, _, err := store.Get(c.ctx, configIDOf(q.ConfigRef))
	if q.Tag != "" { // there are none, and what is for everybody is not what was asked for
		err = config.ErrUnknown
	}
	if errors.Is(err, config.ErrUnknown) { // what a client asks for at its start may well be missing: nothing to complain of
		return nacoswire.NewPayload(nacoswire.TypeConfigQueryAnswer, nacoswire.ConfigQueryResponse{
			Response: nacoswire.Fail(c.id, nacoswire.ErrorConfigUnknown, "config data not exist"),
		})
	}
	if err != nil {
		return nil, err
	}
	return nacoswire.NewPayload(nacoswire.TypeConfigQueryAnswer, renderConfig(c.id, item))
}

func renderConfig(id string, item config.Item) nacoswire.ConfigQueryResponse {
	return nacoswire.ConfigQueryResponse{
		Response: nacoswire.OK(id), Content: item.Content, MD5: item.MD5, ContentType: item.Type,
		LastModified: item.Modified.UnixMilli(), EncryptedKey: item.EncryptedKey,
	}
}

func (s *Server) removeConfig(c *caller, q nacoswire.ConfigQueryRequest) (*nacoswire.Payload, error) {
	store, err := s.configStore()
	if err != nil {
		return nil, err
	}
	if err := forAll("", q.Tag); err != nil {
		return nil, err
	}
	if _, err := store.Remove(c.ctx, configIDOf(q.ConfigRef), c.who.User, c.x.conn.client); err != nil {
		return nil, err
	}
	return nacoswire.NewPayload(nacoswire.TypeConfigRemoveAnswer, nacoswire.OK(c.id))
}

// listening is what a client says of a configuration that it listens to.
type listening struct {
	tenant string // the namespace as it calls it
	md5    string // of what it has
}

// listenConfigs begins or ends listening, and answers with the configurations of which the client has not the present content.
func (s *Server) listenConfigs(c *caller, q nacoswire.ConfigListenRequest) (*nacoswire.Payload, error) {
	store, err := s.configStore()
	if err != nil {
		return nil, err
	}
	allowed := map[string]bool{}
	for _, one := range q.Contexts {
		id := configIDOf(one.ConfigRef)
		if !allowed[id.Namespace] {
			if _, err := s.allow(c.ctx, c.key, reads, id.Namespace); err != nil {
				return nil, err
			}
			allowed[id.Namespace] = true
			c.x.conn.room().know()
		}
	}
	out := nacoswire.ConfigListenResponse{Response: nacoswire.OK(c.id), Changed: []nacoswire.ConfigRef{}}
	x := c.x
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.configs == nil {
		x.configs = store.Watch()
		x.rouse()
	}
	for _, one := range q.Contexts {
		id := configIDOf(one.ConfigRef)
		if !q.Listen {
			delete(x.tenants, id)
			x.notices.remove(id)
			x.configs.Remove(id)
			continue
		}
		if err := id.Validate(); err != nil {
			return nil, err
		}
		if _, ok := x.tenants[id]; !ok && len(x.tenants) >= s.cfg.MaxSubscriptions {
			return nil, fmt.Errorf("nacosapi: listen to %s: this connection listens to %d: %w", id, len(x.tenants), config.ErrLimit)
		}
		x.tenants[id] = listening{one.Tenant, one.MD5}
		x.notices.watch(id)
		if x.configs.Add(id) != one.MD5 {
			out.Changed = append(out.Changed, one.ConfigRef)
		}
	}
	return nacoswire.NewPayload(nacoswire.TypeConfigListenAnswer, out)
}

// configsChanged notes configurations to be told of.
func (x *session) configsChanged(ids []config.ID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, id := range ids {
		x.notices.changed(id)
	}
}

// notify tells of a change, with the namespace as the client calls it.
func (x *session) notify(id config.ID, request string, now time.Time, cfg *Config) (*nacoswire.Payload, error) {
	x.mu.Lock()
	x.notices.sent(id, request, now, cfg)
	ref := nacoswire.ConfigRef{DataID: id.Name, Group: id.Group, Tenant: x.tenants[id].tenant}
	x.mu.Unlock()
	return nacoswire.NewPayload(nacoswire.TypeConfigChange, nacoswire.ConfigChangeRequest{
		Request: nacoswire.Request{RequestID: request, Module: nacoswire.ModuleConfig}, ConfigRef: ref,
	})
}
