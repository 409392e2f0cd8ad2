package springgw

import (
	"errors"
	"fmt"
	"time"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
)

// bucketArguments are those of the limiter of Bucket4j: a bucket holds capacity, and so many tokens are added to it, evenly, in each period.
type bucketArguments struct {
	capacity, tokens, cost int
	period                 timeout
	header                 string
}

func (b *bucketArguments) set(name, v string) error {
	switch name {
	case "capacity":
		return countInto(&b.capacity)(v)
	case "refilltokens":
		return countInto(&b.tokens)(v)
	case "requestedtokens":
		return countInto(&b.cost)(v)
	case "refillperiod":
		if err := b.period.set(v); err != nil {
			return err
		}
		if b.period <= 0 || b.period >= timeout(off) {
			return errors.New("is no time above 0 and below a day")
		}
	case "refillstyle":
		if !bootconfig.Same(v, "GREEDY") {
			return fmt.Errorf("%s is not supported: want GREEDY, since a bucket is filled evenly here", v)
		}
	case "headername":
		b.header = v
	case "timeoffirstrefill": // for a style that is refused
	default:
		return errors.New("is no argument of the limiter of Bucket4j")
	}
	return nil
}

// limit is what the arguments come to. A bucket is that of a key, on whichever routes.
func (b *bucketArguments) limit(c *limitConfig) error {
	switch {
	case b.capacity == 0:
		return errors.New("bucket4j-rate-limiter.capacity is missing")
	case b.period == 0:
		return errors.New("bucket4j-rate-limiter.refillPeriod is missing")
	case b.cost > b.capacity:
		return fmt.Errorf("bucket4j-rate-limiter.requestedTokens is %d of a capacity of %d: nothing would ever pass", b.cost, b.capacity)
	}
	c.Names = limitNames{Remaining: b.header}
	c.Requests, c.Per, c.Burst, c.Tell, c.Group = b.tokens, time.Duration(b.period).String(), b.capacity-1, "remaining", "bucket4j"
	if b.tokens == 0 {
		c.Requests = b.capacity
	}
	if b.cost > 1 {
		c.Cost = b.cost
	}
	return nil
}

// inBucket counts in this process: where Bucket4j keeps its buckets is Java code.
func (e *effect) inBucket(p *part, c limitConfig) error {
	e.remark(p, model.CodeUnsupported, model.Info, "where Bucket4j keeps its buckets is Java code: each gateway counts for itself")
	return e.emit("rate-limit", c)
}
