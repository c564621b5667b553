// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"bytes"
	"math"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/engine"
	"shim6/daemon/reap"
	"shim6/daemon/wire"
)

// The constants of RFC 5533, section 14, and RFC 5534, section 7, as they are there:
// those of the daemon are what is tested.
const (
	requestTimeout   = 4 * time.Second
	maxUpdateTimeout = 2 * time.Minute
	retriesI1        = 4
	retriesI2        = 2
	forEver          = math.MaxInt
	failedHolddown   = time.Minute
	icmpHolddown     = 10 * time.Minute

	initialProbeTimeout = 500 * time.Millisecond
	initialProbes       = 4
	maxProbeTimeout     = time.Minute
)

// rates remembers what a daemon has sent, and what it had reason to send. All is of
// names, and not of nonces: an exchange or an exploration that is begun anew in a loop
// has new nonces each time.
type rates struct {
	// i1, i2 and updates are the requests of each context: I2 stands for I2bis
	// as well.
	i1, i2, updates map[engine.ULIDs]*schedule
	// held are ULID pairs between which no exchange may begin, and until when.
	held map[engine.Pair]time.Duration
	// news counts what the peer of a context may have to be told.
	news   map[engine.ULIDs]int
	probes map[engine.ULIDs]*probing
	// requests are when each I2 and I2bis was last sent and before that.
	requests map[requestKey][2]time.Duration
	// answers are when those were sent that anybody can ask for.
	answers map[answerKey][]time.Duration
}

func newRates() rates {
	return rates{
		i1: make(map[engine.ULIDs]*schedule), i2: make(map[engine.ULIDs]*schedule), updates: make(map[engine.ULIDs]*schedule),
		held: make(map[engine.Pair]time.Duration), news: make(map[engine.ULIDs]int), probes: make(map[engine.ULIDs]*probing),
		requests: make(map[requestKey][2]time.Duration), answers: make(map[answerKey][]time.Duration),
	}
}

type requestKey struct {
	t     wire.Type
	nonce uint32
	tag   wire.ContextTag
}

type answerKey struct {
	t      wire.Type
	prefix netip.Prefix
}

// never is before every world.
const never = -time.Hour

// schedule is a request that is sent until it is answered.
type schedule struct {
	// sent is how often, since something new has happened.
	sent int
	last time.Duration
	// message is the last one.
	message []byte
	// Of an Update Request: it was acknowledged; it has taken the place of one that
	// was not.
	answered, superseded bool
}

// nonceOf is the nonce of an I1 or Update Request.
func nonceOf(message []byte) []byte { return message[12:16] }

// pairOf are the ULIDs without the forked instance.
func pairOf(u engine.ULIDs) engine.Pair { return engine.Pair{Local: u.Local, Peer: u.Peer} }

// arrival is a packet that the daemon is dealing with: what is sent meanwhile is sent
// because of it.
type arrival struct {
	packet
	// m is the message, nil if it is payload or nothing that can be understood.
	m wire.Message
	// state is that of the context that it is about, as the kernel has it.
	state engine.State
	// validated: it is an I2 or I2bis that returns what it must.
	validated bool
	// answers counts those that were sent.
	answers map[wire.Type]int
}

// is reports whether it is a message of one of these types.
func (a *arrival) is(types ...wire.Type) bool {
	return a != nil && a.message != nil && slices.Contains(types, wire.Type(a.message[2]))
}

