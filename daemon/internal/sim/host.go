// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"crypto/rsa"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/engine/enginetest"
	"shim6/daemon/internal/reap"
	"shim6/daemon/wire"
)

// host is a kernel, and a daemon that comes and goes.
type host struct {
	w    *world
	name string
	// all are the addresses that the host can have. up says which it has now, and broken
	// which of them don't work.
	all    []engine.LocalLocator
	up     []bool
	broken []bool
	config engine.Config
	// e is the daemon, nil while it is down.
	e        *engine.Engine
	explorer *reap.Explorer
	liveness map[engine.ULIDs]*liveness
	// The kernel, and the state file.
	kernel  enginetest.Kernel
	records enginetest.Records
	// unwritten are Records of the daemon that are not in the file yet. It writes them
	// before it sends, and when all actions are done.
	unwritten []engine.Persist
	// stalled is the time until which nothing can be written, though the daemon goes on.
	// lost: something was to be written meanwhile, so the file has no Records. wanted are
	// the Records that the daemon wants in the file.
	stalled time.Duration
	wanted  enginetest.Records
	lost    bool
	// refused are the contexts of which the kernel has refused an action of the last event.
	// forgotten: the kernel's table was flushed, and the daemon does not know.
	refused []engine.ULIDs
	// silent: the daemon starts, and must not send. givenUp are contexts that
	// were refused since.
	silent    bool
	givenUp   []engine.ULIDs
	forgotten bool
	boots     int
	// event is the event that the daemon is dealing with, and arrival its packet, nil if
	// there is none.
	event   engine.Event
	arrival *arrival
	rates   rates
	// witnesses are what the host was shown of its peers, by the names of contexts.
	// exchanges are the requests that it has sent, by their nonces. validators are those
	// that it has given away.
	witnesses  map[engine.ULIDs]*witness
	exchanges  map[uint32]exchange
	validators map[validated]bool
	// tags are the local tags of all contexts that there ever were.
	tags map[wire.ContextTag]engine.ULIDs
}

// kind is how a host proves its locators.
type kind int

const (
	hba kind = iota
	cgaHBA
	plain
	single
)

