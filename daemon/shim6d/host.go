// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"shim6/daemon/config"
	"shim6/daemon/internal/engine"
	"shim6/daemon/locator"
)

const (
	// settlePause is for how long changes of addresses are gathered: changes that belong
	// together come at once.
	settlePause = 10 * time.Millisecond
	// restFactor: after the routes of the main table were followed, that is not done
	// again for this many times as long as it took. A host may learn of new routes all
	// the time.
	restFactor = 20
)

// source tells facts about this host. Another source is a file, and a line in newHostLink.
type source interface {
	fmt.Stringer
	// Open begins to listen; Sync reads what there is already.
	Open() error
	// Receive waits for facts, on a goroutine of its own, until Close. errLost says that
	// facts were lost after those that are returned. After any other error the source is
	// heard no more; with errGone the daemon ends.
	Receive() ([]fact, error)
	// Lost says that facts were lost, so that the next Sync reads everything.
	Lost()
	// Sync reads what facts do not tell in full, and puts it into the Table. It says what
	// it has read.
	Sync(now time.Duration) (locator.Changed, error)
	// Next is when Sync has something to do without a fact, or never. Sync sets another
	// time, even if it fails.
	Next() time.Duration
	Close()
}

// fact is one thing that a source has learned. The loop calls it. It puts the fact into the
// host's Table, and says what has changed.
type fact func(now time.Duration) (locator.Changed, error)

// addressesChanged is the Changed of a fact that is not in the Table, but by which addresses
// and routes are made.
const addressesChanged locator.Changed = 1 << 7

var (
	errLost = errors.New("facts were lost")
	// errGone: without rtnetlink nothing is known of the host's addresses.
	errGone = errors.New("rtnetlink is of no use any more")
)

// batch is what a source tells at once.
type batch struct {
	source source
	facts  []fact
	// err is errLost, or the source is heard no more.
	err error
}

// hostLink is the part that knows the host: its links, addresses and routes. It tells the
// engine which locators follow from them.
type hostLink struct {
	*core
	addresses *addresses
	session   *session

	sources []source
	batches chan batch
	table   locator.Table
	// locators are those that the engine was told of last.
	locators []engine.LocalLocator

	// When something is due; zero if it isn't.
	settleAt, specificsAt time.Duration
	// restUntil is until when the routes of the main table are not followed.
	restUntil time.Duration
	// lost counts losses of facts.
	lost uint64
}

func newHostLink(c *core, a *addresses) *hostLink {
	h := &hostLink{core: c, addresses: a, batches: make(chan batch)}
	h.sources = []source{
		&rtnetlinkSource{table: &h.table, addresses: a},
		newAdvertisements(c.log, &h.table),
	}
	return h
}

func (h *hostLink) String() string { return "host" }

// Start listens to all sources, and then reads what there is.
func (h *hostLink) Start() error {
	for _, s := range h.sources {
		if err := s.Open(); err != nil {
			return err
		}
	}
	// A prefix that a router announces can't be read later. So the host listens before it waits
	// for a disk.
	h.addresses.load()
	for _, s := range h.sources {
		if _, err := s.Sync(h.now()); err != nil {
			return err
		}
		go h.listen(s)
	}
	return nil
}

// listen receives from a source until there is an error or the daemon ends.
func (h *hostLink) listen(s source) {
	for {
		facts, err := s.Receive()
		select {
		case h.batches <- batch{s, facts, err}:
		case <-h.ended:
			return
		}
		if err != nil && !errors.Is(err, errLost) {
			return
		}
	}
}

func (h *hostLink) Next() time.Duration {
	at := earliest(h.settleAt, h.specificsAt)
	for _, s := range h.sources {
		at = min(at, s.Next())
	}
	return at
}

func (h *hostLink) Due(now time.Duration) error {
	if isDue(h.specificsAt, now) {
		h.followSpecifics()
	}
	for _, s := range h.sources {
		if s.Next() <= now {
			h.settleAt = now
		}
	}
	if isDue(h.settleAt, now) {
		h.settle()
	}
	return nil
}

