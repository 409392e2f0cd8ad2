package nacosapi

import (
	"fmt"
	"net/http"
	"strconv"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// routeV1Service serves /v1/ns/service (ServiceController of the Nacos server), as far as services can be read.
func (s *Server) routeV1Service(mux *http.ServeMux) {
	s.handle(mux, "GET", "/v1/ns/service/list", v1Services)
}

func v1Services(c call) error {
	no, err := c.number("pageNo")
	if err != nil {
		return err
	}
	size, err := c.number("pageSize")
	if err != nil {
		return err
	}
	names := c.Services(
		nacoswire.NonEmpty(c.q.Get("namespaceId"), nacoswire.PublicNamespace),
		nacoswire.NonEmpty(c.q.Get("groupName"), nacoswire.DefaultGroup),
	)
	return answer(c, nacoswire.ServiceNames{Count: len(names), Names: page(names, no, size)})
}

// number reads a parameter that has to be there.
func (c call) number(name string) (int, error) {
	n, err := strconv.Atoi(c.q.Get(name))
	if err != nil {
		return 0, fmt.Errorf("nacosapi: Param '%s' is required and must be a number, not %.32q: %w", name, c.q.Get(name), registry.ErrInvalid)
	}
	return n, nil
}
