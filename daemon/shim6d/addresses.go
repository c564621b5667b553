// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"time"

	mnetlink "github.com/mdlayher/netlink"

	"shim6/daemon/cga"
	"shim6/daemon/config"
	"shim6/daemon/internal/address"
	"shim6/daemon/locator"
)

const (
	// gatherPause is for how long prefixes are gathered before addresses are made for
	// them: addresses that are made together prove each other without a signature. A host
	// that starts hears of its routers one after another.
	gatherPause = 5 * time.Second
	// keepPause is between looks whether contexts still have the ULIDs that are kept for
	// them.
	keepPause = time.Second
	// recheckBefore is how long before a ULID would be let go the kernel is asked for addresses: it
	// does not tell of one that a Router Advertisement has brought back before duplicate address
	// detection is over.
	recheckBefore = 300 * time.Millisecond
	// mostChanges is how many changes are made at once, so that a host with many routes
	// goes on with its other work.
	mostChanges = 500
)

// addresses is the part that gives links the addresses, routes and labels that they should
// have, and keeps the ULIDs of contexts that links have lost.
type addresses struct {
	*core
	store   *store
	host    *hostLink
	session *session
	// rtnetlink is an address.Kernel, except in tests.
	rtnetlink addressKernel

	keeper     address.Keeper
	prefixes   address.Prefixes
	collisions address.Collisions
	identity   *address.Identity
	// temporaries are those of the configuration's source "temporary", the newest last.
	temporaries temporaries
	// unknown: the identity is not read, because its files are damaged or do not
	// answer yet, and nothing is done. unread is why.
	unknown bool
	unread  error
	// routes are those that have our mark, as they were read and as was told since; nil
	// if they are to be read.
	routes   address.Routes
	restorer address.Restorer
	// clean: the configuration wants no addresses, and nothing is left of ours.
	clean bool
	// wanting is which addresses are to be made, and making whether some are being made.
	wanting wanting
	making  bool
	// newKey has the first key, once it is made; nil if none is being made.
	newKey chan *address.Identity
	// taken are the sets of which another host has an address with every collision count.
	taken map[*cga.PDS]bool
	// renewed is when such sets were replaced last, and renewWait how long that took.
	renewed, renewWait time.Duration
	// failure is the last error that was logged, so that it is logged once.
	failure string

	// When something is due; zero if it isn't.
	keepAt, recheckAt, makeAt, rereadAt, planAt, restoreAt, renewAt time.Duration
}

// addressKernel is what is asked of rtnetlink.
type addressKernel interface {
	Do(address.Action) error
	Rules() ([]address.Rule, error)
	Routes() (address.Routes, error)
	Labels() ([]netip.Addr, error)
	Lifetimes(index uint32) (address.Lifetimes, error)
	Close() error
}

var _ addressKernel = (*address.Kernel)(nil)

func (a *addresses) String() string { return "addresses" }

// Start connects to rtnetlink. The host reads the identity, once it listens.
func (a *addresses) Start() error {
	k, err := address.Open()
	if err != nil {
		return err
	}
	a.rtnetlink = k
	return nil
}

func (a *addresses) Next() time.Duration {
	return earliest(a.keepAt, a.makeAt, a.rereadAt, a.planAt, a.restoreAt, a.renewAt)
}

func (a *addresses) Due(now time.Duration) error {
	if isDue(a.keepAt, now) {
		a.keepULIDs()
	}
	if isDue(a.makeAt, now) {
		a.makeAddresses()
	}
	if isDue(a.rereadAt, now) {
		a.load()
	}
	if isDue(a.planAt, now) {
		a.planAt = 0
		a.host.settleSoon()
	}
	if isDue(a.renewAt, now) {
		a.renew()
	}
	if isDue(a.restoreAt, now) {
		a.restoreAt = 0
		a.host.settleSoon()
	}
	return nil
}

// Apply has manage look whether something is to be removed. The host calls it soon.
func (a *addresses) Apply(*config.Config) error {
	a.clean = false
	return nil
}

func (a *addresses) Close() {
	if f := a.temporaries.file; f != nil {
		if err := f.Close(diskPatience); err != nil {
			a.log.Error("temporary addresses are not kept for a restart", "error", err)
		}
	}
	if a.rtnetlink != nil {
		a.rtnetlink.Close()
	}
}

// hear takes over a message of rtnetlink about what no Table holds. It reports whether
// manage has something to do, and the message is of no interest to a Table.
func (a *addresses) hear(now time.Duration, m mnetlink.Message) bool {
	if a.prefixes.Apply(now, m) {
		return true
	}
	a.collisions.Apply(m)
	// True if somebody else has changed a route of ours.
	changed := a.routes.Apply(m)
	return a.restorer.Apply(m, &a.host.table, changed) || changed
}

// keepULIDs keeps the ULIDs of contexts that links have lost. This must be done before the
// engine hears that they are lost, and soon: until then no packet is delivered to the
// sockets.
func (a *addresses) keepULIDs() {
	table := &a.host.table
	for _, action := range a.keeper.Update(a.now(), table, a.session.engine.LocalULIDs) {
		err := a.rtnetlink.Do(action)
		if errors.Is(err, os.ErrPermission) {
			if other, ok := address.Elsewhere(action, table); ok {
				action, err = other, a.rtnetlink.Do(other)
			}
		}
		if err != nil {
			a.log.Warn("a ULID can't be kept for its contexts", "error", err)
			continue
		}
		a.log.Info("ULIDs are kept on the loopback while links lack them", "change", action)
		// The kernel will tell the same, but perhaps too late.
		if _, err := table.Apply(a.now(), action.Message()); err != nil {
			a.log.Warn(err.Error())
		}
		a.host.settleSoon()
	}
	a.keepAt, a.recheckAt = 0, 0
	if address.Keeps(table) {
		a.keepAt = a.now() + keepPause
	}
	if end, ok := address.KeptUntil(table); ok && end-recheckBefore > a.now() {
		a.recheckAt = end - recheckBefore
	}
}

