// Package annotation knows the annotations of ingress-nginx: their names, what is done with each, and what their values say.
// A value is parsed into a typed setting or refused; none is ever pasted into anything. It knows no Kubernetes type and
// decides nothing about routes: package translate does that with the Settings.
//
// Every family has a file of its own with its part of Settings, its rows of the table and what reads them. The table is
// the one place that says what is supported; docs/annotations.md is checked against it, and the cases in testdata against
// both.
package annotation
