// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/kernellink"
	"shim6/netlink"
)

// never is when nothing is due.
const never = time.Duration(1<<63 - 1)

// loop drives the engine: what happens, and what time brings, one after another,
// until a signal ends it.
func (d *daemon) loop(signals <-chan os.Signal) error {
	defer close(d.ended)
	if err := d.notify.ready(d.status()); err != nil {
		d.log.Warn(err.Error())
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var watchdog <-chan time.Time
	if d.notify.watchdog > 0 {
		t := time.NewTicker(d.notify.watchdog)
		defer t.Stop()
		watchdog = t.C
	}
	for {
		timer.Reset(max(0, d.next()-d.now()))
		var main, outside <-chan kernellink.Batch
		if d.kernel != nil {
			main, outside = d.kernel.Main, d.kernel.Outside
		}
		select {
		case b := <-main:
			d.kernelBatch(b)
		case b := <-outside:
			d.outsideBatch(b)
		case b := <-d.rtnl:
			if err := d.rtnlBatch(b); err != nil {
				return err
			}
		case do := <-d.requests:
			do()
		case <-timer.C:
		case <-watchdog:
			if err := d.notify.alive(); err != nil {
				d.log.Warn(err.Error())
			}
		case s := <-signals:
			if s != syscall.SIGHUP {
				d.log.Info("shim6d ends; contexts and sessions go on in the kernel", "signal", s)
				return d.notify.stopping()
			}
			d.reload()
		}
		if err := d.due(); err != nil {
			return err
		}
	}
}

// next is when something is due.
func (d *daemon) next() time.Duration {
	at := never
	if t, ok := d.engine.Next(); ok {
		at = t
	}
	for _, t := range []time.Duration{d.settleAt, d.specificsAt, d.resyncAt, d.reconnectAt, d.keepAt, d.makeAt, d.rereadAt} {
		if t != 0 {
			at = min(at, t)
		}
	}
	return at
}

// due does what is due.
func (d *daemon) due() error {
	now := d.now()
	if d.reconnectAt != 0 && d.reconnectAt <= now {
		d.reconnect()
	}
	if d.keepAt != 0 && d.keepAt <= now {
		d.keepULIDs()
	}
	if d.makeAt != 0 && d.makeAt <= now {
		d.makeAddresses()
	}
	if d.rereadAt != 0 && d.rereadAt <= now {
		d.loadAddresses()
	}
	if d.specificsAt != 0 && d.specificsAt <= now {
		d.followSpecifics()
	}
	if d.settleAt != 0 && d.settleAt <= now {
		if err := d.settle(); err != nil {
			return err
		}
	}
	if d.resyncAt != 0 && d.resyncAt <= now {
		d.resync()
	}
	if t, ok := d.engine.Next(); ok && t <= now {
		d.handle(engine.Tick{})
	}
	return nil
}

// outsideBatch deals with what the kernel tells of what others cause. What is lost
// there is like a packet lost, which no dump repairs; and who floods this host must
// not have it dump all the time.
func (d *daemon) outsideBatch(b kernellink.Batch) {
	if b.Lost {
		b.Lost = false
		d.eventsLost.Add(1)
		d.log.Warn("messages or errors from outside were lost, like packets")
	}
	d.kernelBatch(b)
}

// kernelBatch deals with what the kernel tells.
func (d *daemon) kernelBatch(b kernellink.Batch) {
	for _, ev := range b.Events {
		switch ev := ev.(type) {
		case netlink.GoneEvent:
			d.moduleGone("the module was unloaded")
			return
		case netlink.ChangeEvent, netlink.DeleteEvent:
			// What there is now, a dump tells for sure: later events may be
			// on their way.
			d.resyncSoon()
		default:
			if a, ok := ev.(netlink.AcquireEvent); ok {
				d.log.Debug("a context is wanted", "ulid-local", a.Local, "ulid-peer", a.Peer, "packets", a.Packets)
			}
			if e := kernellink.Event(ev, d.kernel.InUse); e != nil {
				d.handle(e)
			}
		}
	}
	if b.Lost {
		d.eventsLost.Add(1)
		d.log.Warn("events of the kernel were lost, which is made good")
		d.resyncSoon()
	}
	if b.Err != nil {
		d.moduleGone(b.Err.Error())
	}
}

// resyncSoon has the kernel dumped: at once, unless that has just been done. However
// long a dump takes, there is a pause after it.
func (d *daemon) resyncSoon() {
	if d.resyncAt == 0 {
		d.resyncAt = max(d.now(), d.resynced+resyncPause)
	}
}

func (d *daemon) resync() {
	d.resyncAt = 0
	if d.kernel == nil {
		return
	}
	contexts, err := d.dump()
	if err != nil {
		d.log.Warn("the kernel's contexts can't be read", "error", err)
		d.resyncAt = d.now() + retryPause
		return
	}
	d.handle(engine.Dump{Contexts: contexts})
	d.resynced = d.now()
	if d.resyncAt != 0 {
		// What came of it asks for another.
		d.resyncAt = d.resynced + resyncPause
	}
}

// moduleGone drops the connection, and with it all contexts: there are none
// without the module. Peers that still have them will learn it by R1bis when it is
// back.
func (d *daemon) moduleGone(why string) {
	if d.kernel == nil {
		return
	}
	d.log.Warn("shim6d has lost the kernel module, and waits for it", "reason", why)
	d.kernel.Close()
	d.kernel = nil
	d.reconnectAt = d.now() + retryPause
	d.handle(engine.Dump{})
	d.tellStatus()
}

// awaitModule waits for a module that was not there yet. It may be on its way: after a new
// kernel, DKMS builds it when it can.
func (d *daemon) awaitModule(err error) {
	d.log.Warn("the kernel module is not there, and shim6d waits for it", "error", err)
	d.reconnectAt, d.loadPause = d.now()+retryPause, firstLoadPause
	d.loadAt = d.now() + d.loadPause
}

// reconnect looks for the module. If it was there before, the kernel is not asked to load
// it: who has unloaded it has had a reason.
func (d *daemon) reconnect() {
	now := d.now()
	d.reconnectAt = now + retryPause
	if d.loadAt == 0 || d.loadAt > now {
		there, err := d.loaded()
		if err != nil || !there {
			return
		}
	} else {
		d.loadPause = min(2*d.loadPause, lastLoadPause)
		d.loadAt = now + d.loadPause
	}
	k, err := d.connect()
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		if text := err.Error(); text != d.unusable {
			d.log.Warn("the module is there, but can't be used", "error", err)
			d.unusable = text
		}
		return
	}
	d.kernel, d.reconnectAt, d.loadAt, d.unusable = k, 0, 0, ""
	d.log.Info("the kernel module is there")
	if err := d.configureKernel(); err != nil {
		d.log.Error("the kernel's configuration can't be set", "error", err)
	}
	d.resync()
	d.tellStatus()
}

// tellStatus tells systemd how shim6d is.
func (d *daemon) tellStatus() {
	if err := d.notify.status(d.status()); err != nil {
		d.log.Warn(err.Error())
	}
}

// errGone: without rtnetlink nothing is known of the host's addresses.
var errGone = errors.New("rtnetlink is of no use any more")

func (d *daemon) rtnlBatch(b rtnlBatch) error {
	if b.err != nil && !b.lost {
		return fmt.Errorf("%w: %w", errGone, b.err)
	}
	d.applyLocators(b)
	return nil
}

func (d *daemon) status() string {
	if d.kernel == nil {
		return "waits for the kernel module"
	}
	return fmt.Sprintf("%d contexts, %d locators", d.engine.Size().Contexts, len(d.locators))
}
