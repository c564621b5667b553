// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"slices"
	"strconv"

	"shim6/daemon/config"
)

// reload reads the configuration again, beside the loop: it may be on a disk that does not
// answer. A configuration that is wrong changes nothing.
func (d *daemon) reload() {
	if d.reloading {
		d.again = true
		return
	}
	d.reloading = true
	d.systemd.reloading()
	d.beside(func() func() {
		c, err := d.read()
		return func() { d.reloaded(c, err) }
	})
}

func (d *daemon) reloaded(c *config.Config, err error) {
	d.reloading = false
	if err != nil {
		d.log.Error("the configuration is not reloaded", "error", err)
	} else {
		d.apply(c)
	}
	if d.again {
		d.again = false
		d.reload()
		return
	}
	d.systemd.ready()
}

// apply has the parts take over a configuration.
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
	d.log.level.Set(c.Log.Level)
	for _, p := range slices.Backward(d.parts) {
		if err := p.Apply(old); err != nil {
			d.log.Error("the configuration is not reloaded", "error", err)
			d.config = old
			return
		}
	}
	d.log.Info("the configuration was reloaded")
}
