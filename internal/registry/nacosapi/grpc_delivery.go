package nacosapi

import "time"

// deliveries are what a client has to be told of, by name. At most one message about a name is on its way; what changes
// meanwhile is one message more, of what holds then. So nothing is lost, and what waits is bounded. The session's mutex
// guards them.
type deliveries[K comparable] struct {
	all     map[K]*delivery
	pending map[K]*delivery // those with something to send or to wait for
	acks    map[string]K    // messages on their way, by request ID
	lapses  int             // messages that nobody acknowledged in time
}

type delivery struct {
	want    bool      // something to be told
	at      time.Time // not before
	flying  string    // request ID of the message on its way
	until   time.Time // when that has failed
	failing bool      // the last one has
}

func newDeliveries[K comparable]() deliveries[K] {
	return deliveries[K]{all: map[K]*delivery{}, pending: map[K]*delivery{}, acks: map[string]K{}}
}

// add begins to tell of a name; the first message leaves no earlier than at.
func (d *deliveries[K]) add(name K, at time.Time) {
	if one := d.all[name]; one == nil {
		one = &delivery{want: true, at: at}
		d.all[name], d.pending[name] = one, one
	}
}

// watch begins to tell of a name, from its next change on.
func (d *deliveries[K]) watch(name K) {
	if d.all[name] == nil {
		d.all[name] = &delivery{}
	}
}

func (d *deliveries[K]) remove(name K) {
	if one := d.all[name]; one != nil {
		delete(d.acks, one.flying)
		delete(d.all, name)
		delete(d.pending, name)
	}
}

// changed has a name told of, at once unless the last message about it failed.
func (d *deliveries[K]) changed(name K) {
	if one := d.all[name]; one != nil {
		one.want = true
		if !one.failing {
			one.at = time.Time{}
		}
		d.pending[name] = one
	}
}

// due returns the names to be told of now, and the earlier of next and the moment to ask again; zero = when something happens.
func (d *deliveries[K]) due(now, next time.Time, cfg *Config) ([]K, time.Time) {
	var due []K
	for name, one := range d.pending {
		if one.flying != "" && !now.Before(one.until) {
			d.lapses++
			d.failed(one, now, cfg)
		}
		switch {
		case one.flying != "":
			next = earlier(next, one.until)
		case !one.want:
			delete(d.pending, name)
		case now.Before(one.at):
			next = earlier(next, one.at)
		default:
			due = append(due, name)
			next = earlier(next, now.Add(cfg.Ack))
		}
	}
	return due, next
}

// sent notes that a message about a name is on its way.
func (d *deliveries[K]) sent(name K, id string, now time.Time, cfg *Config) {
	if one := d.all[name]; one != nil {
		one.want, one.flying, one.until = false, id, now.Add(cfg.Ack)
		d.acks[id] = name
	}
}

// answered takes the client's answer to a message and returns its name; false for one that was given up or is another's.
func (d *deliveries[K]) answered(id string, ok bool, now time.Time, cfg *Config) (K, bool) {
	name, mine := d.acks[id]
	if !mine {
		return name, false
	}
	one := d.all[name]
	if !ok {
		d.failed(one, now, cfg)
		return name, true
	}
	delete(d.acks, id)
	one.flying, one.failing = "", false
	return name, true
}

// failed has a message sent again a little later.
func (d *deliveries[K]) failed(one *delivery, now time.Time, cfg *Config) {
	delete(d.acks, one.flying)
	one.flying, one.failing, one.want, one.at = "", true, true, now.Add(cfg.Retry)
}
