// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	crand "crypto/rand"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/config"
	"shim6/daemon/control"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/reap"
)

// session is the part that has the engine, with REAP, and does what the engine answers.
type session struct {
	*core
	store   *store
	host    *hostLink
	kernel  *kernelLink
	history *history
	guard   *guard
	alarms  *alarms

	engine   *engine.Engine
	explorer *reap.Explorer
	// waiting are the commands without an answer yet, by the ID that the engine's Done
	// has. lastID is the last ID that was given.
	waiting map[uint64]func(error)
	lastID  uint64
}

func (s *session) String() string { return "session" }

// Start makes an engine by the configuration. It adopts every context that the kernel has,
// and sends nothing: so it can be done at any time.
func (s *session) Start() error {
	c := s.config
	x := reap.New(reap.Config{
		HoldDown: time.Duration(c.Protocol.HoldDown), Standby: time.Duration(c.Protocol.Standby),
		OnSwitch: s.switched,
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
		UDP:               s.kernel.useUDP(),
		Explorer:          x,
	})
	if err != nil {
		return err
	}
	contexts, err := s.kernel.dump()
	if err != nil {
		return err
	}
	for _, done := range s.waiting {
		done(control.ErrUnavailable)
	}
	clear(s.waiting)
	var wishes []engine.Wish
	if s.engine != nil {
		wishes = s.engine.Wishes()
	}
	s.engine, s.explorer = e, x
	s.handle(engine.Locators{Local: s.host.local()})
	s.handle(engine.Start{Contexts: contexts, Records: s.store.records.Records(), Carriers: s.store.carriers.All()})
	for _, w := range wishes {
		s.handle(w)
	}
	return nil
}

func (s *session) Next() time.Duration {
	if at, ok := s.engine.Next(); ok {
		return at
	}
	return never
}

func (s *session) Due(now time.Duration) error {
	if s.Next() <= now {
		s.handle(engine.Tick{})
	}
	return nil
}

// Apply makes another engine if the protocol has changed. That is like a restart of shim6d,
// which costs nothing.
func (s *session) Apply(old *config.Config) error {
	c := s.config
	if old.Protocol == c.Protocol && slices.Equal(old.Peers.TrustedPrefixes, c.Peers.TrustedPrefixes) {
		return nil
	}
	return s.Start()
}

// Close has nothing to do: contexts go on in the kernel, and peers are not told.
func (s *session) Close() {}

// command hands a command to the engine. done is called with the answer, now or later.
func (s *session) command(event func(id uint64) engine.Event, done func(error)) {
	s.lastID++
	s.waiting[s.lastID] = done
	s.handle(event(s.lastID))
}

// handle hands an event to the engine, and does what it answers. An action that the
// kernel refuses becomes the next event.
func (s *session) handle(ev engine.Event) {
	for next := s.do(s.engine.Handle(s.now(), ev)); len(next) > 0; next = next[1:] {
		next = append(next, s.do(s.engine.Handle(s.now(), next[0]))...)
	}
	s.guard.happened()
}

// refusal is why a context was refused, or nil if it wasn't.
func refusal(refused []engine.ContextRefused, u engine.ULIDs) error {
	for _, r := range refused {
		if r.ULIDs == u {
			return r.Err
		}
	}
	return nil
}

