// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"io/fs"
	"time"

	"shim6/daemon/config"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/kernellink"
	"shim6/netlink"
)

const (
	// resyncPause is between dumps of the kernel, when others change it.
	resyncPause = 100 * time.Millisecond
	// retryPause is between attempts at what has failed.
	retryPause = time.Second
	// firstLoadPause and lastLoadPause are between attempts to have the kernel load the
	// module. The pauses become longer, since each attempt may be logged.
	firstLoadPause = 5 * time.Second
	lastLoadPause  = 5 * time.Minute
)

// errNoModule: without the module there are no contexts.
var errNoModule = errors.New("the kernel module is not loaded")

// kernelLink is the part that is connected to the kernel module. It hands the kernel's
// events to the engine, does the engine's actions, dumps the contexts when it has to, and
// waits for the module while that is not loaded.
type kernelLink struct {
	*core
	session *session
	// changed is called when the module comes or goes.
	changed func()

	// conn is nil while the module is not there.
	conn *kernellink.Connection
	// connect and loaded are kernellink.Connect and netlink.Loaded, except in tests.
	// connect may wait for the kernel to load the module.
	connect func() (*kernellink.Connection, error)
	loaded  func() (bool, error)

	// When something is due; zero if it isn't.
	resyncAt, reconnectAt time.Duration
	// resynced is when resync was done last.
	resynced time.Duration
	// loadAt is from when the kernel is asked to load the module; zero if it is not to be
	// asked. loadPause is until when after that.
	loadAt, loadPause time.Duration
	// unusable is the last error of a module that is there.
	unusable string

	// noUDP: the kernel has refused to open the UDP port.
	noUDP bool

	// lost counts losses of events, and sendErrors messages that could not be sent.
	lost, sendErrors uint64
}

func newKernelLink(c *core) *kernelLink {
	return &kernelLink{
		core: c, changed: func() {}, connect: kernellink.Connect,
		loaded: func() (bool, error) { return netlink.Loaded(nil) },
	}
}

func (k *kernelLink) String() string { return "kernel" }

// Start registers for events. The engine dumps the contexts after that, so that it misses
// nothing.
func (k *kernelLink) Start() error {
	conn, err := k.connect()
	if errors.Is(err, fs.ErrNotExist) {
		k.awaitModule(err)
		return nil
	}
	if err != nil {
		return err
	}
	k.conn = conn
	return k.configure()
}

func (k *kernelLink) Next() time.Duration { return earliest(k.reconnectAt, k.resyncAt) }

func (k *kernelLink) Due(now time.Duration) error {
	if isDue(k.reconnectAt, now) {
		k.reconnect()
	}
	if isDue(k.resyncAt, now) {
		k.resync()
	}
	return nil
}

func (k *kernelLink) Apply(*config.Config) error {
	k.tryConfigure()
	k.retellUDP()
	return nil
}

func (k *kernelLink) Close() {
	if k.conn != nil {
		k.conn.Close()
	}
}

// batches are the channels of the connection, nil if there is none.
func (k *kernelLink) batches() (main, outside <-chan kernellink.Batch) {
	if k.conn == nil {
		return nil, nil
	}
	return k.conn.Main, k.conn.Outside
}

// takeOutside takes a batch of events that others cause. A loss there is like the loss of a
// packet: a dump does not repair it. A flood must not have this host dump all the time.
func (k *kernelLink) takeOutside(b kernellink.Batch) {
	if b.Lost {
		b.Lost = false
		k.lost++
		k.log.Warn("messages or errors from outside were lost, like packets")
	}
	k.take(b)
}

// take takes a batch of events.
func (k *kernelLink) take(b kernellink.Batch) {
	for _, ev := range b.Events {
		switch ev := ev.(type) {
		case netlink.GoneEvent:
			k.gone("the module was unloaded")
			return
		case netlink.ChangeEvent, netlink.DeleteEvent:
			// Only a dump tells for sure what there is now: later events may be on
			// their way.
			k.resyncSoon()
		default:
			if a, ok := ev.(netlink.AcquireEvent); ok {
				k.log.Debug("a context is wanted", "ulid-local", a.Local, "ulid-peer", a.Peer, "packets", a.Packets)
			}
			if e := kernellink.Event(ev, k.conn.InUse); e != nil {
				k.session.handle(e)
			}
		}
	}
	if b.Lost {
		k.lost++
		k.log.Warn("events of the kernel were lost: the contexts are read again")
		k.resyncSoon()
	}
	if b.Err != nil {
		k.gone(b.Err.Error())
	}
}

// dump reads the kernel's contexts. Without the module there are none.
func (k *kernelLink) dump() ([]engine.KernelContext, error) {
	if k.conn == nil {
		return nil, nil
	}
	return kernellink.Dump(k.conn)
}

// resyncSoon has the kernel dumped: at once, unless that was done a moment ago. There is a
// pause after each dump, however long the dump takes.
func (k *kernelLink) resyncSoon() {
	if k.resyncAt == 0 {
		k.resyncAt = max(k.now(), k.resynced+resyncPause)
	}
}

func (k *kernelLink) resync() {
	k.resyncAt = 0
	if k.conn == nil {
		return
	}
	contexts, err := k.dump()
	if err != nil {
		k.log.Warn("the kernel's contexts can't be read", "error", err)
		k.resyncAt = k.now() + retryPause
		return
	}
	k.session.handle(engine.Dump{Contexts: contexts})
	k.resynced = k.now()
	if k.resyncAt != 0 {
		// The engine's actions have asked for another dump.
		k.resyncAt = k.resynced + resyncPause
	}
}

