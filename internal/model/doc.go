// Package model is the vocabulary of Paifang: plain values that every source produces, compile reads and
// every plane binds. It knows nobody: standard library only, no Kubernetes, Nacos or wire type ever enters it.
//
// Values are compared, dumped and hashed, so they hold no maps: lists that stand for sets are sorted. A zero
// field always means "the default" and never "off". Nil and empty mean the same.
package model
