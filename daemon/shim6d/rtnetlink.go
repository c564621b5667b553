// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"time"

	mnetlink "github.com/mdlayher/netlink"

	"shim6/daemon/locator"
)

// linksPause is how long the kernel may take to remove the routes of a link.
const linksPause = time.Second

// rtnetlinkSource is the source of links, addresses, routes and neighbours, and of the
// prefixes that routers announce.
type rtnetlinkSource struct {
	table     *locator.Table
	addresses *addresses
	watcher   *locator.Watcher
	// dumpDue and routesDue say what Sync has to read.
	dumpDue, routesDue bool
	// linksAt is when Sync has to read the routes if the kernel has not told by then of all
	// that a link took along; zero if no link has gone.
	linksAt time.Duration
}

func (*rtnetlinkSource) String() string { return "rtnetlink" }

// Open begins to listen.
func (r *rtnetlinkSource) Open() (err error) {
	r.dumpDue = true
	r.watcher, err = locator.Watch()
	return err
}

// Receive waits for messages.
func (r *rtnetlinkSource) Receive() ([]fact, error) {
	messages, err := r.watcher.Receive()
	switch {
	case errors.Is(err, locator.ErrOverflow):
		err = errLost
	case err != nil:
		err = fmt.Errorf("%w: %w", errGone, err)
	}
	return r.facts(messages), err
}

func (r *rtnetlinkSource) facts(messages []mnetlink.Message) []fact {
	facts := make([]fact, 0, len(messages))
	for _, m := range messages {
		facts = append(facts, func(now time.Duration) (locator.Changed, error) { return r.apply(now, m) })
	}
	return facts
}

func (r *rtnetlinkSource) apply(now time.Duration, m mnetlink.Message) (locator.Changed, error) {
	if r.addresses.hear(now, m) {
		return addressesChanged, nil
	}
	changed, err := r.table.Apply(now, m)
	r.routesDue = r.routesDue || changed&locator.Routes != 0
	if changed&locator.Links != 0 {
		r.linksAt = now + linksPause
	}
	return changed, err
}

// Lost has Sync read everything.
func (r *rtnetlinkSource) Lost() { r.dumpDue = true }

// Sync reads the routes or everything, if that is due.
func (r *rtnetlinkSource) Sync(now time.Duration) (changed locator.Changed, err error) {
	var messages []mnetlink.Message
	linksDue := isDue(r.linksAt, now)
	if linksDue {
		r.linksAt = 0
	}
	if isDue(r.addresses.recheckAt, now) {
		r.addresses.recheckAt, r.dumpDue = 0, true
	}
	switch {
	case r.dumpDue:
		if messages, err = r.watcher.Dump(); err == nil {
			err = r.table.Dump(now, messages)
		}
		changed = locator.Locators | locator.Routes
	case r.routesDue, linksDue && r.table.Stale():
		if messages, err = r.watcher.Routes(); err == nil {
			err = r.table.SetRoutes(messages)
		}
		changed = locator.Routes
	}
	if err != nil {
		r.routesDue = true
		return 0, err
	}
	r.dumpDue, r.routesDue = false, false
	return changed, nil
}

// Next is when a link should have taken its routes along, or a ULID would be let go soon.
func (r *rtnetlinkSource) Next() time.Duration { return earliest(r.linksAt, r.addresses.recheckAt) }

// Close ends Receive.
func (r *rtnetlinkSource) Close() {
	if r.watcher != nil {
		r.watcher.Close()
	}
}