// arrives notes a packet, and what it gives the daemon reason to send.
func (h *host) arrives(p packet) {
	h.arrival = &arrival{packet: p, answers: make(map[wire.Type]int)}
	if p.message == nil {
		return
	}
	m, err := wire.Decode(p.message)
	if err != nil {
		return
	}
	h.arrival.m = m
	if e, ok := m.(*wire.ErrorMessage); ok {
		h.refusal(e)
	}
	u, ok := h.about(p, m)
	if !ok {
		return
	}
	if k := h.kernel[u]; k != nil {
		h.arrival.state = k.State
	}
	switch m := m.(type) {
	case *wire.R1, *wire.R1bis:
		// If the I2 fails, it is again as if no I1 had been sent.
		h.answeredI1(u)
	case *wire.I2, *wire.I2bis, *wire.R2, *wire.UpdateRequest, *wire.UpdateAcknowledgement:
		h.answeredI1(u)
		h.begins(u)
		if h.arrival.is(wire.TypeR2) {
			// The peer may have got something else than what it was told last.
			h.rates.news[u]++
		}
	case *wire.Probe:
		// RFC 5534, section 4.3: the pauses grow while there is no response.
		h.begins(u)
		if m.State != wire.ProbeOperational || h.exploring(u) {
			// Sections 6.7 and 6.8; and who explores and does not believe the
			// reports has at least heard something, as in section 6.1.
			h.ask(u)
		}
	}
	if h.arrival.is(wire.TypeUpdateAcknowledgement) {
		h.acknowledged(u)
	}
	h.learns(p, m, u)
}

// acknowledged notes an Update Acknowledgement. If it is not of the last request, or
// that one was not the only one, the peer may have got an older one after it.
func (h *host) acknowledged(u engine.ULIDs) {
	x := h.rates.updates[u]
	switch {
	case x == nil:
		h.rates.news[u]++
	case !bytes.Equal(nonceOf(x.message), nonceOf(h.arrival.message)):
		h.rates.news[u]++
	default:
		x.answered = true
		if x.superseded {
			h.rates.news[u]++
			x.superseded = false
		}
	}
}

// refusal notes an Error message about an Update Request: the peer may have lost track.
func (h *host) refusal(m *wire.ErrorMessage) {
	in, err := m.Invoking()
	if err != nil || len(in.Header) < 16 {
		return
	}
	for u, x := range h.rates.updates {
		if bytes.HasPrefix(in.Header, x.message[:16]) {
			h.rates.news[u]++
		}
	}
}

func (h *host) answeredI1(u engine.ULIDs) {
	if x := h.rates.i1[u]; x != nil {
		x.sent = 0
	}
}

// about is the context that a message is about; false if there is none that the world
// knows of.
func (h *host) about(p packet, m wire.Message) (u engine.ULIDs, ok bool) {
	named := func(o wire.Options) (engine.ULIDs, bool) {
		u := engine.ULIDs{Local: p.destination, Peer: p.source, FII: o.FII()}
		if names := o.ULIDPair(); names != nil {
			u.Local, u.Peer = names.Receiver, names.Sender
		}
		return u, true
	}
	exchange := func(nonce uint32) (engine.ULIDs, bool) {
		x, ok := h.exchanges[nonce]
		return x.ulids, ok && x.pair == engine.Pair{Local: p.destination, Peer: p.source}
	}
	switch m := m.(type) {
	case *wire.I1:
		return named(m.Options)
	case *wire.I2:
		return named(m.Options)
	case *wire.I2bis:
		return named(m.Options)
	case *wire.R1:
		return exchange(m.InitiatorNonce)
	case *wire.R2:
		return exchange(m.InitiatorNonce)
	case *wire.R1bis:
		for _, u := range h.order {
			k := h.kernel[u]
			if k.HasTagPeer && k.TagPeer == m.PacketContextTag && (p.source == k.Peer || slices.Contains(k.LocatorsPeer, p.source)) {
				return u, true
			}
		}
		return u, false
	}
	if tag, tagged := wire.ReceiverContextTag(p.message); tagged {
		if k := h.byTag(tag); k != nil {
			return k.ULIDs, true
		}
		if h.forgotten {
			u, ok = h.tags[tag]
		}
	}
	return u, ok
}

// exploring reports whether a context sees nothing of the peer.
func (h *host) exploring(u engine.ULIDs) bool {
	k := h.kernel[u]
	return k != nil && k.ReapState == engine.ReapExploring
}

