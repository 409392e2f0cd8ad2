// Package installation knows what an installation of ingress-nginx was told: the keys of its ConfigMap, the flags of its command
// line, and the ports of its TCP and UDP services. Like package annotation it knows no Kubernetes type, parses each value into a
// setting or refuses it, and has tables that are the one place which says what is supported: docs/ingress-nginx-settings.md is
// made from them, and the cases in testdata of package annotation, and the tests named in its setting_test.go, are checked against them.
//
// Most keys are the default of an annotation and are read as that annotation is.
package installation
