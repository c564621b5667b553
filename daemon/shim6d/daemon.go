// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	crand "crypto/rand"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	"shim6/daemon/config"
	"shim6/daemon/control"
	"shim6/daemon/internal/address"
	"shim6/daemon/internal/debugport"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/kernellink"
	"shim6/daemon/internal/reap"
	"shim6/daemon/internal/statefile"
	"shim6/daemon/locator"
	"shim6/netlink"
)

const (
	// settle is for how long changes of addresses are gathered: what belongs
	// together comes at once.
	settle = 10 * time.Millisecond
	// resyncPause is between dumps of the kernel, when others change it.
	resyncPause = 100 * time.Millisecond
	// retryPause is between attempts at what has failed.
	retryPause = time.Second
	// firstLoadPause and lastLoadPause are between attempts to have the kernel load the
	// module, which are the rarer the longer that takes: each may be logged.
	firstLoadPause = 5 * time.Second
	lastLoadPause  = 5 * time.Minute
	// historySize is how many changes are remembered.
	historySize = 1000
)

// daemon is all of shim6d. But for the requests channel, it belongs to the
// goroutine of loop.
type daemon struct {
	log    logger
	path   string
	read   func() (*config.Config, error)
	config *config.Config
	began  time.Time
	notify notifier

	engine   *engine.Engine
	explorer *reap.Explorer
	// paths are the last switches, the oldest first.
	paths recent[control.Switch]
	state *statefile.File
	saver *address.Saver

	// kernel is nil while the module is not there.
	kernel *kernellink.Connection
	// connect and loaded are kernellink.Connect and netlink.Loaded but in tests.
	connect func() (*kernellink.Connection, error)
	loaded  func() (bool, error)

	watcher   *locator.Watcher
	rtnl      chan rtnlBatch
	table     locator.Table
	locators  []engine.LocalLocator
	keeper    address.Keeper
	addresses addresses
	// rtnetlink is an address.Kernel but in tests.
	rtnetlink addressKernel

	server *control.Server
	debug  *debugport.Server

	// requests are done by loop, one after another; ended is closed when it
	// does no more.
	requests chan func()
	ended    chan struct{}
	// waiting are those who wait for a Done.
	waiting map[uint64]func(error)
	lastID  uint64
	history recent[control.Change]

	// What is due, and when; zero if it isn't.
	settleAt, specificsAt, resyncAt, reconnectAt, keepAt, makeAt, rereadAt time.Duration
	// restUntil is how long the main table's routes are not followed.
	restUntil time.Duration
	// loadAt is from when the kernel is to load the module, if it can, or zero if
	// it is not to, and loadPause until when after that.
	loadAt, loadPause time.Duration
	// unusable is the last error of a module that is there.
	unusable string
	// dumpDue and routesDue say what settle has to read; resynced is when
	// resync was done last.
	dumpDue, routesDue bool
	resynced           time.Duration

	eventsLost, sendErrors atomic.Uint64
}

func newDaemon(c *config.Config, path string, log logger) (*daemon, error) {
	d := &daemon{
		log: log, path: path, config: c,
		began: time.Now(), notify: newNotifier(),
		connect: kernellink.Connect, loaded: func() (bool, error) { return netlink.Loaded(nil) },
		requests: make(chan func()), ended: make(chan struct{}),
		waiting: map[uint64]func(error){},
	}
	if err := d.openState(); err != nil {
		return nil, err
	}
	return d, nil
}

// now is the engine's clock.
func (d *daemon) now() time.Duration { return time.Since(d.began) }

// start connects to everything, and adopts what the kernel has.
func (d *daemon) start() error {
	// First the events: nothing that happens from now on is missed.
	switch k, err := d.connect(); {
	case errors.Is(err, fs.ErrNotExist):
		d.awaitModule(err)
	case err != nil:
		return err
	default:
		d.kernel = k
	}
	var err error
	if d.watcher, err = locator.Watch(); err != nil {
		return err
	}
	rtnetlink, err := address.Open()
	if err != nil {
		return err
	}
	d.rtnetlink = rtnetlink
	d.loadAddresses()
	if err := d.dumpLocators(); err != nil {
		return err
	}
	d.rtnl = make(chan rtnlBatch)
	go d.listen()
	if err := d.configureKernel(); err != nil {
		return err
	}
	if err := d.startEngine(); err != nil {
		return err
	}
	d.keepULIDs()
	d.manageAddresses()
	if err := d.serveControl(); err != nil {
		return err
	}
	if err := d.serveDebug(); err != nil {
		return err
	}
	d.log.Info("shim6d runs", "version", version, "contexts", d.engine.Size().Contexts, "locators", len(d.locators))
	return nil
}

