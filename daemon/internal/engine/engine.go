// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"container/list"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/wire"
)

// Engine is the protocol of one host, or of one network namespace. Only one goroutine may use
// it.
type Engine struct {
	config   Config
	random   random
	explorer Explorer
	now      time.Duration
	out      []Action
	// pending are the contexts that flush has to look at: see touch.
	pending []*context
	stats   Stats

	// The tables; see table.go.
	byULIDs     map[ULIDs]*context
	byTag       map[wire.ContextTag]*context
	byNonce     map[uint32]*context
	byPeer      map[peerKey]*context
	perPeer     map[netip.Addr]int
	perPrefix   map[prefix]int
	first, last *context

	holds     map[Pair]*hold
	obstacles obstacles
	// strangerAt is when the next obstacle without a context may be told.
	strangerAt time.Duration
	holdOrder  *list.List

	carriers  carriers
	timers    timers
	validator validator
	limits    *limits

	// The addresses of this host; see local.go.
	locators    []LocalLocator
	locals      map[netip.Addr]*local
	haveLocals  bool
	localExpiry timer
	// untold are the contexts whose peers must be told our locators. pace is the pause
	// between one batch of them and the next.
	untold []*context
	pace   timer
	// quiet is the time, after a restart, before which no peer is told.
	quiet time.Duration
	// resyncAt is the time from which another Resync may be asked for.
	resyncAt time.Duration
	// buffer is where messages are encoded. It is reused.
	buffer []byte
}

// New returns an Engine without contexts and addresses. The error says which value of the
// configuration can't be used.
func New(config Config) (*Engine, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Engine{
		config:    config,
		random:    random{config.Random},
		explorer:  config.Explorer,
		byULIDs:   make(map[ULIDs]*context),
		byTag:     make(map[wire.ContextTag]*context),
		byNonce:   make(map[uint32]*context),
		byPeer:    make(map[peerKey]*context),
		perPeer:   make(map[netip.Addr]int),
		perPrefix: make(map[prefix]int),
		holds:     make(map[Pair]*hold),
		obstacles: make(obstacles),
		holdOrder: list.New(),
		locals:    make(map[netip.Addr]*local),
	}
	if e.explorer == nil {
		e.explorer = noExplorer{}
	}
	e.localExpiry.fire = func(e *Engine, _ *timer) { e.setLocals() }
	e.pace.fire = func(e *Engine, _ *timer) { e.tellPeers() }
	e.validator = newValidator(&e.random)
	e.limits = newLimits(&e.random, config)
	return e, nil
}

// Handle deals with an event that happens at the time now, and returns what to do, in order.
// now is the time of a clock that never goes back and may start anywhere. The next call
// overwrites the slice.
func (e *Engine) Handle(now time.Duration, event Event) []Action {
	e.now = max(e.now, now)
	clear(e.out)
	e.out = e.out[:0]
	switch ev := event.(type) {
	case Tick:
		e.tick()
	case Start:
		e.start(ev)
	case Dump:
		e.dump(ev)
	case Locators:
		e.locators = slices.Clone(ev.Local)
		e.setLocals()
	case Control:
		e.control(ev)
	case NoContext:
		e.noContext(ev)
	case Acquire:
		e.acquire(ev)
	case Reap:
		e.reapEvent(ev)
	case Expire:
		e.expire(ev)
	case ICMP:
		e.icmp(ev)
	case ContextGone:
		e.contextGone(ev)
	case ContextRefused:
		e.contextRefused(ev)
	case Open:
		e.done(ev.ID, ev.ULIDs, e.open(ev))
	case Close:
		e.done(ev.ID, ev.ULIDs, e.close(ev))
	case Refresh:
		e.done(ev.ID, ev.ULIDs, e.refreshCommand(ev))
	case Use:
		e.use(ev)
	case ProbeAll:
		e.command(ev.ID, ev.ULIDs, e.explorer.ProbeAll)
	case Doubt:
		e.command(ev.ID, ev.ULIDs, e.explorer.Doubt)
	case Wish:
		e.wish(ev)
	}
	e.flush()
	return e.out
}