// happens notes an event, and what it gives the daemon reason to send.
func (h *host) happens(ev engine.Event) {
	h.event = ev
	r := &h.rates
	switch ev := ev.(type) {
	case engine.Start:
		// It knows what the kernel and the file have, and nothing else.
		boot := newRates()
		boot.requests, boot.answers = r.requests, r.answers
		*r = boot
		for _, u := range h.order {
			r.news[u] += 3
			r.i2[u] = &schedule{last: h.w.now}
		}
	case engine.Locators:
		// Of all contexts: if the kernel's table was flushed, the daemon need not
		// know of it.
		for u := range h.witnesses {
			r.news[u]++
			h.begins(u)
		}
	case engine.Dump:
		for u := range r.i1 {
			if h.kernel[u] == nil {
				delete(r.i1, u)
			}
		}
	case engine.Reap:
		switch ev.Kind {
		case engine.ReapSendTimeout:
			h.begins(ev.ULIDs)
		case engine.ReapInbound:
			// RFC 5534, sections 6.1 and 6.6.
			h.begins(ev.ULIDs)
			h.ask(ev.ULIDs)
		}
	case engine.ICMP:
		h.unsupported(ev)
		for u := range h.witnesses {
			h.begins(u)
		}
	case engine.Open:
		if ev.Force {
			delete(r.held, pairOf(ev.ULIDs))
		}
	case engine.Refresh:
		r.news[ev.ULIDs]++
	case engine.Close:
		delete(r.i1, ev.ULIDs)
	case engine.ContextGone:
		delete(r.i1, ev.ULIDs)
	case engine.ContextRefused:
		delete(r.i1, ev.ULIDs)
	}
}

// unsupported holds a ULID pair down if an ICMPv6 error says that the peer does not
// have what the I1 that was just sent is (RFC 5533, section 7.8).
func (h *host) unsupported(ev engine.ICMP) {
	if ev.Type != 4 || ev.Code != 1 {
		return
	}
	for u, x := range h.rates.i1 {
		k := h.kernel[u]
		if k == nil || k.State != engine.I1Sent || x.message == nil || !bytes.HasPrefix(ev.Message, x.message[:16]) {
			continue
		}
		if y := h.exchanges[uint32Of(nonceOf(x.message))]; y.pair == (engine.Pair{Local: ev.Source, Peer: ev.Destination}) {
			h.rates.held[pairOf(u)] = h.w.now + icmpHolddown
			delete(h.rates.i1, u)
		}
	}
}

// gone notes that the daemon has ended a context. If nothing but time has made it do
// that, the exchange has failed, and the ULID pair is held down (RFC 5533, sections 6.2
// and 7.8). If it had no reason, and begins anew, that counts as if it went on.
func (h *host) gone(u engine.ULIDs) {
	switch h.event.(type) {
	case engine.Tick:
		h.rates.held[pairOf(u)] = h.w.now + failedHolddown
		delete(h.rates.i1, u)
	case engine.Control:
		// Context confusion (section 7.15).
		if h.arrival.is(wire.TypeI2, wire.TypeI2bis, wire.TypeR2, wire.TypeUpdateRequest) {
			delete(h.rates.i1, u)
		}
	case engine.Start, engine.Dump, engine.Locators, engine.Expire:
		delete(h.rates.i1, u)
	}
}

// again sees that a request is sent no sooner than half of what is nominal after the
// last time (RFC 5533, section 14), and not too often.
func (h *host) again(s engine.Send, x *schedule, retries int, limit time.Duration) {
	if x.sent > retries {
		h.w.fail("%s: a %v of %v was sent %d times, and is sent again", h.name, s.Type, s.Context, x.sent)
	}
	least := limit
	if n := max(x.sent-1, 0); n < 30 {
		least = min(requestTimeout<<n, limit)
	}
	if gap := h.w.now - x.last; gap < least/2 {
		h.w.fail("%s: a %v of %v was sent %v ago, %d times, and is sent again", h.name, s.Type, s.Context, gap, x.sent)
	}
	x.sent, x.last, x.message = x.sent+1, h.w.now, s.Message
}