func (h *hostLink) Apply(*config.Config) error {
	h.tellLocators()
	h.settleSoon()
	return nil
}

func (h *hostLink) Close() {
	for _, s := range h.sources {
		s.Close()
	}
}

// take takes what a source tells. The consequences are looked at a little later, when all that
// belongs together is there.
func (h *hostLink) take(b batch) error {
	switch {
	case errors.Is(b.err, errLost):
		h.lost++
		h.log.Warn("messages of " + b.source.String() + " were lost: everything is read again")
		b.source.Lost()
		h.settleSoon()
	case errors.Is(b.err, errGone):
		return b.err
	case b.err != nil:
		h.log.Warn("shim6d hears no more of "+b.source.String(), "error", b.err)
	}
	for _, f := range b.facts {
		changed, err := f(h.now())
		if err != nil {
			h.log.Warn(err.Error())
			continue
		}
		if changed == locator.Specifics {
			h.specificsSoon()
			continue
		}
		if changed&locator.Locators != 0 {
			// After each fact: the last lifetime before an address is gone says why it
			// is gone.
			h.addresses.keepULIDs()
		}
		if changed != 0 {
			h.settleSoon()
		}
	}
	return nil
}

// settleSoon has settle called, once everything that belongs together was told.
func (h *hostLink) settleSoon() {
	if h.settleAt == 0 {
		h.settleAt = h.now() + settlePause
	}
}

// settle has the addresses set up, and tells the engine if its locators have changed.
func (h *hostLink) settle() {
	h.settleAt = 0
	failed := false
	for _, s := range h.sources {
		changed, err := s.Sync(h.now())
		if err != nil {
			// Sync has not forgotten what it had to read. The other sources do what they have
			// to do, or they would ask for it again at once.
			h.log.Warn("the addresses of this host can't be read", "error", err)
			failed = true
			continue
		}
		if changed&locator.Locators != 0 {
			// A message that was lost would have caused this.
			h.addresses.keepULIDs()
		}
		if changed&locator.Routes != 0 {
			h.addresses.routes = nil
		}
	}
	if failed {
		h.settleAt = h.now() + retryPause
		return
	}
	h.addresses.manage()
	h.tellLocators()
}

// specificsSoon has followSpecifics called: at once after a few changes, since our routes
// do not reflect them until then, and now and then while there are always more.
func (h *hostLink) specificsSoon() {
	if h.specificsAt == 0 {
		h.specificsAt = max(h.now(), h.restUntil)
	}
}

// followSpecifics has our routes follow those of the main table. If settle is due it does
// that.
func (h *hostLink) followSpecifics() {
	h.specificsAt = 0
	if h.settleAt != 0 {
		return
	}
	began := h.now()
	h.addresses.manage()
	h.restUntil = h.now() + restFactor*(h.now()-began)
}

// assess says of every address of this host what is to be thought of it now.
func (h *hostLink) assess() []locator.Locator {
	return locator.Assess(&h.table, h.addresses.effectiveConfig(), h.now())
}

// local are the locators that the engine is to be told of now.
func (h *hostLink) local() []engine.LocalLocator {
	h.locators = localsOf(h.assess())
	return h.locators
}

// tellLocators tells the engine of the locators if they have changed.
func (h *hostLink) tellLocators() {
	all := h.assess()
	list := localsOf(all)
	if same(list, h.locators) {
		return
	}
	for _, l := range all {
		h.log.Debug("locator", "address", l.Address, "interface", l.Interface,
			"available", l.Available, "operational", l.Operational, "why", l.Why)
	}
	level, what := slog.LevelInfo, "the locators of this host have changed"
	if alike(list, h.locators) {
		// Each Router Advertisement does that.
		level, what = slog.LevelDebug, "lifetimes of the locators of this host have changed"
	}
	h.log.Log(context.Background(), level, what, "available", len(list))
	h.locators = list
	h.session.handle(engine.Locators{Local: list})
}