// do does actions in their order. It returns which contexts were refused; after a refusal
// nothing is sent for the same context. A command whose context was refused is not done,
// whatever the engine says, which does not know of the refusal yet.
func (s *session) do(actions []engine.Action) (refused []engine.ContextRefused) {
	without := map[engine.ULIDs]bool{}
	refuse := func(u engine.ULIDs, err error) {
		if err != nil {
			s.log.Warn("the kernel refuses a context", append(attributes(u), "error", err)...)
			without[u] = true
			refused = append(refused, engine.ContextRefused{ULIDs: u, Err: err})
		}
	}
	// An answer may come ahead of the action that it is about.
	var answers []engine.Done
	for _, a := range actions {
		switch a := a.(type) {
		case engine.ContextNew:
			refuse(a.Context.ULIDs, s.kernel.newContext(a))
		case engine.ContextSet:
			if !without[a.Context.ULIDs] {
				refuse(a.Context.ULIDs, s.kernel.setContext(a))
			}
		case engine.ContextDel:
			s.kernel.deleteContext(a)
		case engine.Learned:
			s.store.carriers.Put(a.Carrier)
		case engine.Persist:
			s.store.records.Put(a.ULIDs, a.Record)
		case engine.Send:
			if !without[a.Context] {
				s.send(a)
			}
		case engine.Resync:
			s.kernel.resyncSoon()
		case engine.StateChange:
			s.stateChanged(a)
		case engine.Note:
			s.log.Info(a.Text, attributes(a.ULIDs)...)
			s.history.change(control.Change{Name: nameOf(a.ULIDs), Why: a.Text})
		case engine.Done:
			answers = append(answers, a)
		}
	}
	s.store.records.Flush()
	for _, a := range answers {
		if a.Err == nil {
			a.Err = refusal(refused, a.ULIDs)
		}
		if done := s.waiting[a.ID]; done != nil {
			delete(s.waiting, a.ID)
			done(a.Err)
		}
	}
	return refused
}

// send sends a message, after the Records that it tells of are safe.
func (s *session) send(a engine.Send) {
	s.store.records.Flush()
	s.kernel.send(a)
}

// stateChanged logs and keeps a change.
func (s *session) stateChanged(a engine.StateChange) {
	about := append(attributes(a.ULIDs), "from", stateName(a.From), "to", stateName(a.To), "why", a.Why)
	if a.To == engine.Established {
		about = append(about, "protection", s.protection(a.ULIDs).String())
	}
	s.log.Info(msgContext, about...)
	s.history.change(control.Change{Name: nameOf(a.ULIDs), From: stateName(a.From), To: stateName(a.To), Why: a.Why})
}

// switched logs and keeps that a context has come to another locator pair. The times of the
// day are computed now and not when somebody asks, so that all answers agree.
func (s *session) switched(w *reap.Switch) {
	at := s.wall()
	s.alarms.switched(switchOf(w, at))
	s.log.Info(msgPath, append(attributes(w.ULIDs),
		"direction", direction(w), "trigger", w.Trigger, "why", w.Why,
		"from-local", w.From.Local, "from-peer", w.From.Peer, "from-encapsulation", w.From.Encapsulation,
		"to-local", w.To.Local, "to-peer", w.To.Peer, "to-encapsulation", w.To.Encapsulation,
		"probed", probedText(w, at), "last-good", goodText(w, at), "outage", w.Outage)...)
	s.history.switched(w, at)
}

// paths are the locator pairs of all contexts that can send.
func (s *session) paths() []control.Path {
	list, at := []control.Path{}, s.wall()
	for c := range s.engine.Contexts() {
		x, ok := s.engine.Session(c.ULIDs)
		if !ok || !c.State.Sends() {
			continue
		}
		for _, p := range s.explorer.Paths(x) {
			list = append(list, pathOf(c.ULIDs, p, at))
		}
	}
	return list
}

// protection is what a context would have if its provider failed, or why there is no context
// that can send.
func (s *session) protection(u engine.ULIDs) reap.Protection {
	x, ok := s.engine.Session(u)
	if ok && x.Info().State.Sends() {
		return s.explorer.Protection(x)
	}
	trusted := slices.ContainsFunc(s.config.Peers.TrustedPrefixes, func(p netip.Prefix) bool { return p.Contains(u.Local) })
	return reap.Unprotected(s.engine.State(u), s.engine.Obstacle(u), u.Local, trusted, s.host.locators)
}

// attributes are the names of a context for the log.
func attributes(u engine.ULIDs) []any {
	a := []any{"ulid-local", u.Local, "ulid-peer", u.Peer}
	if u.FII != 0 {
		a = append(a, "fii", u.FII)
	}
	return a
}