// effectiveConfig is the configuration with the sets that shim6d itself has made.
func (a *addresses) effectiveConfig() *config.Config {
	i := a.identity
	if i == nil || !a.config.ManagesAddresses() {
		return a.config
	}
	c := *a.config
	c.Sets = slices.Clone(c.Sets)
	for _, s := range i.Sets {
		c.Sets = append(c.Sets, config.Set{Addresses: s, PrivateKey: i.Key})
	}
	for _, t := range a.temporaries.list {
		for _, s := range t.Sets {
			c.Sets = append(c.Sets, config.Set{Addresses: s, PrivateKey: t.Key, Temporary: true})
		}
	}
	return &c
}

// manage gives links the addresses and routes that they should have. The kernel tells what
// this changes, and then it is looked at again.
func (a *addresses) manage() {
	if a.rtnetlink == nil || a.unknown {
		return
	}
	on := a.config.ManagesAddresses()
	if !on && a.clean {
		return
	}
	s := address.State{Now: a.now(), Config: a.config, Table: &a.host.table, Identity: a.identity, Collisions: &a.collisions}
	s.Prefixes = a.prefixes.Known(s.Now, s.Table)
	s.Temporaries, s.Used = a.currentTemporaries()
	for _, index := range a.prefixes.Full() {
		a.log.Warn("routers announce more prefixes than shim6d uses on a link", "interface", s.Table.Name(index), "most", address.MaxPrefixes)
	}
	s.Routes = a.routes
	if err := readOurs(a.rtnetlink, &s); err != nil {
		a.fail(err)
		return
	}
	a.routes = s.Routes
	a.restorer.Rules(s.Rules)
	p := s.Plan()
	a.restore(&p)
	failed := a.change(p.Actions)
	a.fail(failed)
	a.clean = !on && failed == nil && len(p.Actions) <= mostChanges
	if !a.making {
		for _, d := range p.Duplicates {
			a.collide(d)
		}
	}
	a.planAt = p.Next
	a.wanting = a.wants(&p)
	switch {
	case a.wanting.nothing():
		a.makeAt = 0
	case a.makeAt == 0 && !a.making:
		a.makeAt = a.now() + gatherPause
		a.makeKey()
	}
}

// restore leaves out of a plan what other programs have removed too often, and says so.
func (a *addresses) restore(p *address.Plan) {
	r := a.restorer.Bound(a.now(), p)
	switch {
	case r.First == nil:
		a.restoreAt = 0
	case r.Later == 0:
		a.restoreAt = 0
		a.log.Warn("another program has removed what shim6d has set up: it is set up again", "first", r.First)
	case a.restoreAt == 0:
		a.restoreAt = r.Later
		a.log.Warn("another program goes on to remove what shim6d sets up: it is set up again only now and then",
			"first", r.First, "pause", address.RestorePause)
	default:
		a.restoreAt = r.Later
	}
}

// change does what is planned. If that is too much, it does a part of it and has manage
// called again.
func (a *addresses) change(actions []address.Action) (failed error) {
	if len(actions) > mostChanges {
		actions = actions[:mostChanges]
		a.host.settleSoon()
	}
	for _, action := range actions {
		a.log.Debug("addresses and routes", "change", action)
		if err := a.rtnetlink.Do(action); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		// The kernel will tell the same, but perhaps after the next plan.
		a.routes.Apply(action.Message())
		a.restorer.Did(action)
	}
	if failed != nil {
		// Perhaps the kernel's routes are not those that we know of.
		a.routes = nil
	}
	return failed
}

// fail logs an error, nil if there is none, unless it was the last one.
func (a *addresses) fail(err error) {
	what := text(err)
	if what != "" && what != a.failure {
		a.log.Warn("addresses and routes can't be set up", "error", err)
	}
	a.failure = what
}

// readOurs reads the rules and labels that have our mark, and the routes if they are not
// known.
func readOurs(k addressKernel, s *address.State) (err error) {
	if s.Rules, err = k.Rules(); err != nil {
		return err
	}
	// Without labels there still are addresses and routes, which matter more.
	s.Labels, err = k.Labels()
	s.NoLabels = err != nil
	if s.Routes != nil {
		return nil
	}
	s.Routes, err = k.Routes()
	return err
}

// flushAddresses removes everything that shim6d has ever set up, except contexts.
func flushAddresses() error {
	w, err := locator.Watch()
	if err != nil {
		return err
	}
	defer w.Close()
	k, err := address.Open()
	if err != nil {
		return err
	}
	defer k.Close()
	messages, err := w.Dump()
	if err != nil {
		return err
	}
	s := address.State{Table: &locator.Table{}}
	if err := s.Table.Dump(0, messages); err != nil {
		return err
	}
	if err := readOurs(k, &s); err != nil {
		return err
	}
	for _, a := range s.Flush() {
		err = errors.Join(err, k.Do(a))
	}
	return err
}
