// Package manifest is the source for Kubernetes objects and our own documents in YAML files: directories and single
// files, read strictly, watched, and translated as a live API server's objects are.
//
// A document with apiVersion and kind is a manifest. One that sets spring.cloud.gateway belongs to the Spring Cloud
// Gateway source and is passed over. Anything else is listed as ignored, with file and line.
//
// Editors truncate a file and then write it, so what is missing from a file that was written is removed only once the
// file has been quiet for a while; what is new or changed never waits. A document that cannot be read keeps its last
// good version while the process lives, and its siblings live on.
package manifest
