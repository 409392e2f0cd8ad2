package config

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"paifang/internal/registry/storage"
)

func TestSearch(t *testing.T) {
	for name, opt := range map[string]Options{"remembered": {}, "asked for": {MaxRemember: 1}} {
		t.Run(name, func(t *testing.T) {
			s := open(t, storage.NewMemory(), opt)
			for _, i := range []Item{
				{ID: ID{Public, "SHOP", "order.yaml"}, Content: "limit: 1", Type: "yaml", App: "order", Tags: "a, b"},
				{ID: ID{Public, "SHOP", "stock.json"}, Content: `{"limit": 2}`, Type: "json", App: "stock", Tags: "b"},
				{ID: ID{Public, "PAY", "pay.yaml"}, Content: "none", Type: "yaml"},
				{ID: ID{"dev", "SHOP", "order.yaml"}, Content: "limit: 3", Type: "yaml"},
			} {
				_, err := s.Publish(t.Context(), i, "")
				must(t, err)
			}
			const order, stock, pay = "public/SHOP/order.yaml", "public/SHOP/stock.json", "public/PAY/pay.yaml"
			for _, c := range []struct {
				q    Query
				want []string
			}{
				{Query{}, []string{pay, order, stock}},
				{Query{Group: "SHOP"}, []string{order, stock}},
				{Query{Group: "S*P", Name: "*.yaml"}, []string{order}},
				{Query{Name: "order"}, nil},
				{Query{Name: "*.yaml", Exact: true}, nil},
				{Query{Name: "pay.yaml", Exact: true}, []string{pay}},
				{Query{Content: "*limit*"}, []string{order, stock}},
				{Query{Content: "limit"}, nil},
				{Query{Content: "none", Exact: true}, []string{pay}},
				{Query{App: "stock"}, []string{stock}},
				{Query{Types: []string{"yaml", "xml"}}, []string{pay, order}},
				{Query{Tags: []string{"a"}}, []string{order}},
				{Query{Tags: []string{"x", "*b*"}}, []string{order, stock}},
				{Query{Tags: []string{"b"}, Types: []string{"json"}, Content: "*2*", App: "stock"}, []string{stock}},
			} {
				c.q.Namespace = Public
				list, err := s.Search(t.Context(), c.q)
				must(t, err)
				var got []string
				for _, i := range list {
					got = append(got, i.ID.String())
					if i.Content != "" || i.MD5 == "" {
						t.Errorf("%+v", i)
					}
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("%+v: %v, want %v", c.q, got, c.want)
				}
			}
		})
	}
}

// pager counts what is read of a storage, and lets a page take its time.
type pager struct {
	storage.Store
	gets, pages, most atomic.Int64
	takes             time.Duration
}

func (p *pager) Get(ctx context.Context, key string) (storage.Entry, bool, error) {
	p.gets.Add(1)
	return p.Store.Get(ctx, key)
}

func (p *pager) Page(ctx context.Context, prefix, from string, most int) ([]storage.Entry, error) {
	select {
	case <-time.After(p.takes):
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", storage.ErrUnavailable, ctx.Err())
	}
	list, err := p.Store.Page(ctx, prefix, from, most)
	p.pages.Add(1)
	p.most.Store(max(p.most.Load(), int64(len(list))))
	return list, err
}

// Contents that are not in memory are read in pages: few of them, small ones, by few searches at one time, and not for ever.
func TestSearchInPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := &pager{Store: storage.NewMemory()}
		defer kv.Close()
		s, err := Open(t.Context(), kv, Options{MaxRemember: 1})
		must(t, err)
		defer s.Close()
		const items = 500
		for i := range items {
			group := []string{"many", "many-x", "some"}[i%3]
			_, err := s.Publish(t.Context(), Item{ID: ID{Public, group, fmt.Sprintf("c%03d", i)}, Content: fmt.Sprintf("limit: %d", i)}, "")
			must(t, err)
		}
		kv.gets.Store(0)
		search := func(q Query) (int, error) {
			q.Namespace = Public
			list, err := s.Search(t.Context(), q)
			if !slices.IsSortedFunc(list, func(a, b Item) int { return a.ID.Compare(b.ID) }) {
				t.Error("they are not sorted")
			}
			return len(list), err
		}
		if n, err := search(Query{Content: "limit: *7"}); n != items/10 || err != nil {
			t.Errorf("%d are found: %v", n, err)
		}
		if pages := kv.pages.Swap(0); pages != items/lookPage+1 || kv.most.Load() > lookPage || kv.gets.Load() > 0 {
			t.Errorf("%d pages of up to %d and %d single ones were read", pages, kv.most.Load(), kv.gets.Load())
		}
		if n, err := search(Query{Content: "limit: *7", Group: "many*", Name: "c00*"}); n != 1 || err != nil {
			t.Errorf("%d are found: %v", n, err)
		}
		if pages := kv.pages.Swap(0); pages != 2 {
			t.Errorf("%d pages were read for two places", pages)
		}

		kv.takes = time.Second
		began := time.Now()
		if _, err := search(Query{Content: "limit: *7"}); !errors.Is(err, ErrBusy) || time.Since(began) > lookWithin {
			t.Errorf("a search that takes too long: %v after %v", err, time.Since(began))
		}
		kv.takes = 200 * time.Millisecond // 6.4 s in all
		var both sync.WaitGroup
		for range maxLooks {
			both.Go(func() {
				if n, err := search(Query{Content: "limit: *7"}); n != items/10 || err != nil {
					t.Errorf("%d are found: %v", n, err)
				}
			})
		}
		synctest.Wait()
		began = time.Now()
		if _, err := search(Query{Content: "limit: *7"}); !errors.Is(err, ErrBusy) || time.Since(began) != 3*time.Second {
			t.Errorf("one search more: %v after %v", err, time.Since(began))
		}
		if n, err := search(Query{Name: "c00*"}); n != 10 || err != nil {
			t.Errorf("one that looks into no contents: %d, %v", n, err)
		}
		both.Wait()
		kv.takes = 3 * time.Second
		if _, err := search(Query{Content: "limit: *7"}); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("a storage that does not answer: %v", err)
		}
	})
}