// checkBegins sees that a context is not begun that is held down.
func (h *host) checkBegins(k *engine.KernelContext) {
	if until := h.rates.held[pairOf(k.ULIDs)]; k.State == engine.I1Sent && h.w.now < until {
		h.w.fail("%s: an exchange of %v begins, which is held down for another %v", h.name, k.ULIDs, until-h.w.now)
	}
}

// checkI1 sees that the I1s of an exchange are those of RFC 5533, section 7.8: so there
// are no more than 25 in ten minutes, but for those that commands and answers have
// asked for.
func (h *host) checkI1(s engine.Send) {
	x := h.rates.i1[s.Context]
	if x == nil {
		x = &schedule{last: never}
		h.rates.i1[s.Context] = x
	}
	h.again(s, x, retriesI1, time.Hour)
}

// checkI2 sees that an I2 or I2bis answers an R1 or R1bis, is sent again by the rules,
// or because the peer seems to be ESTABLISHED (RFC 5533, sections 10.4 and 12.2), which
// may be once in the time of a retransmission. Others than the first R1 and R1bis are
// not answered (sections 7.11 and 7.18).
func (h *host) checkI2(s engine.Send, k requestKey, to wire.Type, in engine.State) {
	x := h.rates.i2[s.Context]
	_, tick := h.event.(engine.Tick)
	_, payload := h.event.(engine.Reap)
	switch {
	case h.arrival.is(to):
		h.checkBack(s, 1)
		if h.arrival.state != in && !h.forgotten {
			h.w.fail("%s: a %v answers a %v in %v", h.name, s.Type, to, h.arrival.state)
		}
		h.rates.i2[s.Context] = &schedule{sent: 1, last: h.w.now}
	case x == nil:
		h.w.fail("%s: a %v of %v answers nothing", h.name, s.Type, s.Context)
	case tick:
		h.again(s, x, retriesI2, time.Hour)
	case !payload && !h.arrival.is(wire.TypeUpdateRequest, wire.TypeUpdateAcknowledgement, wire.TypeKeepalive, wire.TypeProbe):
		h.w.fail("%s: a %v of %v is sent again because of %T", h.name, s.Type, s.Context, h.event)
	}
	last, ok := h.rates.requests[k]
	if !ok {
		last = [2]time.Duration{never, never}
	}
	if h.w.now-last[1] < requestTimeout/2 {
		h.w.fail("%s: %d %v were sent %v ago, and another is", h.name, len(last), k.t, h.w.now-last[1])
	}
	h.rates.requests[k] = [2]time.Duration{h.w.now, last[0]}
}

// checkUpdate sees that an Update Request is new because there is something to tell
// (RFC 5533, section 10.1), or is sent again by the rules.
func (h *host) checkUpdate(s engine.Send) {
	x := h.rates.updates[s.Context]
	if x == nil || !bytes.Equal(nonceOf(x.message), nonceOf(s.Message)) {
		if h.rates.news[s.Context] == 0 {
			h.w.fail("%s: a new %v of %v, which has no news", h.name, s.Type, s.Context)
		}
		h.rates.news[s.Context]--
		x = &schedule{last: never, superseded: x != nil && !x.answered}
		h.rates.updates[s.Context] = x
	}
	h.again(s, x, forEver, maxUpdateTimeout)
}

// checkReply sees that a message is in answer to one of these, that it goes back by the
// pair that the other came by, and that there are no more of them than most.
func (h *host) checkReply(s engine.Send, most int, to ...wire.Type) {
	if !h.arrival.is(to...) {
		h.w.fail("%s: a %v for %v, which has not asked for it", h.name, s.Type, s.Destination)
	}
	h.checkBack(s, most)
}

