package springgw

import (
	"slices"
	"sync"
)

// Common is what files say for all routes, as those see it that are kept elsewhere: default filters, globalcors, filters of ours that guard all
// routes, how the gateway goes about as a client, and the properties that filters go by. Who has it above him serves nothing before the files are read, since they may guard him.
type Common struct {
	mu      sync.Mutex
	read    bool
	files   []*application // they do not change any more
	changed chan struct{}  // is closed when something else is said
}

// newCommon returns one of files that are not read yet.
func newCommon() *Common { return &Common{changed: make(chan struct{})} }

// say notes what files say. Texts that are kept elsewhere say nothing for others.
func (c *Common) say(apps []*application) {
	if c == nil {
		return
	}
	var files []*application
	for _, a := range apps {
		if !a.fed {
			files = append(files, &application{path: a.path, paths: a.paths, config: a.config})
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	same := c.read && slices.EqualFunc(c.files, files, sameForAll)
	c.files, c.read = files, true
	if !same {
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

// now is what files say, whether they are read, and what is closed when they say something else. Where there are no files nothing is awaited.
func (c *Common) now() (files []*application, read bool, changed <-chan struct{}) {
	if c == nil {
		return nil, true, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files, c.read, c.changed
}

// sameForAll tells whether two readings of an application come to the same for the routes of others.
func sameForAll(a, b *application) bool {
	common := func(c *gatewayConfig) *common { return &common{defaults: c.defaults, own: c.own, cors: c.cors} }
	return a.path == b.path && a.config.off == b.config.off && a.config.around == b.config.around && common(&a.config).equal(common(&b.config)) && a.config.client.equal(b.config.client) &&
		a.config.leads() == b.config.leads()
}
