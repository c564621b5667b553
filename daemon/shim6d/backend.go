// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"os"

	"shim6/daemon/control"
	"shim6/daemon/internal/engine"
)

// backend is the daemon as the control socket and the debug port see it. Its methods are
// called by their goroutines, and have the loop do the work.
type backend struct{ d *daemon }

var _ control.Backend = backend{}

// ask has the loop call do, which calls done with the result: at once, or later.
func ask[T any](ctx context.Context, d *daemon, do func(done func(T, error))) (T, error) {
	type result struct {
		v   T
		err error
	}
	// With room for the result, since nobody may wait for it any more.
	results := make(chan result, 1)
	var zero T
	select {
	case d.requests <- func() { do(func(v T, err error) { results <- result{v, err} }) }:
	case <-d.ended:
		return zero, control.ErrUnavailable
	case <-ctx.Done():
		return zero, ctx.Err()
	}
	select {
	case r := <-results:
		return r.v, r.err
	case <-d.ended:
		return zero, control.ErrUnavailable
	case <-ctx.Done():
		return zero, ctx.Err()
	}
}

// look is ask for something that changes nothing.
func look[T any](ctx context.Context, d *daemon, do func() T) (T, error) {
	return ask(ctx, d, func(done func(T, error)) { done(do(), nil) })
}

// command hands a command to the engine.
func (b backend) command(ctx context.Context, event func(id uint64) engine.Event) error {
	_, err := ask(ctx, b.d, func(done func(struct{}, error)) {
		b.d.session.command(event, func(err error) { done(struct{}{}, err) })
	})
	return err
}

func (b backend) Open(ctx context.Context, r control.OpenRequest) error {
	return b.command(ctx, func(id uint64) engine.Event {
		return engine.Open{ID: id, ULIDs: ulidsOf(r.Name), Pair: engine.Pair{Local: r.LocatorLocal, Peer: r.LocatorPeer}, Force: r.Force}
	})
}

func (b backend) Close(ctx context.Context, n control.Name) error {
	return b.command(ctx, func(id uint64) engine.Event { return engine.Close{ID: id, ULIDs: ulidsOf(n)} })
}

func (b backend) Refresh(ctx context.Context, n control.Name) error {
	return b.command(ctx, func(id uint64) engine.Event { return engine.Refresh{ID: id, ULIDs: ulidsOf(n)} })
}

func (b backend) Use(ctx context.Context, r control.UseRequest) error {
	return b.command(ctx, func(id uint64) engine.Event {
		return engine.Use{ID: id, ULIDs: ulidsOf(r.Name), Pair: engine.Pair{Local: r.LocatorLocal, Peer: r.LocatorPeer}}
	})
}

func (b backend) Doubt(ctx context.Context, n control.Name) error {
	return b.command(ctx, func(id uint64) engine.Event { return engine.Doubt{ID: id, ULIDs: ulidsOf(n)} })
}

func (b backend) ProbeAll(ctx context.Context, n control.Name) error {
	return b.command(ctx, func(id uint64) engine.Event { return engine.ProbeAll{ID: id, ULIDs: ulidsOf(n)} })
}

func (b backend) Contexts(ctx context.Context) ([]control.Context, error) {
	return look(ctx, b.d, func() []control.Context {
		list := []control.Context{}
		for i := range b.d.session.engine.Contexts() {
			list = append(list, contextOf(i))
		}
		return list
	})
}

func (b backend) Locators(ctx context.Context) ([]control.Locator, error) {
	return look(ctx, b.d, func() []control.Locator {
		list, now := []control.Locator{}, b.d.now()
		for _, l := range b.d.host.assess() {
			list = append(list, l.Told(now))
		}
		return list
	})
}

func (b backend) History(ctx context.Context) ([]control.Change, error) {
	return look(ctx, b.d, func() []control.Change { return b.d.history.changes.kept() })
}

func (b backend) Paths(ctx context.Context) ([]control.Path, error) {
	return look(ctx, b.d, func() []control.Path { return b.d.session.paths() })
}

func (b backend) Switches(ctx context.Context) ([]control.Switch, error) {
	return look(ctx, b.d, func() []control.Switch { return b.d.history.switches.kept() })
}

func (b backend) Protections(ctx context.Context, names []control.Name) ([]control.Protection, error) {
	return look(ctx, b.d, func() []control.Protection {
		list := []control.Protection{}
		for _, n := range names {
			list = append(list, protectionOf(n, b.d.session.protection(ulidsOf(n))))
		}
		return list
	})
}

func (b backend) Status(ctx context.Context) (control.Status, error) {
	return look(ctx, b.d, func() control.Status {
		d, e := b.d, b.d.session.engine
		size, stats := e.Size(), e.Stats()
		unsaved := d.store.keys.Err()
		if d.addresses.unread != nil {
			unsaved = d.addresses.unread
		}
		return control.Status{
			Version: version, PID: os.Getpid(), Uptime: d.now().Milliseconds(), Config: d.path,
			Kernel:       d.kernel.conn != nil,
			RecordsError: text(d.store.records.Err()), KeysError: text(unsaved),
			Contexts: size.Contexts, HoldDowns: size.HoldDowns, Records: d.store.records.Len(), Locators: len(d.host.locators),
			EventsLost: d.kernel.lost + d.host.lost, SendErrors: d.kernel.sendErrors,
			Sent: byType(stats.Sent[:]), Received: byType(stats.Received[:]), Dropped: dropped(stats),
			Reap: nonzero(b.d.session.explorer.Stats().Named()),
		}
	})
}

// text is what an error says, "" if there is none.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