// checkBack is checkReply, whatever it is an answer to.
func (h *host) checkBack(s engine.Send, most int) {
	a := h.arrival
	if a == nil || s.Source != a.destination || s.Destination != a.source {
		h.w.fail("%s: a %v from %v to %v, and nothing has come from there", h.name, s.Type, s.Source, s.Destination)
	}
	if a.answers[s.Type]++; a.answers[s.Type] > most {
		h.w.fail("%s: %d messages %v for one", h.name, a.answers[s.Type], s.Type)
	}
}

// checkAnswer sees that within a second there are no more than what was saved up, and
// what that second gives.
func (h *host) checkAnswer(s engine.Send, limit int) {
	p, _ := s.Destination.Prefix(64)
	k := answerKey{s.Type, p}
	sent := slices.DeleteFunc(h.rates.answers[k], func(t time.Duration) bool { return t <= h.w.now-time.Second })
	sent = append(sent, h.w.now)
	if len(sent) > 2*limit*max(1, h.boots) {
		h.w.fail("%s: %d messages %v to %v within a second", h.name, len(sent), s.Type, p)
	}
	h.rates.answers[k] = sent
}

// probing are the Probes of a context.
type probing struct {
	// asked is how many are asked for by what happens at a time.
	asked   int
	askedAt time.Duration
	// sent is how many others there were since something new has happened, and
	// begun when that was.
	sent  int
	begun time.Duration
	// last are when the last three of these were sent, the last one first.
	last [3]time.Duration
	// rested: it was Operational since, and left that for nothing that has
	// happened. returned is when a better pair was last looked for.
	rested   bool
	returned time.Duration
}

func (h *host) probing(u engine.ULIDs) *probing {
	p := h.rates.probes[u]
	if p == nil {
		p = &probing{begun: never, last: [3]time.Duration{never, never, never}, returned: never}
		h.rates.probes[u] = p
	}
	return p
}

// begins notes that something has happened for which an exploration may begin anew.
func (h *host) begins(u engine.ULIDs) {
	p := h.probing(u)
	p.sent, p.begun = 0, h.w.now
}

// ask notes that a Probe is due at once.
func (h *host) ask(u engine.ULIDs) {
	p := h.probing(u)
	if p.askedAt != h.w.now {
		p.asked, p.askedAt = 0, h.w.now
	}
	p.asked++
}

// probePause is the least pause before the next Probe of a schedule (RFC 5534, section
// 4.3): it grows by a quarter at least, less the jitter of an eighth.
func probePause(sent int) time.Duration {
	if sent <= initialProbes {
		return initialProbeTimeout
	}
	d := float64(initialProbeTimeout) * math.Pow(1.25, float64(sent-initialProbes+1))
	return time.Duration(min(d, float64(maxProbeTimeout)) * 7 / 8)
}

// checkProbe sees that a Probe was asked for, or is in its time. An exploration begins
// at once (RFC 5534, section 6.4), be it that there was one a moment ago: so there can be
// one more in a second than the two that the schedule has.
func (h *host) checkProbe(s engine.Send) {
	p := h.probing(s.Context)
	if p.askedAt == h.w.now && p.asked > 0 {
		p.asked--
		return
	}
	gap, least := h.w.now-p.last[0], probePause(p.sent)
	switch {
	case p.sent == 0 && p.begun == h.w.now:
		least = 0
	case p.rested:
		// It looks whether a better pair works again.
		if since := h.w.now - p.returned; since < reap.DefaultHoldDown {
			h.w.fail("%s: %v is Operational, and sends Probes after %v", h.name, s.Context, since)
		}
		p.sent, p.returned, least = 0, h.w.now, 0
	}
	if gap < least {
		h.w.fail("%s: Probe %d of %v, for which nobody has asked, is sent after %v and not %v", h.name, p.sent+1, s.Context, gap, least)
	}
	if h.w.now-p.last[2] < time.Second {
		h.w.fail("%s: four Probes of %v, for which nobody has asked, are sent within %v", h.name, s.Context, h.w.now-p.last[2])
	}
	p.sent, p.rested = p.sent+1, false
	p.last = [3]time.Duration{h.w.now, p.last[0], p.last[1]}
}
