// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	crand "crypto/rand"
	"errors"
	"io/fs"
	"slices"
	"time"

	"shim6/daemon/cga"
	"shim6/daemon/internal/address"
	"shim6/daemon/internal/writer"
)

const (
	// rereadPause is between attempts to read the identity.
	rereadPause = 10 * time.Second
	// remakePause is between attempts to make addresses.
	remakePause = time.Minute
	// renewPause is how long it takes until a set of which other hosts have all addresses is
	// replaced, and longestRenewPause how long if that has happened again and again.
	renewPause        = time.Minute
	longestRenewPause = time.Hour
)

// load reads the identity of this host. It waits for that the first time.
func (a *addresses) load() {
	a.rereadAt = 0
	patience := time.Duration(0)
	if a.taken == nil {
		a.taken, patience = map[*cga.PDS]bool{}, diskPatience
		a.loadTemporaries()
	}
	type loaded struct {
		identity *address.Identity
		err      error
	}
	load := func() (l loaded) {
		l.identity, l.err = a.store.keys.Load()
		return l
	}
	l, ok := within(a.core, patience, load, func(l loaded) {
		a.loaded(l.identity, l.err)
		a.host.settleSoon()
	})
	switch {
	case ok:
		a.loaded(l.identity, l.err)
	case !a.unknown:
		a.unknown, a.unread = true, writer.ErrLate
		a.log.Warn("the state directory does not answer: the addresses of shim6d are left as they are until it does", "state-directory", a.config.StateDirectory)
	}
}

// loaded goes on with the identity that was read. If it can't be read the addresses are left
// as they are: other keys would give other addresses. A disk may answer later. Damaged files
// are left to the administrator.
func (a *addresses) loaded(i *address.Identity, err error) {
	told := a.unread != nil && err != nil && a.unread.Error() == err.Error()
	a.unknown, a.unread = err != nil, err
	var disk *fs.PathError
	switch {
	case errors.As(err, &disk):
		a.rereadAt = a.now() + rereadPause
		if !told {
			a.log.Error("the addresses of shim6d are left as they are until these files can be read", "error", err, "state-directory", a.config.StateDirectory)
		}
	case err != nil:
		a.log.Error("the addresses of shim6d are left as they are: restore these files, or delete both and get other addresses",
			"error", err, "state-directory", a.config.StateDirectory)
	default:
		a.identity = i
		if a.config.ManagesAddresses() {
			a.makeKey()
		}
	}
}

// makeKey begins to make the key of a host that has none, so that it is there when prefixes
// are known and have been gathered.
func (a *addresses) makeKey() {
	if a.identity != nil || a.newKey != nil {
		return
	}
	made := make(chan *address.Identity, 1)
	a.newKey = made
	go func() {
		// Without a key, makeAddresses tries it again, and tells the error.
		i, _ := address.New(crand.Reader)
		made <- i
	}()
}

// wanting says which addresses are to be made.
type wanting struct {
	// missing are prefixes in which the identity has no address.
	missing []cga.SubnetPrefix
	// temporary are prefixes in which identities of temporary addresses have none.
	temporary map[*address.Identity][]cga.SubnetPrefix
	// rotate are the prefixes for which there should be new temporary addresses.
	rotate []cga.SubnetPrefix
}

func (w *wanting) nothing() bool {
	return len(w.missing) == 0 && len(w.temporary) == 0 && len(w.rotate) == 0
}

// first is what is to be made first: addresses that are there for good do not wait until a key for
// temporary ones is made.
func (w wanting) first() wanting {
	if len(w.missing) > 0 {
		return wanting{missing: w.missing}
	}
	return w
}

// wants is what a plan wants to be made.
func (a *addresses) wants(p *address.Plan) wanting {
	w := wanting{missing: p.Missing, rotate: p.Rotate}
	for i, missing := range p.MissingTemporary {
		if w.temporary == nil {
			w.temporary = map[*address.Identity][]cga.SubnetPrefix{}
		}
		w.temporary[a.temporaries.list[i].Identity] = missing
	}
	return w
}

// makings are what was made. Fields are nil if nothing was.
type makings struct {
	identity *address.Identity
	// extended are by the identities that they replace.
	extended map[*address.Identity]*address.Identity
	rotated  *address.Identity
}

