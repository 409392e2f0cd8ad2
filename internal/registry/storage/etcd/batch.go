package etcd

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"paifang/internal/registry/storage"
)

// Batch implements storage.Shared: one transaction in which every step is one of its own.
func (s *Store) Batch(ctx context.Context, steps []storage.Step) ([]bool, int64, error) {
	if len(steps) > storage.MaxCommit/2 {
		return nil, 0, fmt.Errorf("etcd: batch of %d steps, at most %d are allowed: %w", len(steps), storage.MaxCommit/2, storage.ErrTooLarge)
	}
	ops := make([]clientv3.Op, 0, len(steps))
	ids := map[*lease]clientv3.LeaseID{}
	for i := range steps {
		l := s.leaseOf(steps[i].Key)
		if ids[l] == 0 {
			id, err := s.get(ctx, l)
			if err != nil {
				return nil, 0, err
			}
			ids[l] = id
		}
		ops = append(ops, s.step(&steps[i], ids[l]))
	}
	c, err := s.client(ctx, "batch")
	if err != nil {
		return nil, 0, err
	}
	r, err := c.Txn(ctx).Then(ops...).Commit()
	if errors.Is(err, rpctypes.ErrLeaseNotFound) { // it ran out while this process was stopped
		for l, id := range ids {
			if t, err := c.TimeToLive(ctx, id); err == nil && t.TTL <= 0 {
				s.drop(l, id)
			}
		}
	}
	if err != nil {
		return nil, 0, s.failed(ctx, "batch", err)
	}
	done := make([]bool, len(steps))
	for i := range steps {
		t := r.Responses[i].GetResponseTxn()
		done[i] = t.Succeeded
		if !t.Succeeded && len(t.Responses) > 0 { // with the other condition under which it may happen
			done[i] = t.Responses[0].GetResponseTxn().Succeeded
		}
	}
	return done, r.Header.Revision, nil
}

// step is a transaction of its own inside the batch.
func (s *Store) step(p *storage.Step, id clientv3.LeaseID) clientv3.Op {
	key := s.cfg.Prefix + p.Key
	op := clientv3.OpDelete(key)
	if !p.Delete {
		op = clientv3.OpPut(key, s.owner+"\n"+string(p.Value), clientv3.WithLease(id))
	}
	mine := clientv3.Compare(clientv3.LeaseValue(key), "=", id)
	var compares []clientv3.Cmp
	if p.At != 0 {
		compares = append(compares, clientv3.Compare(clientv3.ModRevision(key), "=", p.At))
	}
	orMine := func(cmp clientv3.Cmp) clientv3.Op {
		return clientv3.OpTxn(append(compares, cmp), []clientv3.Op{op}, []clientv3.Op{clientv3.OpTxn(append(compares, mine), []clientv3.Op{op}, nil)})
	}
	switch {
	case p.If == storage.Mine:
		compares = append(compares, mine)
	case p.If == storage.NotOther:
		return orMine(clientv3.Compare(clientv3.CreateRevision(key), "=", 0))
	case p.AsOf != 0:
		return orMine(clientv3.Compare(clientv3.ModRevision(key), "<", p.AsOf+1)) // 0 where there is none
	}
	return clientv3.OpTxn(compares, []clientv3.Op{op}, nil)
}
