// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"shim6/daemon/config"
	"shim6/daemon/internal/address"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/statefile"
	"shim6/daemon/internal/writer"
)

// diskPatience is how long a start waits for the state directory, and how long an end does.
const diskPatience = 3 * time.Second

// runtimeFolder is the folder of what is worth nothing after a reboot. It is beside the
// control socket, and named after it: so the daemons of several network namespaces, which
// have their own sockets, have their own folders.
func runtimeFolder(c *config.Config) string { return c.Control.Socket + ".state" }

// store is the part that keeps what a restart needs: records of contexts until a reboot, and
// keys and addresses for ever. Both are written beside the loop.
type store struct {
	still
	*core
	records *statefile.File
	// carriers are the networks between which messages pass in UDP alone.
	carriers *statefile.Carriers
	keys     *address.Saver
}

func (s *store) String() string { return "store" }

// open opens everything. The only error is that another daemon has it: contexts go on
// whatever else is wrong with the disk.
func (s *store) open() error {
	folder := runtimeFolder(s.config)
	// Everybody may come to the socket there. If the folder can't be made, the parts that
	// need it tell the error.
	os.MkdirAll(filepath.Dir(folder), 0o755)
	records, _, err := statefile.Open(folder, s.recordsFailure)
	if records == nil {
		return err
	}
	if err != nil {
		s.log.Warn(err.Error())
	}
	s.records = records
	if s.carriers, err = statefile.OpenCarriers(folder, s.carriersFailure); err != nil {
		s.log.Warn(err.Error())
	}
	s.keys = address.NewSaver(s.config.StateDirectory, folder, s.keysFailure)
	old := s.config.StateDirectory
	c, ok := within(s.core, diskPatience, func() (c claim) {
		if c.err = s.keys.Claim(); c.err == nil && records.IsNew() {
			c.old, c.oldErr = statefile.Read(old)
		}
		return c
	}, func(c claim) {
		if c.err != nil {
			s.log.Error(c.err.Error())
		}
	})
	switch {
	case !ok:
		s.log.Warn("the state directory does not answer: shim6d starts without it", "state-directory", s.config.StateDirectory)
	case errors.Is(c.err, writer.ErrInUse):
		s.Close()
		return fmt.Errorf("%w: give this one another state-directory", c.err)
	case c.err != nil:
		s.log.Warn("the state directory can't be used: unless that changes, keys and addresses that are made now are lost with the next reboot", "error", c.err)
	default:
		s.adoptOld(c)
	}
	return nil
}

// claim is the outcome of locking the state directory.
type claim struct {
	err error
	// old are the records that an older version has kept there, and oldErr what is
	// wrong with them.
	old    []engine.Record
	oldErr error
}

// adoptOld moves records from the state directory, where an older version has kept them.
func (s *store) adoptOld(c claim) {
	if c.oldErr != nil {
		s.log.Warn(c.oldErr.Error())
	}
	for i := range c.old {
		s.records.Put(c.old[i].ULIDs, &c.old[i])
	}
	s.records.Flush()
	if s.records.Err() != nil {
		return
	}
	folder := s.config.StateDirectory
	// If they stay there it does no harm: after a reboot no context has their tags.
	go statefile.Remove(folder)
}

// Close writes what is left, and waits for that, but not for long.
func (s *store) Close() {
	if err := s.carriers.Close(); err != nil {
		s.log.Warn("which networks need UDP is not kept for a restart", "error", err)
	}
	if err := s.records.Close(); err != nil {
		s.log.Error("contexts are not kept for a restart", "error", err)
	}
	if err := s.keys.Close(diskPatience); err != nil {
		s.log.Error("the keys and addresses of shim6d are not saved", "error", err)
	}
}

// carriersFailure is told by the writer of carriers, on its goroutine.
func (s *store) carriersFailure(err error) {
	if err != nil {
		s.log.Warn("which networks need UDP is not kept for a restart until this works again", "error", err)
	}
}

// recordsFailure is told by the writer of records, on its goroutine.
func (s *store) recordsFailure(err error) {
	if err != nil {
		s.log.Error("contexts are not kept for a restart until this works again", "error", err)
		return
	}
	s.log.Info("contexts are kept for a restart again")
}

// keysFailure is told by the writer of keys and addresses, on its goroutine.
func (s *store) keysFailure(err error) {
	if err != nil {
		s.log.Error("the keys and addresses of shim6d can't be saved, which is tried again: a reboot before that loses them, and then there will be others", "error", err)
		return
	}
	s.log.Info("the keys and addresses of shim6d are saved")
}
