// Package builtin holds the filters that ship, a file each. This list is their only registration.
package builtin

import "paifang/internal/filter"

// Kinds are all built-in filter kinds.
func Kinds() filter.Catalog {
	return filter.Catalog{
		stripPrefixKind(),
		prefixPathKind(),
		rewritePathKind(),
		setPathKind(),
		requestHeadersKind(),
		responseHeadersKind(),
		tellOriginKind(),
		requestQueryKind(),
		dedupeHeadersKind(),
		rewriteHeaderKind(),
		rewriteLocationKind(),
		statusKind(),
		headerLimitKind(),
		bufferRequestKind(),
		bodyLimitKind(),
		rateLimitKind(),
		concurrencyLimitKind(),
		redirectKind(),
		respondKind(),
		corsKind(),
		apiVersionKind(),
		addressesKind(),
		clientCertificateKind(),
		basicAuthKind(),
		digestAuthKind(),
		externalAuthKind(),
		jwtKind(),
		circuitBreakerKind(),
		tellFailureKind(),
		retryKind(),
		timeoutKind(),
		rerouteKind(),
		faultKind(),
		mirrorKind(),
		compressKind(),
		removeJSONKind(),
		jsonToGRPCKind(),
		responseCacheKind(),
	}
}