// Next returns when Handle wants a Tick; false if there is nothing to wait for.
func (e *Engine) Next() (deadline time.Duration, ok bool) {
	deadline, ok = e.timers.next()
	if d, has := e.explorer.Next(); has && (!ok || d < deadline) {
		deadline, ok = d, true
	}
	return deadline, ok
}

func (e *Engine) tick() {
	for t := e.timers.expired(e.now); t != nil; t = e.timers.expired(e.now) {
		t.fire(e, t)
	}
	if d, ok := e.explorer.Next(); ok && d <= e.now {
		e.explorer.Tick(e)
	}
}

func (e *Engine) emit(a Action) { e.out = append(e.out, a) }

func (e *Engine) done(id uint64, u ULIDs, err error) { e.emit(Done{ID: id, ULIDs: u, Err: err}) }

func (e *Engine) note(c *context, text string) { e.emit(Note{ULIDs: c.ulids, Text: text}) }

// touch puts c among those that flush looks at: the kernel, the Records or the Explorer must
// be told something before Handle returns.
func (e *Engine) touch(c *context) {
	if !c.pending.queued {
		c.pending.queued = true
		e.pending = append(e.pending, c)
	}
}

// flush tells the Explorer, the kernel and the Records what they must know of the contexts
// that were touched.
func (e *Engine) flush() {
	for i := 0; i < len(e.pending); i++ {
		c := e.pending[i]
		c.pending.queued = false
		// The Explorer is told last, when everything else about the event is done. It may
		// touch this context and others.
		if c.pending.established && !c.gone && c.state.Sends() {
			c.pending.established = false
			e.explorer.Established(&Session{e, c})
		}
		if h := c.pending.hint; h.kind != 0 && !c.gone && c.state.Sends() {
			c.pending.hint = hint{}
			e.explorer.Hint(&Session{e, c}, h.kind, h.why)
		}
		e.sync(c)
	}
	clear(e.pending)
	e.pending = e.pending[:0]
}

// sync tells the kernel, and then the Records, what they don't know about c.
func (e *Engine) sync(c *context) {
	if c.gone {
		return
	}
	switch {
	case !c.kernel.present:
		c.kernel.present = true
		e.emit(ContextNew{c.kernelContext(FieldsAll)})
	case c.kernel.changed != 0:
		e.emit(ContextSet{c.kernelContext(c.kernel.changed), c.kernel.changed})
	}
	c.kernel.changed, c.kernel.reapTimer = 0, 0
	if c.pending.unsaved {
		c.pending.unsaved = false
		e.emit(Persist{ULIDs: c.ulids, Record: c.record()})
	}
}

// send sends a message of a context by a locator pair. The kernel is told first what it must
// know before the peer can answer.
func (e *Engine) send(c *context, pair Pair, m wire.Message) {
	e.sync(c)
	e.transmit(c.ulids, pair, m)
}

// transmit sends a message. A message that can't be encoded is only counted: all messages are
// made to fit.
func (e *Engine) transmit(u ULIDs, pair Pair, m wire.Message) {
	e.transmitLong(u, pair, m, 0)
}

// transmitLong is transmit, in a packet of a length as in Send.Length.
func (e *Engine) transmitLong(u ULIDs, pair Pair, m wire.Message, length int) {
	b, err := wire.Append(e.buffer[:0], m)
	if err != nil {
		e.stats.Unencodable++
		return
	}
	e.buffer = b
	e.stats.Sent[m.Type()]++
	e.emit(Send{Source: pair.Local, Destination: pair.Peer, Encapsulation: pair.Encapsulation, Type: m.Type(), Message: slices.Clone(b), Length: length, Context: u})
}