// makeAddresses makes addresses for the prefixes that lack one. It takes a second, and so is done
// beside the loop.
func (a *addresses) makeAddresses() {
	a.makeAt = 0
	if a.making || a.wanting.nothing() || !a.config.ManagesAddresses() {
		return
	}
	a.making = true
	identity, w := a.identity, a.wanting.first()
	inUse := address.InUse(a.prefixes.Known(a.now(), &a.host.table), &a.host.table)
	newKey := a.newKey
	a.newKey = nil
	a.beside(func() func() {
		if identity == nil && newKey != nil {
			identity = <-newKey
		}
		m, err := w.make(identity, inUse)
		return func() {
			a.making = false
			if err != nil {
				a.log.Error("addresses can't be made", "prefixes", slices.Concat(w.missing, w.rotate), "error", err)
				a.makeAt = a.now() + remakePause
			}
			if m.identity != nil {
				a.log.Info("addresses were made", "prefixes", w.missing)
				a.use(m.identity)
			}
			a.useTemporary(&m, &w)
			// The first part is done, and the rest has waited long enough.
			if a.wanting.missing = nil; len(w.missing) > 0 && !a.wanting.nothing() {
				a.makeAt = max(a.makeAt, a.now())
			}
			a.host.settleSoon()
		}
	})
}

// make makes what is wanted, as far as it can.
func (w *wanting) make(identity *address.Identity, inUse []cga.SubnetPrefix) (m makings, err error) {
	extend := func(i *address.Identity, prefixes []cga.SubnetPrefix) *address.Identity {
		next, failed := i.Extend(context.Background(), crand.Reader, prefixes, inUse)
		err = errors.Join(err, failed)
		return next
	}
	if len(w.missing) > 0 {
		m.identity = extend(identity, w.missing)
	}
	m.extended = map[*address.Identity]*address.Identity{}
	for i, missing := range w.temporary {
		if next := extend(i, missing); next != nil {
			m.extended[i] = next
		}
	}
	if len(w.rotate) > 0 {
		m.rotated = extend(nil, w.rotate)
	}
	return m, err
}

// collide makes other addresses for a set, because another host has one of them.
func (a *addresses) collide(d address.Duplicate) {
	i := a.identity
	if d.Temporary >= 0 {
		i = a.temporaries.list[d.Temporary].Identity
	}
	pds := i.Sets[d.Set][0].PDS
	if a.taken[pds] {
		return
	}
	next, err := i.Collide(d.Set)
	if err != nil {
		a.taken[pds] = true
		if d.Temporary >= 0 {
			a.log.Error("another host has one of our addresses, and no other address can be made", "set", addressesOf(i.Sets[d.Set]), "error", err)
			return
		}
		// The last one was long ago.
		if a.renewed+2*longestRenewPause < a.now() {
			a.renewWait = 0
		}
		a.renewWait = min(max(renewPause, 2*a.renewWait), longestRenewPause)
		a.renewAt = a.now() + a.renewWait
		a.log.Error("another host has one of our addresses, and no other address of its set is left: this host may be a copy of another one, or the network may send our questions back",
			"set", addressesOf(i.Sets[d.Set]), "error", err, "another-set-in", a.renewWait)
		return
	}
	a.log.Warn("another host has one of our addresses: there is a new set", "set", addressesOf(i.Sets[d.Set]), "new", addressesOf(next.Sets[d.Set]))
	if d.Temporary < 0 {
		a.use(next)
		return
	}
	a.temporaries.list[d.Temporary].Identity = next
	a.saveTemporaries()
	a.host.settleSoon()
}

// renew makes other sets in place of those of which other hosts have every address. RFC 3972,
// section 4, step 8, stops after three addresses, since somebody may claim any. But a copy of a
// host finds three copies before it, and a network that sends questions back is repaired in
// time: without any address of ours, no session of this host would ever be protected again.
func (a *addresses) renew() {
	a.renewAt = 0
	if a.making {
		a.renewAt = a.now() + remakePause
		return
	}
	identity, taken := a.identity, a.taken
	a.taken, a.making, a.renewed = map[*cga.PDS]bool{}, true, a.now()
	a.beside(func() func() {
		next, err := identity, error(nil)
		for set := range identity.Sets {
			if err == nil && taken[identity.Sets[set][0].PDS] {
				next, err = next.Renew(context.Background(), crand.Reader, set)
			}
		}
		return func() {
			a.making = false
			if err != nil {
				a.log.Error("addresses can't be made", "error", err)
				a.taken, a.renewAt = taken, a.now()+remakePause
				return
			}
			a.log.Info("there are other sets of addresses, since other hosts had those before")
			a.use(next)
		}
	})
}

// use has an identity used and saved. The links do not wait until it is saved: a host whose
// disk is full still has addresses that prove each other.
func (a *addresses) use(i *address.Identity) {
	a.identity = i
	a.store.keys.Save(i)
	a.host.settleSoon()
}

func addressesOf(set []cga.Address) []string {
	var list []string
	for _, a := range set {
		list = append(list, a.Addr.String())
	}
	return list
}
