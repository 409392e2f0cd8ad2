package config

import (
	"slices"
	"testing"

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
