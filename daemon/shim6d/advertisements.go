// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"maps"
	"math/rand/v2"
	"time"

	"shim6/daemon/locator"
)

// advertisements is the source of which router has announced which prefix, where network managers
// handle Router Advertisements, and where the kernel does. Routers are asked once a link is up,
// because they seldom advertise themselves without.
type advertisements struct {
	log   logger
	table *locator.Table
	// listener is a locator.Listener, except in tests; nil if there is none.
	listener routerListener
	// asked says of links how routers were asked there.
	asked map[uint32]*asking
	ended chan struct{}
}

// routerListener is what is asked of the socket.
type routerListener interface {
	Receive() (locator.Advertisement, error)
	Solicit(index uint32) error
	Close() error
}

var _ routerListener = (*locator.Listener)(nil)

// asking is how routers of a link are asked, since it is up (RFC 4861, section 6.3.7).
type asking struct {
	left int
	at   time.Duration
}

const (
	// mostSolicitations is MAX_RTR_SOLICITATIONS, and solicitationInterval is
	// RTR_SOLICITATION_INTERVAL.
	mostSolicitations    = 3
	solicitationInterval = 4 * time.Second
	// solicitationDelay is the longest random delay before the first one. The RFC has up to a
	// second, for links where many hosts start at once; but sessions may wait for the answer.
	solicitationDelay = 200 * time.Millisecond
)

func newAdvertisements(log logger, t *locator.Table) *advertisements {
	return &advertisements{log: log, table: t, asked: map[uint32]*asking{}, ended: make(chan struct{})}
}

func (*advertisements) String() string { return "Router Advertisements" }

// Open begins to listen. Without the privilege the daemon knows less, and goes on.
func (a *advertisements) Open() error {
	l, err := locator.Listen()
	if err != nil {
		a.log.Warn("two routers on one link may not be told apart: the daemon hears no Router Advertisements (it takes CAP_NET_RAW)", "error", err)
		return nil
	}
	a.listener = l
	return nil
}

func (a *advertisements) Receive() ([]fact, error) {
	if a.listener == nil {
		<-a.ended
		return nil, errLost
	}
	m, err := a.listener.Receive()
	if err != nil {
		return nil, err
	}
	return []fact{func(now time.Duration) (locator.Changed, error) {
		if s := a.asked[m.Index]; s != nil && s.left < mostSolicitations {
			s.left = 0
		}
		return a.table.Hear(now, m), nil
	}}, nil
}

// Lost does nothing: routers repeat what they say.
func (*advertisements) Lost() {}

// Sync asks the routers of links that have come up.
func (a *advertisements) Sync(now time.Duration) (locator.Changed, error) {
	if a.listener == nil {
		return 0, nil
	}
	links := a.table.Solicitable()
	maps.DeleteFunc(a.asked, func(index uint32, _ *asking) bool { return !links[index] })
	for index := range links {
		s := a.asked[index]
		if s == nil {
			s = &asking{left: mostSolicitations, at: now + rand.N(solicitationDelay)}
			a.asked[index] = s
		}
		if s.left > 0 && s.at <= now {
			s.left--
			s.at = now + solicitationInterval
			if err := a.listener.Solicit(index); err != nil {
				a.log.Debug(err.Error())
			}
		}
	}
	return 0, nil
}

// Next is when routers are to be asked.
func (a *advertisements) Next() time.Duration {
	at := never
	for _, s := range a.asked {
		if s.left > 0 {
			at = min(at, s.at)
		}
	}
	return at
}

// Close ends Receive.
func (a *advertisements) Close() {
	close(a.ended)
	if a.listener != nil {
		a.listener.Close()
	}
}
