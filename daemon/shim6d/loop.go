// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// loop hands events to the parts, one after another, and has them do what is due, until a
// signal ends it.
func (d *daemon) loop(signals <-chan os.Signal) error {
	defer close(d.ended)
	d.systemd.ready()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(max(0, d.next()-d.now()))
		main, outside := d.kernel.batches()
		select {
		case b := <-main:
			d.kernel.take(b)
		case b := <-outside:
			d.kernel.takeOutside(b)
		case b := <-d.host.batches:
			if err := d.host.take(b); err != nil {
				return err
			}
		case do := <-d.requests:
			do()
		case <-timer.C:
		case s := <-signals:
			if s != syscall.SIGHUP {
				d.log.Info("shim6d ends; contexts and sessions go on in the kernel", "signal", s)
				return d.systemd.stopping()
			}
			d.reload()
		}
		if err := d.due(); err != nil {
			return err
		}
	}
}

// status is one line for systemd.
func (d *daemon) status() string {
	if d.kernel.conn == nil {
		return "waits for the kernel module"
	}
	return fmt.Sprintf("%d contexts, %d locators", d.session.engine.Size().Contexts, len(d.host.locators))
}
