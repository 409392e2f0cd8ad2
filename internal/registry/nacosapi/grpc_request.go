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
	deepen(len(p.Body) % 8)
	c := connectionOf(ctx)
	if c == nil {
		return refuse("", nacoswire.ErrorServer, "no connection")
	}
	head, bad := nacoswire.Decode[nacoswire.Head](p)
	if _, ok := s.provider.Current(); !ok {
		return refuse(head.RequestID, nacoswire.ErrorStarting, "the registry is not running")
	}
	if p.Type == nacoswire.TypeServerCheck {
		return nacoswire.NewPayload(nacoswire.TypeServerCheckAnswer, nacoswire.ServerCheckResponse{
			Response: nacoswire.OK(head.RequestID), ConnectionID: c.id, SupportAbilityNegotiation: true,
		})
	}
	do := handlerOf(p.Type)
	if do == nil {
		s.log.warn("gRPC", c.client, fmt.Errorf("nacosapi: no handler of requests %.64q", p.Type))
		return refuse(head.RequestID, nacoswire.ErrorNoHandler, "RequestHandler Not Found")
	}
	x := c.session.Load()
	if x == nil {
		return refuse(head.RequestID, nacoswire.ErrorUnregistered, "Connection is unregistered.")
	}
	if bad != nil {
		s.log.warn(p.Type, c.client, bad)
		return refuse("", nacoswire.ErrorUnparsable, bad.Error())
	}
	x.active()
	out, err := s.dispatch(&caller{ctx: ctx, x: x, id: head.RequestID, key: proof{token: p.Headers["accessToken"]}}, p, head, do)
	if err != nil {
		s.log.warn(p.Type, c.client, err)
		return nacoswire.NewPayload(answerType(p.Type), nacoswire.Fail(head.RequestID, errorCode(err), err.Error()))
	}
	return out, nil
}

// deepen has the goroutine's stack grow at once to what most requests need: gRPC starts one for each, and step by step the stack would be copied
// three times.
//
//go:noinline
func deepen(depth int) byte {
	var room [10 << 10]byte
	return room[depth]
}

// dispatch answers a request. What it needs is asked for here, once, before anything is done.
func (s *Server) dispatch(c *caller, p *nacoswire.Payload, head nacoswire.Head, do requestHandler) (*nacoswire.Payload, error) {
	n, namespace, err := grpcNeed(p.Type, head)
	if err != nil {
		return nil, err
	}
	if c.who, err = s.allow(c.ctx, c.key, n, namespace); err != nil {
		return nil, err
	}
	if n != open || s.cfg.Auth == nil {
		c.x.conn.room().know()
	}
	return do(s, c, p)
}

// requestHandler answers requests of one type.
type requestHandler func(*Server, *caller, *nacoswire.Payload) (*nacoswire.Payload, error)

// handlerOf knows every type of request; nil: it is not one, or one between servers.
func handlerOf(typ string) requestHandler {
	switch typ {
	case nacoswire.TypeHealthCheck:
		return func(_ *Server, c *caller, _ *nacoswire.Payload) (*nacoswire.Payload, error) {
			return nacoswire.NewPayload(nacoswire.TypeHealthCheckAnswer, nacoswire.OK(c.id))
		}
	case nacoswire.TypeInstance:
		return handle((*Server).instance)
	case nacoswire.TypePersistent:
		return handle((*Server).persistent)
	case nacoswire.TypeBatchInstance:
		return handle((*Server).batch)
	case nacoswire.TypeServiceQuery:
		return handle((*Server).query)
	case nacoswire.TypeServiceList:
		return handle((*Server).list)
	case nacoswire.TypeSubscribeService:
		return handle((*Server).subscription)
	case nacoswire.TypeFuzzyWatch:
		return handle((*Server).watchServices)
	case nacoswire.TypeConfigFuzzyWatch:
		return handle((*Server).watchConfigs)
	case nacoswire.TypeConfigPublish:
		return handle((*Server).publishConfig)
	case nacoswire.TypeConfigQuery:
		return handle((*Server).queryConfig)
	case nacoswire.TypeConfigRemove:
		return handle((*Server).removeConfig)
	case nacoswire.TypeConfigListen:
		return handle((*Server).listenConfigs)
	}
	return nil
}

// handle decodes a request for its handler.
func handle[Q any](f func(*Server, *caller, Q) (*nacoswire.Payload, error)) requestHandler {
	return func(s *Server, c *caller, p *nacoswire.Payload) (*nacoswire.Payload, error) {
		q, err := nacoswire.Decode[Q](p)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUnparsable, err)
		}
		return f(s, c, q)
	}
}

