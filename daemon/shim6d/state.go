// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"shim6/daemon/cga"
	"shim6/daemon/config"
	"shim6/daemon/internal/address"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/statefile"
	"shim6/daemon/internal/writer"
)

const (
	// diskPatience is how long a start waits for the state directory, and how long
	// an end does.
	diskPatience = 3 * time.Second
	// rereadPause is between attempts to read the identity.
	rereadPause = 10 * time.Second
)

// runtimeFolder is where that is kept which is worth nothing after a reboot: beside the
// control socket, and named after it. So each of the daemons of several network
// namespaces, which have their own sockets, has its own.
func runtimeFolder(c *config.Config) string { return c.Control.Socket + ".state" }

// within has f done beside, since it may wait for a disk, and waits for its result, but
// only for so long. If that is too short, later is called in the loop with the result.
func within[T any](d *daemon, patience time.Duration, f func() T, later func(T)) (result T, ok bool) {
	results := make(chan T, 1)
	go func() { results <- f() }()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case result = <-results:
		return result, true
	case <-timer.C:
	}
	go func() {
		r := <-results
		select {
		case d.requests <- func() { later(r) }:
		case <-d.ended:
		}
	}()
	return result, false
}

// openState opens what a restart needs. Only that another daemon has it is an error:
// whatever else is wrong with it, contexts go on.
func (d *daemon) openState() error {
	folder := runtimeFolder(d.config)
	// Everybody may come to the socket there. If it can't be made, that is told by who
	// needs it.
	os.MkdirAll(filepath.Dir(folder), 0o755)
	state, _, err := statefile.Open(folder, d.recordsFailure)
	if state == nil {
		return err
	}
	if err != nil {
		d.log.Warn(err.Error())
	}
	d.state = state
	d.saver = address.NewSaver(d.config.StateDirectory, folder, d.keysFailure)
	old := d.config.StateDirectory
	c, ok := within(d, diskPatience, func() (c claim) {
		if c.err = d.saver.Claim(); c.err == nil && state.IsNew() {
			c.old, c.oldErr = statefile.Read(old)
		}
		return c
	}, func(c claim) {
		if c.err != nil {
			d.log.Error(c.err.Error())
		}
	})
	switch {
	case !ok:
		d.log.Warn("the state directory does not answer: shim6d starts without it", "state-directory", d.config.StateDirectory)
	case errors.Is(c.err, writer.ErrInUse):
		d.closeState()
		return fmt.Errorf("%w: give this one another state-directory", c.err)
	case c.err != nil:
		d.log.Warn("the state directory can't be used: unless that changes, keys and addresses that are made now are lost with the next reboot", "error", c.err)
	default:
		d.adoptOld(c)
	}
	return nil
}

// claim is what comes of locking the state directory.
type claim struct {
	err error
	// old are the records that an older version has kept there, and oldErr what is
	// wrong with them.
	old    []engine.Record
	oldErr error
}

// adoptOld moves records from the state directory, where an older version has kept them.
func (d *daemon) adoptOld(c claim) {
	if c.oldErr != nil {
		d.log.Warn(c.oldErr.Error())
	}
	for i := range c.old {
		d.state.Put(c.old[i].ULIDs, &c.old[i])
	}
	d.state.Flush()
	if d.state.Err() != nil {
		return
	}
	folder := d.config.StateDirectory
	// If they stay there it does no harm: after a reboot no context has their tags.
	go statefile.Remove(folder)
}

func (d *daemon) closeState() {
	if err := d.state.Close(); err != nil {
		d.log.Error("contexts are not kept for a restart", "error", err)
	}
	if err := d.saver.Close(diskPatience); err != nil {
		d.log.Error("the keys and addresses of shim6d are not saved", "error", err)
	}
}

// recordsFailure is told by the writer of records.
func (d *daemon) recordsFailure(err error) {
	if err != nil {
		d.log.Error("contexts are not kept for a restart until this works again", "error", err)
		return
	}
	d.log.Info("contexts are kept for a restart again")
}

// keysFailure is told by the writer of keys and addresses.
func (d *daemon) keysFailure(err error) {
	if err != nil {
		d.log.Error("the keys and addresses of shim6d can't be saved, which is tried again: a reboot before that loses them, and then there will be others", "error", err)
		return
	}
	d.log.Info("the keys and addresses of shim6d are saved")
}

// loadAddresses reads the identity of this host, which is waited for if it is the first
// time.
func (d *daemon) loadAddresses() {
	a := &d.addresses
	d.rereadAt = 0
	patience := time.Duration(0)
	if a.taken == nil {
		a.taken, patience = map[*cga.PDS]bool{}, diskPatience
	}
	type loaded struct {
		identity *address.Identity
		err      error
	}
	load := func() (l loaded) {
		l.identity, l.err = d.saver.Load()
		return l
	}
	l, ok := within(d, patience, load, func(l loaded) {
		d.takeLoaded(l.identity, l.err)
		d.settleSoon()
	})
	switch {
	case ok:
		d.takeLoaded(l.identity, l.err)
	case !a.unknown:
		a.unknown, a.unread = true, writer.ErrLate
		d.log.Warn("the state directory does not answer: the addresses of shim6d are left as they are until it does", "state-directory", d.config.StateDirectory)
	}
}

// takeLoaded goes on with the identity that was read. If it can't be read the addresses
// are left as they are: with other keys they would be others. What the disk does not give
// now, it may give later; what is damaged is left to somebody.
func (d *daemon) takeLoaded(i *address.Identity, err error) {
	a := &d.addresses
	told := a.unread != nil && err != nil && a.unread.Error() == err.Error()
	a.unknown, a.unread = err != nil, err
	var disk *fs.PathError
	switch {
	case errors.As(err, &disk):
		d.rereadAt = d.now() + rereadPause
		if !told {
			d.log.Error("the addresses of shim6d are left as they are until these files can be read", "error", err, "state-directory", d.config.StateDirectory)
		}
	case err != nil:
		d.log.Error("the addresses of shim6d are left as they are: restore these files, or delete both and get other addresses",
			"error", err, "state-directory", d.config.StateDirectory)
	default:
		a.identity = i
		if d.config.ManagesAddresses() {
			d.makeKey()
		}
	}
}
