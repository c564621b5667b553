// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	crand "crypto/rand"
	"errors"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/cga"
	"shim6/daemon/config"
	"shim6/daemon/internal/address"
	"shim6/daemon/locator"
)

// gather is for how long prefixes are gathered before addresses are made for them:
// those that are made at once prove each other without a signature. A host that
// starts hears of its routers one after another.
const gather = 5 * time.Second

// addresses is what the daemon knows of those that it makes.
type addresses struct {
	prefixes   address.Prefixes
	collisions address.Collisions
	identity   *address.Identity
	// unknown: the identity is not read, because its files are damaged or do not
	// answer yet, and nothing is done.
	unknown bool
	// unread is why it was not read.
	unread error
	// routes are those that have our mark, as they were read and as is told since;
	// nil if they are to be read.
	routes address.Routes
	// clean: nothing is to be made, and nothing is left of what was.
	clean bool
	// missing are prefixes without an address, and making whether some are
	// being made.
	missing []cga.SubnetPrefix
	making  bool
	// newKey has the first key, once it is made; nil if none is being made.
	newKey chan *address.Identity
	// taken are sets of which an address is taken with every collision count.
	taken map[*cga.PDS]bool
	// failure is the last error that was logged, so that it is logged once.
	failure string
}

// addressKernel is what is asked of rtnetlink.
type addressKernel interface {
	Do(address.Action) error
	Rules() ([]address.Rule, error)
	Routes() (address.Routes, error)
	Labels() ([]netip.Addr, error)
	Close() error
}

var _ addressKernel = (*address.Kernel)(nil)

// keepPause is how often it is looked whether contexts still have the ULIDs that are
// kept for them.
const keepPause = time.Second

// keepULIDs has the ULIDs of contexts live on that links have lost. It must come
// before the engine hears that they are lost, and soon: until it is done, no packet
// is delivered to the sockets.
func (d *daemon) keepULIDs() {
	for _, a := range d.keeper.Update(d.now(), &d.table, d.engine.LocalULIDs) {
		if err := d.rtnetlink.Do(a); err != nil {
			d.log.Warn("a ULID can't be kept for its contexts", "error", err)
			continue
		}
		d.log.Info("ULIDs are kept on the loopback while links lack them", "change", a)
		// The kernel will tell the same, but perhaps too late.
		if _, err := d.table.Apply(d.now(), a.Message()); err != nil {
			d.log.Warn(err.Error())
		}
		d.settleSoon()
	}
	d.keepAt = 0
	if address.Keeps(&d.table) {
		d.keepAt = d.now() + keepPause
	}
}

// settleSoon has settle look at what was told, once all of it is there.
func (d *daemon) settleSoon() {
	if d.settleAt == 0 {
		d.settleAt = d.now() + settle
	}
}

// policy is the configuration with the sets that shim6d itself has made.
func (d *daemon) policy() *config.Config {
	i := d.addresses.identity
	if i == nil || !d.config.ManagesAddresses() {
		return d.config
	}
	c := *d.config
	c.Sets = slices.Clone(c.Sets)
	for _, s := range i.Sets {
		c.Sets = append(c.Sets, config.Set{Addresses: s, PrivateKey: i.Key})
	}
	return &c
}

// manageAddresses gives links the addresses and routes that they should have. What
// it changes is told by the kernel, and then looked at again.
func (d *daemon) manageAddresses() {
	a := &d.addresses
	if d.rtnetlink == nil || a.unknown {
		return
	}
	on := d.config.ManagesAddresses()
	if !on && a.clean {
		return
	}
	s := address.State{Now: d.now(), Config: d.config, Table: &d.table, Identity: a.identity, Collisions: &a.collisions}
	s.Prefixes = a.prefixes.Known(s.Now, s.Table)
	for _, index := range a.prefixes.Full() {
		d.log.Warn("routers announce more prefixes than shim6d uses on a link", "interface", d.table.Name(index), "most", address.MaxPrefixes)
	}
	s.Routes = a.routes
	if err := readOurs(d.rtnetlink, &s); err != nil {
		d.addressFailure(err)
		return
	}
	a.routes = s.Routes
	p := s.Plan()
	failed := d.change(p.Actions)
	d.addressFailure(failed)
	a.clean = !on && failed == nil && len(p.Actions) <= mostChanges
	if !a.making {
		for _, set := range p.Duplicates {
			d.collide(set)
		}
	}
	a.missing = p.Missing
	switch {
	case len(p.Missing) == 0:
		d.makeAt = 0
	case d.makeAt == 0 && !a.making:
		d.makeAt = d.now() + gather
		d.makeKey()
	}
}

