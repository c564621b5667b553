// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	crand "crypto/rand"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/internal/address"
)

// temporaries are the temporary addresses that shim6d has made, see address.Temporary.
type temporaries struct {
	list []address.Temporary
	file *address.TemporaryFile
}

// loadTemporaries reads those that a daemon before this one has made. The file is in memory.
func (a *addresses) loadTemporaries() {
	a.temporaries.file = address.OpenTemporaryFile(runtimeFolder(a.config), a.now(), a.temporariesFailure)
	list, err := a.temporaries.file.Load()
	if err != nil {
		a.log.Warn("the temporary addresses of before this start are lost, and sessions with them end", "error", err)
	}
	a.temporaries.list = list
}

func (a *addresses) saveTemporaries() { a.temporaries.file.Save(a.temporaries.list) }

// temporariesFailure is told by the writer of the file, on its goroutine.
func (a *addresses) temporariesFailure(err error) {
	if err != nil {
		a.log.Error("temporary addresses are not kept for a restart until this works again", "error", err)
		return
	}
	a.log.Info("temporary addresses are kept for a restart again")
}

// currentTemporaries are those that are still needed, and the ULIDs of contexts.
func (a *addresses) currentTemporaries() ([]address.Temporary, map[netip.Addr]bool) {
	if len(a.temporaries.list) == 0 {
		return nil, nil
	}
	used := a.session.engine.LocalULIDs()
	list, changed := address.Current(a.temporaries.list, a.now(), used)
	if changed {
		a.temporaries.list = list
		a.saveTemporaries()
	}
	return list, used
}

// useTemporary has temporary addresses used and saved, if some were made.
func (a *addresses) useTemporary(m *makings, w *wanting) {
	for i := range a.temporaries.list {
		t := &a.temporaries.list[i]
		if next := m.extended[t.Identity]; next != nil {
			t.Identity = next
		}
	}
	if m.rotated != nil {
		t, err := a.temporaryLifetimes().Begin(crand.Reader, a.now(), m.rotated)
		if err != nil {
			a.log.Error("temporary addresses can't be made", "error", err)
			return
		}
		a.temporaries.list = append(slices.Clone(a.temporaries.list), t)
		a.log.Info("temporary addresses were made for new connections", "prefixes", w.rotate,
			"preferred", (t.PreferredUntil - a.now()).Round(time.Second), "valid", (t.ValidUntil - a.now()).Round(time.Second))
	}
	if m.rotated != nil || len(m.extended) > 0 {
		a.saveTemporaries()
	}
}

// temporaryLifetimes are those that the sysctls of links want, the shortest of all links. Links whose
// sysctls can't be read want the default.
func (a *addresses) temporaryLifetimes() address.Lifetimes {
	var l address.Lifetimes
	asked := map[uint32]bool{}
	for _, p := range a.prefixes.Known(a.now(), &a.host.table) {
		if asked[p.Index] {
			continue
		}
		of, err := a.rtnetlink.Lifetimes(p.Index)
		if err != nil {
			a.log.Warn("the lifetimes that a link wants for temporary addresses can't be read", "interface", a.host.table.Name(p.Index), "error", err)
			of = address.DefaultLifetimes
		}
		if len(asked) > 0 {
			of = of.Within(l)
		}
		l, asked[p.Index] = of, true
	}
	if len(asked) == 0 {
		return address.DefaultLifetimes
	}
	return l
}
