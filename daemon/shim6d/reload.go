// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"slices"
	"strconv"

	"shim6/daemon/config"
)

// reload reads the configuration anew. One that is wrong changes nothing.
func (d *daemon) reload() {
	if err := d.notify.reloading(); err != nil {
		d.log.Warn(err.Error())
	}
	c, err := d.read()
	if err != nil {
		d.log.Error("the configuration is not reloaded", "error", err)
	} else {
		d.apply(c)
	}
	if err := d.notify.ready(d.status()); err != nil {
		d.log.Warn(err.Error())
	}
}

func (d *daemon) apply(c *config.Config) {
	old := d.config
	for _, k := range []struct{ key, old, new string }{
		{"state-directory", old.StateDirectory, c.StateDirectory},
		{"control.socket", old.Control.Socket, c.Control.Socket},
		{"control.group", old.Control.Group, c.Control.Group},
		{"log.format", old.Log.Format, c.Log.Format},
	} {
		if k.old != k.new {
			d.log.Warn("this key is looked at when shim6d starts: restart it", "key", k.key, "value", strconv.Quote(k.new))
		}
	}
	c.StateDirectory, c.Control, c.Log.Format = old.StateDirectory, old.Control, old.Log.Format
	d.config = c
	d.addresses.clean = false
	d.log.level.Set(c.Log.Level)
	if old.DebugPort != c.DebugPort {
		if err := d.serveDebug(); err != nil {
			d.log.Error("the debug port stays closed", "error", err)
		}
	}
	if err := d.configureKernel(); err != nil {
		d.log.Error("the kernel's configuration can't be set", "error", err)
	}
	if old.Protocol != c.Protocol || !slices.Equal(old.Peers.TrustedPrefixes, c.Peers.TrustedPrefixes) {
		// As a restart of shim6d, which costs nothing.
		if err := d.startEngine(); err != nil {
			d.log.Error("the configuration is not reloaded", "error", err)
			d.config = old
			return
		}
	} else {
		d.tellLocators()
	}
	d.settleSoon()
	d.log.Info("the configuration was reloaded")
}
