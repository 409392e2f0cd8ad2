package nacosapi

import (
	"context"
	"crypto/rand"
	"fmt"

	"paifang/internal/nacoswire"
	"paifang/internal/registry/config"
)

// namespacesOf is what v2 and v3 have for namespaces; v1's is beside the other things of its console.
func namespacesOf() []endpoint {
	var out []endpoint
	for _, path := range []string{"/v2/console/namespace", "/v3/admin/core/namespace"} {
		out = append(
			out,
			endpoint{method: "GET", path: path + "/list", need: knows, handle: func(c call) (any, error) { return namespaceList(c), nil }, result: true},
			endpoint{method: "GET", path: path, need: knows, handle: oneNamespace, result: true},
			endpoint{method: "POST", path: path, need: admin, handle: createNamespace, result: true},
			endpoint{method: "PUT", path: path, need: admin, handle: changeNamespace, result: true},
			endpoint{method: "DELETE", path: path, need: admin, handle: v1RemoveNamespace, result: true},
		)
	}
	return append(out, endpoint{method: "GET", path: "/v3/admin/core/namespace/check", need: knows, handle: checkNamespace, result: true})
}

// findNamespace returns the namespace of a call, if it is there, made or in use.
func findNamespace(c call) (namespace, bool) {
	for _, n := range namespaceList(c) {
		if nacoswire.NonEmpty(n.Namespace, nacoswire.PublicNamespace) == c.namespace {
			return n, true
		}
	}
	return namespace{}, false
}

func oneNamespace(c call) (any, error) {
	n, ok := findNamespace(c)
	if !ok {
		return nil, fmt.Errorf("nacosapi: namespaceId [ %.64s ] not exist: %w", c.namespace, config.ErrUnknown)
	}
	return n, nil
}

// checkNamespace counts the namespaces that have an ID.
func checkNamespace(c call) (any, error) {
	if _, ok := findNamespace(c); ok {
		return 1, nil
	}
	return 0, nil
}

// newNamespaceID is a random UUID.
func newNamespaceID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])                      // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // version 4 (RFC 9562 §5.4)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// createNamespace gives a namespace an ID where none is given.
func createNamespace(c call) (any, error) {
	if c.q.Get("namespaceId") == "" {
		c.q.Set("namespaceId", newNamespaceID())
	}
	return c.namespaces("namespaceId", "namespaceName", func(s *config.Store, ctx context.Context, n config.Namespace) error {
		return s.CreateNamespace(ctx, n)
	})
}

func changeNamespace(c call) (any, error) {
	return c.namespaces("namespaceId", "namespaceName", func(s *config.Store, ctx context.Context, n config.Namespace) error {
		return s.ChangeNamespace(ctx, n)
	})
}
