package app

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
)

// TestGrayWords: what decides in the files of both walks through a gray release is told in the same words, which the pages show in
// what explain prints, in both languages.
func TestGrayWords(t *testing.T) {
	const examples = "../../examples/"
	for _, step := range []struct{ ingress, gateway, say string }{
		{"3-gray-header", "3-lane-header", "header X-Gray: always"},
		{"4-gray-cookie", "4-lane-cookie", "cookie gray: always"},
		{"5-gray-weight", "5-lane-weight", "weight 20 of 100"},
	} {
		roads := []struct {
			page, lane string
			sources    Sources
		}{
			{"gray-release", "shop-gray", Sources{Manifests: []string{examples + "gray-release/shop.yaml", examples + "gray-release/1-order-v1.yaml", examples + "gray-release/later/2-order-v2.yaml",
				examples + "gray-release/later/" + step.ingress + ".yaml"}}},
			{"gray-release-gateway", "gray", Sources{Routes: []string{examples + "gray-release-gateway/later/" + step.gateway + ".yaml"}}},
		}
		for _, r := range roads {
			cfg := Config{Registry: &Registry{}, Sources: r.sources}
			groups, err := offlineGroups(&cfg, Adopt{Names: []string{"paifang"}})
			if err != nil {
				t.Fatal(err)
			}
			var told []string
			for _, g := range slices.Concat(groups["manifest"], groups["springgw"]) {
				for _, route := range g.Objects.Routes {
					if f, ok := route.Action.(model.Forward); ok {
						for _, l := range f.Lanes {
							told = append(told, l.Name)
						}
					}
				}
			}
			want := "lane " + r.lane + ": " + step.say
			if !slices.Contains(told, want) {
				t.Errorf("%s, %s: told are %q, want %q", r.page, step.say, told, want)
			}
			for _, language := range []string{".md", ".zh-CN.md"} {
				text, err := os.ReadFile(filepath.Join("../../docs", r.page+language))
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(string(text), "\nby "+want+"\n") && !strings.Contains(string(text), "\n"+want+": chance takes") {
					t.Errorf("docs/%s%s shows nowhere that explain says %q", r.page, language, want)
				}
			}
		}
	}
}
