package nacosapi

import (
	"context"
	"errors"
	"fmt"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// request answers a unary request. Errors of the protocol are answers too: gRPC's own status stays OK.
func (s *Server) request(ctx context.Context, p *nacoswire.Payload) (*nacoswire.Payload, error) {
	c := connectionOf(ctx)
	if c == nil {
		return refuse("", nacoswire.ErrorServer, "no connection")
	}
	head, err := nacoswire.Decode[nacoswire.Request](p)
	if err != nil {
		s.log.warn(p.Type, c.client, err)
		return refuse("", nacoswire.ErrorUnparsable, err.Error())
	}
	if _, ok := s.provider.Current(); !ok {
		return refuse(head.RequestID, nacoswire.ErrorStarting, "the registry is not running")
	}
	if p.Type == nacoswire.TypeServerCheck {
		return nacoswire.NewPayload(nacoswire.TypeServerCheckAnswer, nacoswire.ServerCheckResponse{
			Response: nacoswire.OK(head.RequestID), ConnectionID: c.id, SupportAbilityNegotiation: true,
		})
	}
	x := c.session.Load()
	if x == nil {
		return refuse(head.RequestID, nacoswire.ErrorUnregistered, "Connection is unregistered.")
	}
	x.active()
	out, err := s.dispatch(&caller{ctx: ctx, x: x, id: head.RequestID, key: proof{token: p.Headers["accessToken"]}}, p)
	if err != nil {
		s.log.warn(p.Type, c.client, err)
		return nacoswire.NewPayload(answerType(p.Type), nacoswire.Fail(head.RequestID, errorCode(err), err.Error()))
	}
	return out, nil
}

// dispatch knows every type of request. What a request needs is asked for here, once, before anything is done.
func (s *Server) dispatch(c *caller, p *nacoswire.Payload) (*nacoswire.Payload, error) {
	x, id := c.x, c.id
	n, namespace, err := grpcNeed(p)
	if err != nil {
		return nil, err
	}
	if c.who, err = s.allow(c.ctx, c.key, n, namespace); err != nil {
		return nil, err
	}
	switch p.Type {
	case nacoswire.TypeHealthCheck:
		return nacoswire.NewPayload(nacoswire.TypeHealthCheckAnswer, nacoswire.OK(id))
	case nacoswire.TypeInstance:
		return handle(p, func(q nacoswire.InstanceRequest) (*nacoswire.Payload, error) { return s.instance(x, q, id) })
	case nacoswire.TypePersistent:
		return handle(p, func(q nacoswire.InstanceRequest) (*nacoswire.Payload, error) { return x.persistent(q, id) })
	case nacoswire.TypeBatchInstance:
		return handle(p, func(q nacoswire.BatchInstanceRequest) (*nacoswire.Payload, error) { return s.batch(x, q, id) })
	case nacoswire.TypeServiceQuery:
		return handle(p, func(q nacoswire.ServiceQueryRequest) (*nacoswire.Payload, error) { return x.query(q, id) })
	case nacoswire.TypeServiceList:
		return handle(p, func(q nacoswire.ServiceListRequest) (*nacoswire.Payload, error) { return x.list(q, id) })
	case nacoswire.TypeSubscribeService:
		return handle(p, func(q nacoswire.SubscribeServiceRequest) (*nacoswire.Payload, error) { return s.subscription(x, q, id) })
	case nacoswire.TypeFuzzyWatch:
		return handle(p, func(q nacoswire.FuzzyWatchRequest) (*nacoswire.Payload, error) { return x.watchFuzzy(q, id) })
	case nacoswire.TypeConfigPublish:
		return handle(p, func(q nacoswire.ConfigPublishRequest) (*nacoswire.Payload, error) { return s.publishConfig(c, q) })
	case nacoswire.TypeConfigQuery:
		return handle(p, func(q nacoswire.ConfigQueryRequest) (*nacoswire.Payload, error) { return s.queryConfig(c, q) })
	case nacoswire.TypeConfigRemove:
		return handle(p, func(q nacoswire.ConfigQueryRequest) (*nacoswire.Payload, error) { return s.removeConfig(c, q) })
	case nacoswire.TypeConfigListen:
		return handle(p, func(q nacoswire.ConfigListenRequest) (*nacoswire.Payload, error) { return s.listenConfigs(c, q) })
	}
	return refuse(id, nacoswire.ErrorNoHandler, fmt.Sprintf("RequestHandler Not Found: %.64q", p.Type))
}

// handle decodes a request for its handler.
func handle[Q any](p *nacoswire.Payload, f func(Q) (*nacoswire.Payload, error)) (*nacoswire.Payload, error) {
	q, err := nacoswire.Decode[Q](p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnparsable, err)
	}
	return f(q)
}