// instance publishes the one instance of this connection for a service, or takes back what it published.
func (s *Server) instance(c *caller, q nacoswire.InstanceRequest) (*nacoswire.Payload, error) {
	key := serviceKey(q.Namespace, q.GroupName, q.ServiceName)
	switch q.Type {
	case nacoswire.RegisterInstance:
		if err := s.publish(c.x, key, []nacoswire.Instance{q.Instance}); err != nil {
			return nil, err
		}
	case nacoswire.DeregisterInstance: // whatever instance it names: that is how Nacos does it
		if err := c.x.owner.Withdraw(key); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("nacosapi: Unsupported request type %.64q: %w", q.Type, registry.ErrInvalid)
	}
	return nacoswire.NewPayload(nacoswire.TypeInstanceAnswer, nacoswire.InstanceResponse{Response: nacoswire.OK(c.id), Type: q.Type})
}

// persistent registers an instance that stays, or takes it away; the connection has no part in it.
func (s *Server) persistent(c *caller, q nacoswire.InstanceRequest) (*nacoswire.Payload, error) {
	key := serviceKey(q.Namespace, q.GroupName, q.ServiceName)
	q.Instance.Ephemeral = false
	in, err := parseInstance(q.Instance)
	if err != nil {
		return nil, err
	}
	switch q.Type {
	case nacoswire.RegisterInstance:
		err = c.x.registry.Register(key, in)
	case nacoswire.DeregisterInstance:
		_, err = c.x.registry.DeregisterKind(key, in.Addr, false)
	default:
		err = fmt.Errorf("nacosapi: Unsupported request type %.64q: %w", q.Type, registry.ErrInvalid)
	}
	if err != nil {
		return nil, err
	}
	return nacoswire.NewPayload(nacoswire.TypeInstanceAnswer, nacoswire.InstanceResponse{Response: nacoswire.OK(c.id), Type: q.Type})
}

// batch publishes a set, which replaces the one before.
func (s *Server) batch(c *caller, q nacoswire.BatchInstanceRequest) (*nacoswire.Payload, error) {
	if q.Type != nacoswire.BatchRegisterInstance {
		return nil, fmt.Errorf("nacosapi: Unsupported request type %.64q: %w", q.Type, registry.ErrInvalid)
	}
	if err := s.publish(c.x, serviceKey(q.Namespace, q.GroupName, q.ServiceName), q.Instances); err != nil {
		return nil, err
	}
	return nacoswire.NewPayload(nacoswire.TypeBatchInstanceAnswer, nacoswire.InstanceResponse{Response: nacoswire.OK(c.id), Type: q.Type})
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

func (s *Server) query(c *caller, q nacoswire.ServiceQueryRequest) (*nacoswire.Payload, error) {
	key := serviceKey(q.Namespace, q.GroupName, q.ServiceName)
	if err := key.Validate(); err != nil {
		return nil, err
	}
	answer := nacoswire.ServiceResponse{Response: nacoswire.OK(c.id), ServiceInfo: render(c.x.registry.View(key), filter{clusters: q.Cluster, healthyOnly: q.HealthyOnly})}
	return answer.Payload(nacoswire.TypeServiceQueryAnswer)
}

func (s *Server) list(c *caller, q nacoswire.ServiceListRequest) (*nacoswire.Payload, error) {
	names := c.x.registry.Services(
		nacoswire.NonEmpty(q.Namespace, nacoswire.PublicNamespace), nacoswire.NonEmpty(q.GroupName, nacoswire.DefaultGroup),
	)
	return nacoswire.NewPayload(nacoswire.TypeServiceListAnswer, nacoswire.ServiceListResponse{
		Response: nacoswire.OK(c.id), Count: len(names), ServiceNames: page(names, q.PageNo, q.PageSize),
	})
}

func (s *Server) subscription(c *caller, q nacoswire.SubscribeServiceRequest) (*nacoswire.Payload, error) {
	key := serviceKey(q.Namespace, q.GroupName, q.ServiceName)
	if err := key.Validate(); err != nil {
		return nil, err
	}
	var view *registry.View
	if q.Subscribe {
		var err error
		if view, err = c.x.subscribe(key, q.Clusters, &s.cfg); err != nil {
			return nil, err
		}
	} else {
		c.x.unsubscribe(key)
		view = c.x.registry.View(key)
	}
	answer := nacoswire.ServiceResponse{Response: nacoswire.OK(c.id), ServiceInfo: render(view, filter{clusters: q.Clusters})}
	return answer.Payload(nacoswire.TypeSubscribeAnswer)
}

var errUnparsable = errors.New("nacosapi: body cannot be read")

// refuse is an ErrorResponse.
func refuse(id string, code int, message string) (*nacoswire.Payload, error) {
	return nacoswire.NewPayload(nacoswire.TypeErrorAnswer, nacoswire.Fail(id, code, message))
}