// mostChanges is how many are done at once, so that a host with many routes goes on
// with its other work.
const mostChanges = 500

// change does what is planned, and is called again if that is too much.
func (d *daemon) change(actions []address.Action) (failed error) {
	if len(actions) > mostChanges {
		actions = actions[:mostChanges]
		d.settleSoon()
	}
	for _, action := range actions {
		d.log.Debug("addresses and routes", "change", action)
		if err := d.rtnetlink.Do(action); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		// The kernel will tell the same, but perhaps after the next plan.
		d.addresses.routes.Apply(action.Message())
	}
	if failed != nil {
		// It may be because there is something else than was thought.
		d.addresses.routes = nil
	}
	return failed
}

// makeKey begins to make the key of a host that has none, so that it is there when
// prefixes are known and have been gathered.
func (d *daemon) makeKey() {
	a := &d.addresses
	if a.identity != nil || a.newKey != nil {
		return
	}
	made := make(chan *address.Identity, 1)
	a.newKey = made
	go func() {
		// Without one, makeAddresses tries it again, and tells the error.
		i, _ := address.New(crand.Reader)
		made <- i
	}()
}

// addressFailure logs an error, nil if there is none, unless it was the last one.
func (d *daemon) addressFailure(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != d.addresses.failure {
		d.log.Warn("addresses and routes can't be set up", "error", err)
	}
	d.addresses.failure = text
}

// readOurs reads the rules and labels that have our mark, and the routes if they are not
// known.
func readOurs(k addressKernel, s *address.State) (err error) {
	if s.Rules, err = k.Rules(); err != nil {
		return err
	}
	// Addresses and routes matter more than which of them is preferred.
	s.Labels, err = k.Labels()
	s.NoLabels = err != nil
	if s.Routes != nil {
		return nil
	}
	s.Routes, err = k.Routes()
	return err
}

// makeAddresses makes addresses for the prefixes that lack one. It takes a second,
// and so is done beside.
func (d *daemon) makeAddresses() {
	d.makeAt = 0
	a := &d.addresses
	if a.making || len(a.missing) == 0 || !d.config.ManagesAddresses() {
		return
	}
	a.making = true
	identity, missing := a.identity, a.missing
	inUse := address.InUse(a.prefixes.Known(d.now(), &d.table), &d.table)
	newKey := a.newKey
	a.newKey = nil
	go func() {
		if identity == nil && newKey != nil {
			identity = <-newKey
		}
		next, err := identity.Extend(context.Background(), crand.Reader, missing, inUse)
		done := func() {
			a.making = false
			if err != nil {
				d.log.Error("addresses can't be made", "prefixes", missing, "error", err)
				d.makeAt = d.now() + time.Minute
				return
			}
			d.log.Info("addresses were made", "prefixes", missing)
			d.takeIdentity(next)
		}
		select {
		case d.requests <- done:
		case <-d.ended:
		}
	}()
}

// collide makes the addresses of a set anew, because another host has one of them.
func (d *daemon) collide(set int) {
	a := &d.addresses
	pds := a.identity.Sets[set][0].PDS
	if a.taken[pds] {
		return
	}
	next, err := a.identity.Collide(set)
	if err != nil {
		a.taken[pds] = true
		d.log.Error("another host has one of our addresses, and there is no other to be had", "set", addressesOf(a.identity.Sets[set]), "error", err)
		return
	}
	d.log.Warn("another host has one of our addresses: there is a new set", "set", addressesOf(a.identity.Sets[set]), "new", addressesOf(next.Sets[set]))
	d.takeIdentity(next)
}

// takeIdentity has an identity used and saved. The links do not wait until it is: a host
// whose disk is full has addresses that prove each other all the same.
func (d *daemon) takeIdentity(i *address.Identity) {
	d.addresses.identity = i
	d.saver.Save(i)
	d.settleSoon()
}

func addressesOf(set []cga.Address) []string {
	var list []string
	for _, a := range set {
		list = append(list, a.Addr.String())
	}
	return list
}

// flushAddresses removes all that shim6d has ever set up, contexts apart.
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
