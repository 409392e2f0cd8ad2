package springgw

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/watch"
)

// Feed is a text with routes that is kept elsewhere, in a registry, and followed there. It is read as a file of its name would
// be; one that is a JSON list holds the definitions of routes alone.
type Feed struct {
	Name string // as a path: "nacos/public/DEFAULT_GROUP/gateway.yml"
	// Follow calls take with the text as it is, and with every later one, until ctx ends. An empty one means that there is none:
	// what it said last stays then, since routes are taken away by a text that has none.
	Follow func(ctx context.Context, take func(content string)) error
	Plain  bool // placeholders are not filled
}

// told is what a feed has said, or why it can say nothing.
type told struct {
	feed    int
	content string
	err     error
}

var errNoText = errors.New("there is no such configuration")

// The pauses before a feed that failed is followed again.
const (
	feedPause    = time.Second
	feedPauseMax = 5 * time.Second
)

// followFeeds follows all feeds until ctx ends, and returns what waits for them.
func followFeeds(ctx context.Context, feeds []Feed, out chan<- told) *sync.WaitGroup {
	var wg sync.WaitGroup
	for i, f := range feeds {
		wg.Go(func() {
			say := func(t told) {
				select {
				case out <- t:
				case <-ctx.Done():
				}
			}
			pause := feedPause
			for ctx.Err() == nil {
				err := f.Follow(ctx, func(content string) {
					pause = feedPause
					if strings.TrimSpace(content) == "" {
						say(told{i, "", errNoText})
						return
					}
					say(told{i, content, nil})
				})
				if err == nil {
					err = errors.New("it ended")
				}
				say(told{i, "", err})
				select {
				case <-time.After(pause):
				case <-ctx.Done():
				}
				pause = min(2*pause, feedPauseMax)
			}
		})
	}
	return &wg
}

// feedState is what is known of one feed.
type feedState struct {
	heard bool // that there is a text, or none
	err   error
}

// hear brings in what a feed has said.
func (r *run) hear(ctx context.Context, t told) error {
	s := &r.feeds[t.feed]
	s.err = t.err
	s.heard = s.heard || t.err == nil || errors.Is(t.err, errNoText)
	if t.err == nil {
		r.read.take([]watch.File{{Path: r.c.Feeds[t.feed].Name, Data: routesText(t.content), Settled: true}})
	}
	return r.changed(ctx)
}

// heard tells whether every feed has said what there is.
func (r *run) heard() bool {
	return !slices.ContainsFunc(r.feeds, func(f feedState) bool { return !f.heard })
}

// routesText makes a document of a list of definitions.
func routesText(content string) []byte {
	if strings.HasPrefix(strings.TrimSpace(content), "[") {
		content = listBegins + content + "}"
	}
	return []byte(content)
}

// listBegins is how a document begins that a list of definitions was made.
const listBegins = `{"spring.cloud.gateway.routes": `

// feedFaults says what is wrong with the feeds.
func (r *run) feedFaults() []source.Group {
	var out []source.Group
	for i, s := range r.feeds {
		if s.err == nil {
			continue
		}
		name := r.c.Feeds[i].Name
		out = append(out, source.Group{Key: "feed/" + name, Objects: &model.Objects{Diagnostics: []model.Diagnostic{{
			Origin: model.Origin{Source: r.c.Name, Kind: "routes", File: name}, Severity: model.Error, Code: model.CodeSourceFailed,
			Message: fmt.Sprintf("%v; what it said before stays", s.err)}}}})
	}
	return out
}