// instance publishes the one instance of this connection for a service, or takes back what it published.
func (s *Server) instance(x *session, q nacoswire.InstanceRequest, id string) (*nacoswire.Payload, error) {
	key := serviceKey(q.Namespace, q.GroupName, q.ServiceName)
	switch q.Type {
	case nacoswire.RegisterInstance:
		if err := s.publish(x, key, []nacoswire.Instance{q.Instance}); err != nil {
			return nil, err
		}
	case nacoswire.DeregisterInstance: // whatever instance it names: that is how Nacos does it
		if err := x.owner.Withdraw(key); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("nacosapi: Unsupported request type %.64q: %w", q.Type, registry.ErrInvalid)
	}
	return nacoswire.NewPayload(nacoswire.TypeInstanceAnswer, nacoswire.InstanceResponse{Response: nacoswire.OK(id), Type: q.Type})
}

// persistent registers an instance that stays, or takes it away; the connection has no part in it.
func (x *session) persistent(q nacoswire.InstanceRequest, id string) (*nacoswire.Payload, error) {
	key := serviceKey(q.Namespace, q.GroupName, q.ServiceName)
	q.Instance.Ephemeral = false
	in, err := parseInstance(q.Instance)
	if err != nil {
		return nil, err
	}
	switch q.Type {
	case nacoswire.RegisterInstance:
		err = x.registry.Register(key, in)
	case nacoswire.DeregisterInstance:
		_, err = x.registry.Deregister(key, in.Addr)
	default:
		err = fmt.Errorf("nacosapi: Unsupported request type %.64q: %w", q.Type, registry.ErrInvalid)
	}
	if err != nil {
		return nil, err
	}
	return nacoswire.NewPayload(nacoswire.TypeInstanceAnswer, nacoswire.InstanceResponse{Response: nacoswire.OK(id), Type: q.Type})
}

// batch publishes a set, which replaces the one before.
func (s *Server) batch(x *session, q nacoswire.BatchInstanceRequest, id string) (*nacoswire.Payload, error) {
	if q.Type != nacoswire.BatchRegisterInstance {
		return nil, fmt.Errorf("nacosapi: Unsupported request type %.64q: %w", q.Type, registry.ErrInvalid)
	}
	if err := s.publish(x, serviceKey(q.Namespace, q.GroupName, q.ServiceName), q.Instances); err != nil {
		return nil, err
	}
	return nacoswire.NewPayload(nacoswire.TypeBatchInstanceAnswer, nacoswire.InstanceResponse{Response: nacoswire.OK(id), Type: q.Type})
}

func (s *Server) publish(x *session, key registry.Key, instances []nacoswire.Instance) error {
	if n := x.owner.Services(); n >= s.cfg.MaxPublished && !x.owner.Publishes(key) {
		return fmt.Errorf("nacosapi: register %s: this connection has %d services: %w", key, n, registry.ErrLimit)
	}
	list := make([]registry.Instance, 0, len(instances))
	for _, in := range instances {
		i, err := parseInstance(in)
		if err != nil {
			return err
		}
		list = append(list, i)
	}
	return x.owner.Publish(key, list)
}

func (x *session) query(q nacoswire.ServiceQueryRequest, id string) (*nacoswire.Payload, error) {
	key := serviceKey(q.Namespace, q.GroupName, q.ServiceName)
	if err := key.Validate(); err != nil {
		return nil, err
	}
	return nacoswire.NewPayload(nacoswire.TypeServiceQueryAnswer, nacoswire.ServiceResponse{
		Response: nacoswire.OK(id), ServiceInfo: render(x.registry.View(key), filter{q.Cluster, q.HealthyOnly}),
	})
}

func (x *session) list(q nacoswire.ServiceListRequest, id string) (*nacoswire.Payload, error) {
	names := x.registry.Services(
		nacoswire.NonEmpty(q.Namespace, nacoswire.PublicNamespace), nacoswire.NonEmpty(q.GroupName, nacoswire.DefaultGroup),
	)
	return nacoswire.NewPayload(nacoswire.TypeServiceListAnswer, nacoswire.ServiceListResponse{
		Response: nacoswire.OK(id), Count: len(names), ServiceNames: page(names, q.PageNo, q.PageSize),
	})
}

func (s *Server) subscription(x *session, q nacoswire.SubscribeServiceRequest, id string) (*nacoswire.Payload, error) {
	key := serviceKey(q.Namespace, q.GroupName, q.ServiceName)
	if err := key.Validate(); err != nil {
		return nil, err
	}
	var view *registry.View
	if q.Subscribe {
		var err error
		if view, err = x.subscribe(key, q.Clusters, &s.cfg); err != nil {
			return nil, err
		}
	} else {
		x.unsubscribe(key)
		view = x.registry.View(key)
	}
	return nacoswire.NewPayload(nacoswire.TypeSubscribeAnswer, nacoswire.ServiceResponse{
		Response: nacoswire.OK(id), ServiceInfo: render(view, filter{clusters: q.Clusters}),
	})
}

var errUnparsable = errors.New("nacosapi: body cannot be read")

// refuse is an ErrorResponse.
func refuse(id string, code int, message string) (*nacoswire.Payload, error) {
	return nacoswire.NewPayload(nacoswire.TypeErrorAnswer, nacoswire.Fail(id, code, message))
}