func (w *world) newHost(k kind) *host {
	i := len(w.hosts)
	h := &host{
		w: w, name: string(rune('A' + i)),
		records: make(enginetest.Records),
		rates:   newRates(), witnesses: make(map[engine.ULIDs]*witness),
		exchanges: make(map[uint32]exchange), validators: make(map[validated]bool), tags: make(map[wire.ContextTag]engine.ULIDs),
	}
	n := 2 + w.rand.IntN(3)
	if k == single {
		n = 1
	}
	var prefixes []netip.Addr
	for j := range n {
		a := netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:%x::1", i+1, j+1))
		prefixes = append(prefixes, a)
		if k == plain || k == single {
			h.all = append(h.all, engine.LocalLocator{Address: a})
		}
	}
	if k == hba || k == cgaHBA {
		var key *rsa.PrivateKey
		if k == cgaHBA {
			key = enginetest.Key()
			// One prefix isn't in the set, and so needs a signature.
			n--
		}
		set, err := enginetest.HBASet(enginetest.Reader{Source: rand.NewPCG(w.seed, uint64(i))}, key, prefixes[:n]...)
		if err != nil {
			panic(err)
		}
		h.all = set
		for _, l := range set {
			w.hashed[l.Address] = true
		}
		if k == cgaHBA {
			h.all = append(h.all, engine.LocalLocator{Address: netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:ff::1", i+1))})
		}
	}
	for range h.all {
		h.up = append(h.up, true)
		h.broken = append(h.broken, false)
	}
	for _, l := range h.all {
		w.owner[l.Address] = h
	}
	if k == plain {
		h.config.TrustedPrefixes = []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}
	}
	if w.chance(0.2) {
		h.config.SendTimeout = 20 * time.Second
	}
	h.w.hosts = append(h.w.hosts, h)
	return h
}

// boot starts the daemon, with its Records if keep is set, otherwise without.
func (h *host) boot(keep bool) {
	if h.e != nil {
		return
	}
	h.boots++
	c := h.config
	c.Random = rand.NewPCG(h.w.seed^uint64(h.boots)<<32, uint64(h.name[0]))
	if h.w.few {
		c.Random = fewTags{c.Random}
	}
	h.explorer = newExplorer()
	c.Explorer = h.explorer
	e, err := engine.New(c)
	if err != nil {
		panic(err)
	}
	h.e = e
	if !keep {
		clear(h.records)
	}
	h.wanted, h.lost = maps.Clone(h.records), false
	var records []engine.Record
	for _, u := range h.kernel.Order() {
		if r, ok := h.records[u]; ok {
			records = append(records, r)
		}
	}
	// Records of contexts that the kernel lacks come last, in an order that repeats.
	var rest []engine.ULIDs
	for u := range h.records {
		if h.kernel.Get(u) == nil {
			rest = append(rest, u)
		}
	}
	slices.SortFunc(rest, compareULIDs)
	for _, u := range rest {
		records = append(records, h.records[u])
	}
	h.w.logf("%s: the daemon starts, %d contexts, %d records", h.name, h.kernel.Len(), len(records))
	// The daemon may give up only contexts whose ULID is gone, and those that the kernel
	// refuses.
	h.silent, h.givenUp = true, nil
	var before []engine.KernelContext
	for _, k := range h.kernel.Dump() {
		if h.has(k.Local) {
			before = append(before, k)
		}
	}
	if h.w.chance(0.5) {
		h.handle(engine.Locators{Local: h.locals()})
		h.handle(engine.Start{Contexts: h.kernel.Dump(), Records: records})
	} else {
		h.handle(engine.Start{Contexts: h.kernel.Dump(), Records: records})
		h.handle(engine.Locators{Local: h.locals()})
	}
	h.silent = false
	if h.e != e {
		return
	}
	for _, k := range before {
		if c, ok := e.Context(k.ULIDs); (!ok || c.TagLocal != k.TagLocal) && !slices.Contains(h.givenUp, k.ULIDs) {
			h.w.fail("%s: the daemon has not adopted %v", h.name, k.ULIDs)
		}
	}
}

func compareULIDs(a, b engine.ULIDs) int {
	if c := a.Local.Compare(b.Local); c != 0 {
		return c
	}
	if c := a.Peer.Compare(b.Peer); c != 0 {
		return c
	}
	return int(int64(a.FII) - int64(b.FII))
}

// crash ends the daemon; the kernel goes on.
func (h *host) crash() {
	h.w.logf("%s: the daemon is gone", h.name)
	h.orphan()
	h.e, h.forgotten, h.unwritten = nil, false, nil
}

// dies reports whether the daemon crashes before its next action. That happens now and then,
// between any two actions. It comes back later.
func (h *host) dies() bool {
	if !h.w.faults || !h.w.chance(0.002) {
		return false
	}
	h.crash()
	keep := h.w.chance(0.8)
	h.w.after(h.w.between(0, 30*time.Second), func() { h.boot(keep) })
	return true
}

// stall makes the disk accept nothing for a while. Afterwards everything that is then wanted is
// written, unless the daemon has crashed before: then nothing is.
func (h *host) stall(d time.Duration) {
	h.w.logf("%s: the disk stalls for %v", h.name, d)
	h.stalled = max(h.stalled, h.w.now+d)
	h.w.after(d, h.write)
}

// write puts the Records into the file.
func (h *host) write() {
	if h.e == nil {
		return
	}
	stalled := h.w.now < h.stalled
	if !stalled && h.lost {
		h.records, h.lost = maps.Clone(h.wanted), false
	}
	for _, p := range h.unwritten {
		h.wanted.Save(p)
		h.records.Save(p)
	}
	if stalled && len(h.unwritten) > 0 {
		h.lost = true
		clear(h.records)
	}
	h.unwritten = h.unwritten[:0]
}

// reboot loses the kernel's contexts as well.
func (h *host) reboot() {
	h.crash()
	h.kernel.Clear()
}

func (h *host) locals() []engine.LocalLocator {
	var l []engine.LocalLocator
	for i, a := range h.all {
		if !h.up[i] {
			continue
		}
		if h.broken[i] {
			a.Preference.Flags |= wire.FlagBroken
		}
		if i > 0 {
			a.Preference.Priority = uint8(i)
		}
		l = append(l, a)
	}
	return l
}

func (h *host) has(a netip.Addr) bool {
	for i := range h.all {
		if h.all[i].Address == a {
			return h.up[i]
		}
	}
	return false
}

func (h *host) works(a netip.Addr) bool {
	for i := range h.all {
		if h.all[i].Address == a {
			return h.up[i] && !h.broken[i]
		}
	}
	return false
}

func (h *host) handle(ev engine.Event) {
	if h.e == nil {
		return
	}
	resync := false
	h.refused = h.refused[:0]
	h.happens(ev)
	for _, a := range h.e.Handle(h.w.now, ev) {
		if _, ok := a.(engine.Resync); ok {
			resync = true
		}
		if h.dies() {
			return
		}
		h.do(a)
	}
	h.write()
	h.givenUp = append(h.givenUp, h.refused...)
	for _, u := range slices.Clone(h.refused) {
		h.handle(engine.ContextRefused{ULIDs: u})
	}
	if resync {
		h.forgotten = false
		h.handle(engine.Dump{Contexts: h.kernel.Dump()})
	}
}

// refuses reports whether the kernel has no memory at the moment.
func (h *host) refuses(u engine.ULIDs) bool {
	if !h.w.faults || !h.w.chance(0.02) {
		return false
	}
	h.w.logf("%s: the kernel refuses %v", h.name, u)
	h.refused = append(h.refused, u)
	return true
}

// do does an action, as the rest of the daemon and the kernel would.
func (h *host) do(a engine.Action) {
	switch a := a.(type) {
	case engine.Send:
		if h.silent {
			h.w.fail("%s: at its start the daemon sends %v to %v", h.name, a.Type, a.Destination)
		}
		h.write()
		if slices.Contains(h.refused, a.Context) {
			return
		}
		h.checkSend(a)
		h.w.logf("%s: %v %v -> %v %v", h.name, a.Type, a.Source, a.Destination, a.Encapsulation)
		if h.has(a.Source) && h.works(a.Source) {
			h.w.transmit(packet{source: a.Source, destination: a.Destination, message: a.Message, length: a.Length, by: a.Encapsulation})
		}
	case engine.ContextNew:
		k := a.Context
		h.checkBegins(&k)
		if h.refuses(k.ULIDs) {
			return
		}
		h.must(h.kernel.New(a))
		h.renew(k.ULIDs, k.TagLocal)
		h.checkKernel(&k)
	case engine.ContextSet:
		k := h.kernel.Get(a.Context.ULIDs)
		switch {
		case slices.Contains(h.refused, a.Context.ULIDs):
			return
		case h.forgotten && (k == nil || k.TagLocal != a.Context.TagLocal):
			// The kernel's table was flushed, and the daemon does not know yet.
			h.refused = append(h.refused, a.Context.ULIDs)
			return
		case k != nil && h.refuses(a.Context.ULIDs):
			return
		}
		moved := k != nil && a.Fields&engine.FieldLocator != 0 && a.Context.Locator != k.Locator
		h.must(h.kernel.Set(a))
		h.timed(a)
		if moved {
			h.restarted(k.ULIDs)
		}
		if h.w.trial != nil {
			h.w.trial.set(h, a.Fields)
		}
		h.checkKernel(k)
	case engine.ContextDel:
		h.gone(a.ULIDs)
		h.must(h.kernel.Del(a))
	case engine.Persist:
		h.unwritten = append(h.unwritten, a)
	case engine.StateChange:
		h.w.logf("%s: %v fii %d: %v -> %v: %s", h.name, a.Peer, a.FII, a.From, a.To, a.Why)
	case engine.Note:
		h.w.logf("%s: note: %s", h.name, a.Text)
	}
}

// must fails if the kernel has refused something for a reason that only a bug can be.
func (h *host) must(err error) {
	if err != nil {
		h.w.fail("%s: %v", h.name, err)
	}
}

// receive does what the kernel does with a packet that arrives.
func (h *host) receive(p packet) {
	if !h.works(p.destination) || !h.opens(p) {
		return
	}
	if h.e != nil {
		h.arrives(p)
		defer func() { h.arrival = nil }()
	}
	if p.message != nil {
		if h.consumes(p) {
			return
		}
		if tag, ok := wire.ReceiverContextTag(p.message); ok && wire.Type(p.message[2]) != wire.TypeProbe {
			if k := h.kernel.ByTag(tag); k != nil && k.State == engine.Established && h.between(k, p) {
				h.hears(k)
			}
		}
		h.handle(engine.Control{Source: p.source, Destination: p.destination, Message: p.message, Encapsulation: p.by})
		return
	}
	tag := wire.ContextTag(p.tag)
	switch k := h.kernel.ByTag(tag); {
	case k == nil:
		h.handle(engine.NoContext{Source: p.source, Destination: p.destination, Tag: tag, Encapsulation: p.by})
	case k.State == engine.I2Sent || k.State == engine.I2bisSent:
		h.handle(engine.Reap{ULIDs: k.ULIDs, Tag: tag, Kind: engine.ReapPayload})
	case k.State == engine.Established:
		h.hears(k)
	}
}

// consumes reports whether a message is a Keepalive that the kernel keeps to itself.
func (h *host) consumes(p packet) bool {
	if len(p.message) != 16 || wire.Type(p.message[2]) != wire.TypeKeepalive {
		return false
	}
	tag, _ := wire.ReceiverContextTag(p.message)
	k := h.kernel.ByTag(tag)
	if k == nil || k.State != engine.Established || !h.between(k, p) {
		return false
	}
	h.hears(k)
	return true
}

// between reports whether a packet is from and to locators of a context.
func (h *host) between(k *engine.KernelContext, p packet) bool {
	return (p.source == k.Peer || slices.Contains(k.LocatorsPeer, p.source)) &&
		(p.destination == k.Local || slices.Contains(k.LocatorsLocal, p.destination))
}

// payload sends a packet of a ULP in a context, and a Keepalive, as the kernel does while there
// is traffic.
func (h *host) payload(u engine.ULIDs) {
	k := h.kernel.Get(u)
	if k == nil || !k.State.Sends() || !h.works(k.Locator.Local) {
		return
	}
	h.checkPayload(k)
	if h.pays(k); h.kernel.Get(u) != k {
		return
	}
	p := packet{source: k.Locator.Local, destination: k.Locator.Peer, by: k.Locator.Encapsulation}
	if !k.Locator.SamePath(pairOf(u)) {
		p.tag = uint64(k.TagPeer)
		h.w.transmit(p)
	}
	b, err := wire.Append(nil, &wire.Keepalive{ReceiverContextTag: k.TagPeer})
	if err != nil {
		panic(err)
	}
	p.message = b
	h.w.transmit(p)
}
