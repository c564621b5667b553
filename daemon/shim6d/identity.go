// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	crand "crypto/rand"
	"errors"
	"io/fs"
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
)

// load reads the identity of this host. It waits for that the first time.
func (a *addresses) load() {
	a.rereadAt = 0
	patience := time.Duration(0)
	if a.taken == nil {
		a.taken, patience = map[*cga.PDS]bool{}, diskPatience
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

// makeAddresses makes addresses for the prefixes that lack one. It takes a second, and so is done
// beside the loop.
func (a *addresses) makeAddresses() {
	a.makeAt = 0
	if a.making || len(a.missing) == 0 || !a.config.ManagesAddresses() {
		return
	}
	a.making = true
	identity, missing := a.identity, a.missing
	inUse := address.InUse(a.prefixes.Known(a.now(), &a.host.table), &a.host.table)
	newKey := a.newKey
	a.newKey = nil
	a.beside(func() func() {
		if identity == nil && newKey != nil {
			identity = <-newKey
		}
		next, err := identity.Extend(context.Background(), crand.Reader, missing, inUse)
		return func() {
			a.making = false
			if err != nil {
				a.log.Error("addresses can't be made", "prefixes", missing, "error", err)
				a.makeAt = a.now() + remakePause
				return
			}
			a.log.Info("addresses were made", "prefixes", missing)
			a.use(next)
		}
	})
}

// collide makes other addresses for a set, because another host has one of them.
func (a *addresses) collide(set int) {
	pds := a.identity.Sets[set][0].PDS
	if a.taken[pds] {
		return
	}
	next, err := a.identity.Collide(set)
	if err != nil {
		a.taken[pds] = true
		a.log.Error("another host has one of our addresses, and no other address can be made", "set", addressesOf(a.identity.Sets[set]), "error", err)
		return
	}
	a.log.Warn("another host has one of our addresses: there is a new set", "set", addressesOf(a.identity.Sets[set]), "new", addressesOf(next.Sets[set]))
	a.use(next)
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
