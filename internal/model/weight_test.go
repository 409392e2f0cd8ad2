package model_test

import (
	"testing"

	"paifang/internal/model"
)

// TestWeightOf: the number in a tag is the weight, but for an endpoint that gets no traffic, and where it is none.
func TestWeightOf(t *testing.T) {
	tag := model.Balance{WeightTag: "weight"}
	for _, c := range []struct {
		balance model.Balance
		weight  string
		own     model.Weight
		want    int // thousandths
	}{
		{model.Balance{}, "3", 2000, 2000},
		{tag, "3", 2000, 3000},
		{tag, "3", 0, 3000},
		{tag, "3", model.WeightNone, 0},
		{tag, "0", 2000, 2000},
		{tag, "-1", 2000, 2000},
		{tag, "1.5", 0, 1000},
		{tag, "", 2000, 2000},
		{tag, "99999999", 0, 1_000_000_000},
	} {
		if got := c.balance.WeightOf(model.NewTags(map[string]string{"weight": c.weight}), c.own); got.Thousandths() != c.want {
			t.Errorf("%q, %d from its source: %d thousandths, want %d", c.weight, c.own, got.Thousandths(), c.want)
		}
	}
}