// configure sets those values of the kernel that the configuration has.
func (k *kernelLink) configure() error {
	c := k.config
	var u netlink.ConfigUpdate
	u.TriggerPackets = c.Kernel.TriggerPackets
	u.TriggerTime = (*time.Duration)(c.Kernel.TriggerTime)
	u.ICMPToULP = number(c.Kernel.ICMPToULP)
	u.WatchStreams = number(c.Kernel.WatchStreams)
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
	if k.conn == nil {
		return nil
	}
	k.openUDP()
	if u == (netlink.ConfigUpdate{}) {
		return nil
	}
	return k.conn.SetConfig(u)
}

// openUDP has the kernel open the port of the encapsulation in UDP, or close it. Without the
// port all goes on natively.
func (k *kernelLink) openUDP() {
	port := uint32(k.config.Protocol.UDPPort)
	if k.config.Protocol.UDP == config.UDPNever {
		port = 0
	}
	err := k.conn.SetConfig(netlink.ConfigUpdate{UDPPort: &port})
	if k.noUDP = err != nil && port != 0; k.noUDP {
		k.log.Warn("the kernel does not open the UDP port, so contexts need IP protocol 140", "port", port, "error", err)
	}
}

// retellUDP makes another engine if the kernel has opened the port for the first time, or has
// refused to. An engine is told only when it is made.
func (k *kernelLink) retellUDP() {
	if e := k.session.engine; e == nil || e.UseUDP() == k.useUDP() {
		return
	}
	if err := k.session.Start(); err != nil {
		k.log.Warn("the kernel's contexts can't be read", "error", err)
	}
}

// useUDP is how the engine is to use UDP.
func (k *kernelLink) useUDP() engine.UseUDP {
	switch {
	case k.noUDP:
		return engine.UDPNever
	case k.config.Protocol.UDP == config.UDPAuto:
		return engine.UDPAuto
	case k.config.Protocol.UDP == config.UDPAlways:
		return engine.UDPAlways
	}
	return engine.UDPNever
}

// number is 1 for true and 0 for false; nil stays nil.
func number(b *bool) *uint32 {
	if b == nil {
		return nil
	}
	n := new(uint32)
	if *b {
		*n = 1
	}
	return n
}

func (k *kernelLink) tryConfigure() {
	if err := k.configure(); err != nil {
		k.log.Error("the kernel's configuration can't be set", "error", err)
	}
}

// gone drops the connection, and all contexts with it: without the module there are none.
// Peers that still have them learn that by R1bis once the module is back.
func (k *kernelLink) gone(why string) {
	if k.conn == nil {
		return
	}
	k.log.Warn(msgModuleLost, "reason", why)
	k.conn.Close()
	k.conn = nil
	k.reconnectAt = k.now() + retryPause
	k.session.handle(engine.Dump{})
	k.changed()
}

// awaitModule waits for a module that was not there yet. It may come later: after a kernel
// update, DKMS builds it when it can.
func (k *kernelLink) awaitModule(err error) {
	k.log.Warn(msgNoModule, "error", err)
	k.reconnectAt, k.loadPause = k.now()+retryPause, firstLoadPause
	k.loadAt = k.now() + k.loadPause
}

// reconnect looks for the module. If the module was there before, the kernel is not asked to
// load it: the administrator who has unloaded it had a reason.
func (k *kernelLink) reconnect() {
	now := k.now()
	k.reconnectAt = now + retryPause
	if !isDue(k.loadAt, now) {
		there, err := k.loaded()
		if err != nil || !there {
			return
		}
	} else {
		k.loadPause = min(2*k.loadPause, lastLoadPause)
		k.loadAt = now + k.loadPause
	}
	// connected goes on.
	k.reconnectAt = 0
	k.beside(func() func() {
		conn, err := k.connect()
		return func() { k.connected(conn, err) }
	})
}

// connected takes the outcome of an attempt to connect.
func (k *kernelLink) connected(conn *kernellink.Connection, err error) {
	if err != nil {
		k.reconnectAt = k.now() + retryPause
		if text := err.Error(); !errors.Is(err, fs.ErrNotExist) && text != k.unusable {
			k.log.Warn("the module is there, but can't be used", "error", err)
			k.unusable = text
		}
		return
	}
	k.conn, k.reconnectAt, k.loadAt, k.unusable = conn, 0, 0, ""
	k.log.Info("the kernel module is there")
	k.tryConfigure()
	k.retellUDP()
	k.resync()
	k.changed()
}

func (k *kernelLink) newContext(a engine.ContextNew) error {
	if k.conn == nil {
		return errNoModule
	}
	return kernellink.New(k.conn, a)
}

func (k *kernelLink) setContext(a engine.ContextSet) error {
	if k.conn == nil {
		return nil
	}
	return kernellink.Set(k.conn, a)
}

func (k *kernelLink) deleteContext(a engine.ContextDel) {
	if k.conn == nil {
		return
	}
	if err := kernellink.Delete(k.conn, a); err != nil {
		k.log.Warn("the kernel does not delete a context", append(attributes(a.ULIDs), "error", err)...)
		k.resyncSoon()
	}
}

// send sends a message. A message that can't be sent is like one that is lost on its way.
func (k *kernelLink) send(a engine.Send) {
	if k.conn == nil {
		return
	}
	if err := kernellink.Send(k.conn, a); err != nil {
		k.sendErrors++
		k.log.Debug("a message can't be sent", "type", a.Type, "source", a.Source, "destination", a.Destination, "encapsulation", a.Encapsulation, "error", err)
		return
	}
	k.log.Debug("sent", "type", a.Type, "source", a.Source, "destination", a.Destination, "encapsulation", a.Encapsulation)
}
