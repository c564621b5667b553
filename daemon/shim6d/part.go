// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"time"

	"shim6/daemon/config"
)

// part is a part of the daemon. The loop calls its methods, on one goroutine: so parts need
// no locks, and in Due and Apply none of them may wait for a disk or a network. Work that may
// have to wait is done by core.beside.
//
// The loop waits only for: the kernel's answers to netlink requests; /proc/self/net, at most
// once a second (kernellink.Connection.InUse); the writing of records to memory, for up to
// 50 ms and not while that fails (statefile.File.Flush); and whoever reads the log, or systemd's
// socket. Start and Close may wait for a disk, for up to diskPatience.
type part interface {
	fmt.Stringer
	// Start connects the part to what it needs.
	Start() error
	// Next is when Due has something to do, by core.now, or never.
	Next() time.Duration
	// Due does what is due. An error ends the daemon.
	Due(now time.Duration) error
	// Apply takes over core.config, which was old before. With an error the old
	// configuration stays.
	Apply(old *config.Config) error
	// Close ends the part, whether or not it was started. Contexts stay in the kernel.
	Close()
}

// never is when nothing is due.
const never = time.Duration(1<<63 - 1)

// still has the methods of a part that needs none of them.
type still struct{}

func (still) Start() error               { return nil }
func (still) Next() time.Duration        { return never }
func (still) Due(time.Duration) error    { return nil }
func (still) Apply(*config.Config) error { return nil }
func (still) Close()                     {}

// earliest is the first of several times, of which 0 is never.
func earliest(times ...time.Duration) time.Duration {
	at := never
	for _, t := range times {
		if t != 0 {
			at = min(at, t)
		}
	}
	return at
}

// isDue reports whether a time has come; 0 is never.
func isDue(at, now time.Duration) bool { return at != 0 && at <= now }

// core is what all parts share.
type core struct {
	log    logger
	config *config.Config
	began  time.Time
	// requests are done by the loop, one after another. ended is closed when the loop
	// does no more.
	requests chan func()
	ended    chan struct{}
	// beside does work that may have to wait, and then what it returns, in the loop. It
	// is doBeside, except in tests.
	beside func(work func() (then func()))
}

func newCore(c *config.Config, log logger) *core {
	k := &core{log: log, config: c, began: time.Now(), requests: make(chan func()), ended: make(chan struct{})}
	k.beside = k.doBeside
	return k
}

// now is the engine's clock.
func (c *core) now() time.Duration { return time.Since(c.began) }

// doBeside has a goroutine do work, and the loop what it returns.
func (c *core) doBeside(work func() (then func())) { go func() { c.request(work()) }() }

// request has the loop do something. It waits for the loop, or for its end.
func (c *core) request(do func()) {
	select {
	case c.requests <- do:
	case <-c.ended:
	}
}

// within has a goroutine do f, which may wait for a disk, and waits for the result, but only
// for so long. If that is too short, later is called in the loop with the result.
func within[T any](c *core, patience time.Duration, f func() T, later func(T)) (result T, ok bool) {
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
		c.request(func() { later(r) })
	}()
	return result, false
}
