// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"slices"
	"time"

	"shim6/daemon/config"
	"shim6/daemon/internal/engine"
)

// daemon is all of shim6d: a list of parts on one loop, and how they know each other.
type daemon struct {
	*core
	// path is the file of the configuration, and read reads it.
	path string
	read func() (*config.Config, error)
	// reloading: the configuration is being read; again: and then once more.
	reloading, again bool

	parts []part

	store     *store
	addresses *addresses
	host      *hostLink
	kernel    *kernelLink
	session   *session
	history   *history
	systemd   *systemd
	overviews overviews
	alarms    *alarms
	guard     *guard
}

func newDaemon(c *config.Config, path string, log logger) (*daemon, error) {
	k := newCore(c, log)
	d := &daemon{core: k, path: path, history: &history{}}
	d.store = &store{core: k}
	d.addresses = &addresses{core: k, store: d.store}
	d.host = newHostLink(k, d.addresses)
	d.kernel = newKernelLink(k)
	d.session = &session{core: k, store: d.store, host: d.host, kernel: d.kernel, history: d.history, waiting: map[uint64]func(error){}}
	d.alarms = &alarms{core: k}
	d.guard = &guard{core: k, session: d.session, history: d.history, alarms: d.alarms, guarded: map[engine.ULIDs]*guarded{}}
	d.session.guard, d.session.alarms = d.guard, d.alarms
	d.systemd = &systemd{core: k, notifier: newNotifier(), status: d.status}
	d.addresses.host, d.addresses.session = d.host, d.session
	d.host.session, d.kernel.session = d.session, d.session
	d.kernel.changed = d.systemd.tell
	// The order is that of what they need. When several are due, the addresses and the
	// host come before the engine: a ULID that its link has lost must be kept before the
	// engine hears that it is lost. A reload and the end take the opposite order.
	d.parts = []part{
		d.store, d.addresses, d.host, d.kernel, d.session, d.guard, d.alarms,
		&controlSocket{core: k, backend: backend{d}},
		&debugPort{core: k, backend: backend{d}},
		d.systemd,
	}
	if err := d.store.open(); err != nil {
		return nil, err
	}
	return d, nil
}

// start starts every part. It adopts the contexts that the kernel has.
func (d *daemon) start() error {
	for _, p := range d.parts {
		if err := p.Start(); err != nil {
			return err
		}
	}
	d.addresses.keepULIDs()
	d.addresses.manage()
	d.log.Info(msgRuns, "version", version, "contexts", d.session.engine.Size().Contexts, "locators", len(d.host.locators))
	return nil
}

// next is when something is due.
func (d *daemon) next() time.Duration {
	at := never
	for _, p := range d.parts {
		at = min(at, p.Next())
	}
	return at
}

// due has each part do what is due.
func (d *daemon) due() error {
	for _, p := range d.parts {
		if err := p.Due(d.now()); err != nil {
			return err
		}
	}
	return nil
}

// close ends every part. Contexts stay in the kernel.
func (d *daemon) close() {
	for _, p := range slices.Backward(d.parts) {
		p.Close()
	}
}
