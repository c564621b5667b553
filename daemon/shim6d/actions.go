// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"time"

	"shim6/daemon/control"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/kernellink"
)

// errNoModule: a context is nothing without it.
var errNoModule = errors.New("the kernel module is not loaded")

// handle hands an event to the engine, and does what it answers. What the kernel
// refuses of that is the next event.
func (d *daemon) handle(ev engine.Event) {
	for next := d.do(d.engine.Handle(d.now(), ev)); len(next) > 0; next = next[1:] {
		next = append(next, d.do(d.engine.Handle(d.now(), next[0]))...)
	}
}

// refusal is why a context was refused, or nil if it wasn't.
func refusal(refused []engine.ContextRefused, u engine.ULIDs) error {
	for _, r := range refused {
		if r.ULIDs == u {
			return r.Err
		}
	}
	return nil
}

// do does actions in their order. It returns what was refused, after which nothing
// is sent for the same context. A command whose context was refused is not done,
// whatever the engine, which does not know that yet, says.
func (d *daemon) do(actions []engine.Action) (refused []engine.ContextRefused) {
	without := map[engine.ULIDs]bool{}
	refuse := func(u engine.ULIDs, err error) {
		d.log.Warn("the kernel refuses a context", append(attributes(u), "error", err)...)
		without[u] = true
		refused = append(refused, engine.ContextRefused{ULIDs: u, Err: err})
	}
	// An answer may come ahead of what it is about.
	var answers []engine.Done
	for _, a := range actions {
		switch a := a.(type) {
		case engine.ContextNew:
			if err := d.newContext(a); err != nil {
				refuse(a.Context.ULIDs, err)
			}
		case engine.ContextSet:
			if without[a.Context.ULIDs] || d.kernel == nil {
				break
			}
			if err := kernellink.Set(d.kernel, a); err != nil {
				refuse(a.Context.ULIDs, err)
			}
		case engine.ContextDel:
			d.deleteContext(a)
		case engine.Persist:
			d.state.Put(a.ULIDs, a.Record)
		case engine.Send:
			if !without[a.Context] {
				d.send(a)
			}
		case engine.Resync:
			d.resyncSoon()
		case engine.StateChange:
			about := append(attributes(a.ULIDs), "from", stateName(a.From), "to", stateName(a.To), "why", a.Why)
			if a.To == engine.Established {
				if p, ok := d.protection(a.ULIDs); ok {
					about = append(about, "protection", p.String())
				}
			}
			d.log.Info("context", about...)
			d.remember(control.Change{Name: nameOf(a.ULIDs), From: stateName(a.From), To: stateName(a.To), Why: a.Why})
		case engine.Note:
			d.log.Info(a.Text, attributes(a.ULIDs)...)
			d.remember(control.Change{Name: nameOf(a.ULIDs), Why: a.Text})
		case engine.Done:
			answers = append(answers, a)
		}
	}
	d.state.Flush()
	for _, a := range answers {
		if a.Err == nil {
			a.Err = refusal(refused, a.ULIDs)
		}
		if done := d.waiting[a.ID]; done != nil {
			delete(d.waiting, a.ID)
			done(a.Err)
		}
	}
	return refused
}

func (d *daemon) newContext(a engine.ContextNew) error {
	if d.kernel == nil {
		return errNoModule
	}
	return kernellink.New(d.kernel, a)
}

func (d *daemon) deleteContext(a engine.ContextDel) {
	if d.kernel == nil {
		return
	}
	if err := kernellink.Delete(d.kernel, a); err != nil {
		d.log.Warn("the kernel does not delete a context", append(attributes(a.ULIDs), "error", err)...)
		d.resyncSoon()
	}
}

// send sends a message. One that can't be sent is like one that was lost on its
// way; what it tells of is on record before.
func (d *daemon) send(a engine.Send) {
	d.state.Flush()
	if d.kernel == nil {
		return
	}
	if err := kernellink.Send(d.kernel, a); err != nil {
		d.sendErrors.Add(1)
		d.log.Debug("a message can't be sent", "type", a.Type, "source", a.Source, "destination", a.Destination, "error", err)
		return
	}
	d.log.Debug("sent", "type", a.Type, "source", a.Source, "destination", a.Destination)
}

// remember adds to the history.
func (d *daemon) remember(c control.Change) {
	c.Time = time.Now()
	d.history.add(c)
}

// recent is a list of which the last historySize are kept, the oldest first.
type recent[T any] []T

func (r *recent[T]) add(v T) {
	// Moved once in so many, there are up to twice as many.
	if l := *r; len(l) >= 2*historySize {
		*r = append(l[:0], l[len(l)-historySize:]...)
	}
	*r = append(*r, v)
}

// kept is a copy, and never nil.
func (r recent[T]) kept() []T { return append([]T{}, r[max(0, len(r)-historySize):]...) }

// attributes are the names of a context for the log.
func attributes(u engine.ULIDs) []any {
	a := []any{"ulid-local", u.Local, "ulid-peer", u.Peer}
	if u.FII != 0 {
		a = append(a, "fii", u.FII)
	}
	return a
}
