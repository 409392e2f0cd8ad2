package compile

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"paifang/internal/model"
)

// claim adds or takes back one definition of an upstream.
func (c *compiler) claim(u *model.Upstream, add bool) {
	if u.ID == "" {
		return
	}
	c.touched[u.ID] = true
	all, _ := c.claims.Get(string(u.ID)) // in their order
	if all = slices.Clone(all); add {
		at, _ := slices.BinarySearchFunc(all, u, compareUpstreams)
		all = slices.Insert(all, at, u)
	} else {
		all = slices.DeleteFunc(all, func(x *model.Upstream) bool { return x == u })
	}
	if len(all) == 0 {
		c.claims.Delete(string(u.ID))
		return
	}
	c.claims.Set(string(u.ID), all)
}

func compareUpstreams(a, b *model.Upstream) int {
	if n := cmp.Or(cmp.Compare(a.Priority, b.Priority), a.Origin.Before(b.Origin), cmp.Compare(a.Origin.Source, b.Origin.Source)); n != 0 || a == b {
		return n
	}
	return cmp.Compare(fmt.Sprintf("%v", *a), fmt.Sprintf("%v", *b)) // equal in all that people see: any fixed order
}

// upstreams decides which definition of each touched upstream serves.
func (c *compiler) upstreams() {
	for id := range c.touched {
		all, _ := c.claims.Get(string(id))
		var ds []model.Diagnostic
		var win *model.Upstream
		for _, u := range all {
			err := u.Validate()
			switch {
			case err != nil:
				ds = append(ds, invalid(u.Origin, err))
			case win == nil:
				win = u
			case !sameUpstream(win, u):
				ds = append(ds, model.Diagnostic{Origin: u.Origin, Severity: model.Error, Code: model.CodeDuplicateID,
					Message: fmt.Sprintf("upstream %s is already defined by %s: give one of them another name", id, win.Origin)})
			}
		}
		c.say("upstream "+string(id), ds)
		was, _ := c.old.Upstreams.Get(string(id))
		if was != nil && win != nil && reflect.DeepEqual(*was, *win) {
			delete(c.touched, id) // the same as before, from a group that was written anew
			continue
		}
		c.serve(was, win)
	}
}

func sameUpstream(a, b *model.Upstream) bool {
	x, y := *a, *b
	x.Origin, y.Origin, x.Priority, y.Priority = model.Origin{}, model.Origin{}, 0, 0
	return reflect.DeepEqual(x, y)
}

func (c *compiler) serve(was, now *model.Upstream) {
	if was != nil {
		c.use(was, -1)
	}
	if now == nil {
		if was != nil {
			c.served.Delete(string(was.ID))
		}
		return
	}
	c.use(now, +1)
	c.served.Set(string(now.ID), now)
}

func (c *compiler) use(u *model.Upstream, by int) {
	for _, list := range u.Endpoints {
		key := list.String()
		n, _ := c.uses.Get(key)
		switch {
		case n+by == 0:
			c.uses.Delete(key)
			c.inUse.Delete(key)
			continue
		case n == 0:
			c.inUse.Set(key, list)
		}
		c.uses.Set(key, n+by)
	}
}
