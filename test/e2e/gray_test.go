package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"paifang/test/e2e/bed"
)

// TestGrayRelease applies the files of examples/gray-release in the order of docs/gray-release.md, under load. Only the image is
// another, as this cluster has no registry to pull from.
func TestGrayRelease(t *testing.T) {
	install(t)
	ns := namespace(t, "gray")
	file := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("..", "..", "examples", "gray-release", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, version := range []string{"v1", "v2"} {
			text = []byte(strings.ReplaceAll(string(text), "        image: paifang.dev/example-order:"+version+"\n",
				"        image: "+bed.PodImage+"\n        imagePullPolicy: Never\n        env: [{name: VERSION, value: "+version+"}, {name: DRAIN, value: 3s}]\n"))
		}
		return string(text)
	}
	use := func(name string) {
		t.Helper()
		if err := cluster.ApplyIn(ns, file(name)); err != nil {
			t.Fatal(err)
		}
	}
	const url, entryURL = "http://shop.test/order/42", "http://shop.test/order/1"
	always := func(version string, fields ...string) {
		t.Helper()
		sharedAs(t, url, version, only(version), fields...)
	}

	use("1-order-v1.yaml")
	use("shop.yaml")
	rolledOut(t, ns, "deployment/order-v1")
	answers(t, client(entry(0), false), url, 200)
	l := startLoad(entry(0), entryURL, 4, true)
	always("v1")

	use("later/2-order-v2.yaml")
	rolledOut(t, ns, "deployment/order-v2")
	always("v1")

	use("later/3-gray-header.yaml")
	always("v2", "X-Gray", "always")
	always("v1")

	use("later/4-gray-cookie.yaml")
	always("v2", "Cookie", "gray=always")
	always("v1", "X-Gray", "always")

	use("later/5-gray-weight.yaml")
	sharedAs(t, url, "weight 20", func(seen map[string]int) bool { return seen["v2"] > 0 && seen["v1"] > seen["v2"] })
	if seen := shares(t, url, 1000); seen["v2"] < 140 || seen["v2"] > 260 {
		t.Errorf("weight 20: %v of 1000", seen)
	}

	use("later/6-gray-all.yaml")
	always("v2")
	use("later/6-shop-v2.yaml")
	always("v2")
	kubectl(t, "delete", "ingress", "-n", ns, "shop-gray")
	always("v2")

	// Once more from the beginning, and back by deleting one object.
	use("later/7-shop-v1.yaml")
	always("v1")
	use("later/6-gray-all.yaml")
	always("v2")
	kubectl(t, "delete", "ingress", "-n", ns, "shop-gray")
	always("v1")
	l.none(t, "a gray release, and one taken back")
}