// startEngine makes an engine by the configuration. It adopts every context that
// the kernel has, and sends nothing: so it can be done at any time.
func (d *daemon) startEngine() error {
	c := d.config
	x := reap.New(reap.Config{
		HoldDown: time.Duration(c.Protocol.HoldDown), Standby: time.Duration(c.Protocol.Standby),
		OnSwitch: d.switched,
	})
	var seed [32]byte
	if _, err := crand.Read(seed[:]); err != nil {
		return err
	}
	e, err := engine.New(engine.Config{
		Random:            rand.NewChaCha8(seed),
		TrustedPrefixes:   c.Peers.TrustedPrefixes,
		SendTimeout:       time.Duration(c.Protocol.SendTimeout),
		IdleTimeout:       time.Duration(c.Protocol.IdleTimeout),
		MaxContexts:       c.Protocol.MaxContexts,
		MaxPeerContexts:   c.Protocol.MaxPeerContexts,
		MaxPrefixContexts: c.Protocol.MaxPrefixContexts,
		DebugErrors:       c.Protocol.DebugErrors,
		Explorer:          x,
	})
	if err != nil {
		return err
	}
	contexts, err := d.dump()
	if err != nil {
		return err
	}
	for _, done := range d.waiting {
		done(control.ErrUnavailable)
	}
	clear(d.waiting)
	d.engine, d.explorer = e, x
	d.locators = locator.Local(locator.Assess(&d.table, d.policy(), d.now()))
	d.handle(engine.Locators{Local: d.locators})
	d.handle(engine.Start{Contexts: contexts, Records: d.state.Records()})
	return nil
}

// dump reads the kernel's contexts: none, while the module is not there.
func (d *daemon) dump() ([]engine.KernelContext, error) {
	if d.kernel == nil {
		return nil, nil
	}
	for try := 1; ; try++ {
		contexts, err := kernellink.Dump(d.kernel)
		if try < 5 && errors.Is(err, netlink.ErrInterrupted) {
			continue
		}
		return contexts, err
	}
}

// configureKernel sets what the configuration says of the kernel's own.
func (d *daemon) configureKernel() error {
	c := d.config
	var u netlink.ConfigUpdate
	u.TriggerPackets = c.Kernel.TriggerPackets
	u.TriggerTime = (*time.Duration)(c.Kernel.TriggerTime)
	if c.Kernel.ICMPToULP != nil {
		u.ICMPToULP = new(uint32)
		if *c.Kernel.ICMPToULP {
			*u.ICMPToULP = 1
		}
	}
	// The kernel's timers are those that peers are told of.
	if t := time.Duration(c.Protocol.SendTimeout); t != 0 {
		u.SendTimeout = &t
	}
	if t := time.Duration(c.Protocol.IdleTimeout); t != 0 {
		u.IdleTimeout = &t
	}
	if n := uint32(c.Protocol.MaxContexts); n != 0 {
		u.MaxContexts = &n
	}
	if u == (netlink.ConfigUpdate{}) || d.kernel == nil {
		return nil
	}
	return d.kernel.SetConfig(u)
}

func (d *daemon) serveControl() error {
	l, err := control.Listen(d.config.Control.Socket, d.config.Control.Group)
	if err != nil {
		return err
	}
	d.server = control.NewServer(backend{d}, d.log.Logger)
	go func() {
		if err := d.server.Serve(l); err != nil {
			d.log.Error("the control socket is dead", "error", err)
		}
	}()
	return nil
}

// serveDebug opens the debug port, or closes it, as the configuration says.
func (d *daemon) serveDebug() error {
	if d.debug != nil {
		d.debug.Close()
		d.debug = nil
	}
	if !d.config.DebugPort.Enabled {
		return nil
	}
	s, err := debugport.Listen(d.config.DebugPort.Port, backend{d}, d.log.Logger)
	if err != nil {
		return err
	}
	d.debug = s
	d.log.Warn("the debug port is open: every program of this host may command shim6d", "address", s.Addr())
	return nil
}

// close gives up everything but the contexts, which stay in the kernel.
func (d *daemon) close() {
	if d.server != nil {
		d.server.Close()
	}
	if d.debug != nil {
		d.debug.Close()
	}
	if d.watcher != nil {
		d.watcher.Close()
	}
	if d.rtnetlink != nil {
		d.rtnetlink.Close()
	}
	if d.kernel != nil {
		d.kernel.Close()
	}
	if d.server != nil {
		os.Remove(d.config.Control.Socket)
	}
	// Last, as it may take a while: all else is free for the next daemon.
	d.closeState()
}
