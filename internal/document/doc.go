// Package document reads YAML strictly and says where: it splits a file into documents, finds the line of a field, and
// decodes a document into a Go type with a Problem (file, line, field, nearest known key) for everything that does
// not fit. The manifest reader, the Spring Cloud Gateway reader and the configuration file all read through it.
//
// It also holds the one text form of our own objects (apiVersion paifang.dev/v1): Print writes model objects as
// YAML documents, Parse reads them back. What Print writes, Parse reads and Print writes the same again.
package document
