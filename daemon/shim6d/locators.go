// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"log/slog"

	mnetlink "github.com/mdlayher/netlink"

	"shim6/daemon/internal/engine"
	"shim6/daemon/locator"
)

// rtnlBatch is what rtnetlink has told.
type rtnlBatch struct {
	messages []mnetlink.Message
	lost     bool
	err      error
}

// listen receives from rtnetlink until there is an error or the daemon ends.
func (d *daemon) listen() {
	for {
		messages, err := d.watcher.Receive()
		b := rtnlBatch{messages: messages, lost: errors.Is(err, locator.ErrOverflow), err: err}
		select {
		case d.rtnl <- b:
		case <-d.ended:
			return
		}
		if err != nil && !b.lost {
			return
		}
	}
}

func (d *daemon) dumpLocators() error {
	messages, err := d.watcher.Dump()
	if err != nil {
		return err
	}
	return d.table.Dump(d.now(), messages)
}

// applyLocators takes over what rtnetlink has told. What follows from it is looked
// at a little later, when all that belongs together is there.
func (d *daemon) applyLocators(b rtnlBatch) {
	if b.lost {
		d.eventsLost.Add(1)
		d.log.Warn("messages of rtnetlink were lost, which is made good")
		d.dumpDue = true
	}
	for _, m := range b.messages {
		if d.addresses.prefixes.Apply(d.now(), m) {
			d.settleSoon()
			continue
		}
		d.addresses.collisions.Apply(m)
		if d.addresses.routes.Apply(m) {
			// Somebody else has changed what is ours.
			d.settleSoon()
			continue
		}
		changed, err := d.table.Apply(d.now(), m)
		if err != nil {
			d.log.Warn(err.Error())
			continue
		}
		if changed&locator.Routes != 0 {
			d.routesDue = true
		}
		if changed == locator.Specifics {
			d.specificsSoon()
			continue
		}
		if changed&locator.Locators != 0 {
			// After each, since the last lifetime before an address is
			// gone says why it is.
			d.keepULIDs()
		}
		if changed != 0 {
			d.settleSoon()
		}
	}
	if d.dumpDue {
		d.settleSoon()
	}
}

// settle has the engine told if its locators have changed.
func (d *daemon) settle() error {
	d.settleAt = 0
	var err error
	switch {
	case d.dumpDue:
		err = d.dumpLocators()
	case d.routesDue:
		var routes []mnetlink.Message
		if routes, err = d.watcher.Routes(); err == nil {
			err = d.table.SetRoutes(routes)
		}
	}
	if err != nil {
		// It stays due.
		d.log.Warn("the addresses of this host can't be read", "error", err)
		d.settleAt = d.now() + retryPause
		return nil
	}
	if d.dumpDue {
		// What a message that was lost would have told.
		d.keepULIDs()
	}
	if d.dumpDue || d.routesDue {
		d.addresses.routes = nil
	}
	d.dumpDue, d.routesDue = false, false
	d.manageAddresses()
	d.tellLocators()
	return nil
}

// restFactor is how many times as long as it took to follow the main table's routes it
// is not done again: a host may learn of new ones all the time.
const restFactor = 20

// specificsSoon has followSpecifics called: at once if it is a few that have changed,
// for until then our routes take no notice of them, and now and then while there are
// always more.
func (d *daemon) specificsSoon() {
	if d.specificsAt == 0 {
		d.specificsAt = max(d.now(), d.restUntil)
	}
}

// followSpecifics has our routes follow those of the main table. If there is more to
// look at, settle will see to that.
func (d *daemon) followSpecifics() {
	d.specificsAt = 0
	if d.settleAt != 0 {
		return
	}
	began := d.now()
	d.manageAddresses()
	d.restUntil = d.now() + restFactor*(d.now()-began)
}

func (d *daemon) tellLocators() {
	all := locator.Assess(&d.table, d.policy(), d.now())
	list := localsOf(all)
	if same(list, d.locators) {
		return
	}
	for _, l := range all {
		d.log.Debug("locator", "address", l.Address, "interface", l.Interface,
			"available", l.Available, "operational", l.Operational, "why", l.Why)
	}
	level, what := slog.LevelInfo, "the locators of this host have changed"
	if alike(list, d.locators) {
		// By each Router Advertisement.
		level, what = slog.LevelDebug, "lifetimes of the locators of this host have changed"
	}
	d.log.Log(context.Background(), level, what, "available", len(list))
	d.locators = list
	d.handle(engine.Locators{Local: list})
}
