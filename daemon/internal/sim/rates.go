// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/reap"
	"shim6/daemon/wire"
)

// The constants of RFC 5533, section 14, and RFC 5534, section 7. They are copied from the
// RFCs, since the daemon's own constants are under test.
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
	// examination is how long seven Probes take, with the answers to the peer's Probes.
	examination = 15 * time.Second
	// holdSlack is how late a look for a better pair may be because of other Probes, so
	// that the next one seems early.
	holdSlack = 2 * time.Second
)

// useTimeout is how long an operator waits for the locator pair of a Use.
const useTimeout = 2500 * time.Millisecond

// rates remembers what a daemon has sent, and what it had reason to send. It goes by names and
// not by nonces: an exchange or exploration that begins again and again in a loop has new
// nonces each time.
type rates struct {
	// i1, i2 and updates are the requests of each context. i2 has the I2bis, too.
	i1, i2, updates map[engine.ULIDs]*schedule
	// held are ULID pairs between which no exchange may begin, and until when.
	held map[engine.Pair]time.Duration
	// news counts what the peer of a context may have to be told.
	news   map[engine.ULIDs]int
	probes map[engine.ULIDs]*probing
	// requests are the last two times at which each I2 and I2bis was sent, the last first.
	requests map[requestKey][2]time.Duration
	// answers are the times at which answers were sent that anybody can cause.
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
	// sent is how often it was sent since something new has happened.
	sent int
	last time.Duration
	// message is the last one.
	message []byte
	// answered: the Update Request was acknowledged. superseded: it has taken the place of
	// one that was not.
	answered, superseded bool
	// refused: an Error message has said that a locator in the I2 or I2bis is not proved.
	refused bool
	// udp are the same messages in UDP, of an I1.
	udp *schedule
}

// nonceOf is the nonce of an I1 or Update Request.
func nonceOf(message []byte) []byte { return message[12:16] }

// pairOf are the ULIDs without the forked instance.
func pairOf(u engine.ULIDs) engine.Pair { return engine.Pair{Local: u.Local, Peer: u.Peer} }

// again checks that a request is not sent too often, and no sooner after the last time than
// half of the nominal pause (RFC 5533, section 14).
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

// checkBegins checks that no context begins during a hold-down.
func (h *host) checkBegins(k *engine.KernelContext) {
	if until := h.rates.held[pairOf(k.ULIDs)]; k.State == engine.I1Sent && h.w.now < until {
		h.w.fail("%s: an exchange of %v begins, which is held down for another %v", h.name, k.ULIDs, until-h.w.now)
	}
}

// checkI1 checks the I1s of an exchange against RFC 5533, section 7.8. So there are no more
// than 25 in ten minutes, except those that commands and answers cause. In UDP there may be as
// many, as if they were of another exchange.
func (h *host) checkI1(s engine.Send) {
	x := h.rates.i1[s.Context]
	if x == nil {
		x = &schedule{last: never, udp: &schedule{last: never}}
		h.rates.i1[s.Context] = x
	}
	x.message = s.Message
	if s.Encapsulation == engine.UDP {
		x = x.udp
	}
	if h.config.UDP == engine.UDPAuto {
		// It may have been the second of the two before, and be the first now.
		x.last -= engine.OtherTimeout
	}
	h.again(s, x, retriesI1, time.Hour)
}

// checkI2 checks that an I2 or I2bis has a reason: it answers an R1 or R1bis, it is
// retransmitted by the rules, or the peer seems to be ESTABLISHED (RFC 5533, sections 10.4 and
// 12.2). The last reason counts once in the time of a retransmission. Only the first R1 or
// R1bis is answered (sections 7.11 and 7.18).
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
	case h.arrival.is(wire.TypeError) && !x.refused:
		// The peer does not believe our locators, and is told fewer.
		x.refused, x.last = true, h.w.now
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

// checkUpdate checks that a new Update Request has something to tell (RFC 5533, section 10.1),
// and that an old one is sent again by the rules.
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

// checkReply checks that a message answers one of the types to, that it goes back by the pair
// by which that one came, and that there are no more than most such answers.
func (h *host) checkReply(s engine.Send, most int, to ...wire.Type) {
	if !h.arrival.is(to...) {
		h.w.fail("%s: a %v for %v, which has not asked for it", h.name, s.Type, s.Destination)
	}
	h.checkBack(s, most)
}

// checkBack is checkReply for an answer to any message.
func (h *host) checkBack(s engine.Send, most int) {
	a := h.arrival
	if a == nil || s.Source != a.destination || s.Destination != a.source || s.Encapsulation != a.by {
		h.w.fail("%s: a %v from %v to %v, and nothing has come from there", h.name, s.Type, s.Source, s.Destination)
	}
	if a.answers[s.Type]++; a.answers[s.Type] > most {
		h.w.fail("%s: %d messages %v for one", h.name, a.answers[s.Type], s.Type)
	}
}

// checkAnswer checks that a second has no more answers than the limiter had saved up and that
// second gives.
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
	// asked is how many Probes the events at the time askedAt ask for.
	asked   int
	askedAt time.Duration
	// sent is how many other Probes there were since something new has happened, and begun
	// when that was.
	sent  int
	begun time.Duration
	// reason is the type of the event at begun.
	reason string
	// last are the times of the last of these, the last one first, and reasons what reason was
	// then.
	last    [mostUnanswered]time.Duration
	reasons [3]string
	// rested: the context became Operational after that, and nothing has happened since.
	// returned is when it last looked for a better pair.
	rested   bool
	returned time.Duration
	// native is when a context in UDP last asked natively.
	native time.Duration
	// used is when an operator last wanted to use a pair.
	used time.Duration
	// doubted is when TCP last reported a wait: the context may then examine pairs, though
	// the peer answers.
	doubted time.Duration
	// stopped is when a stream last stopped, or TCP reported a wait: the current pair and another
	// are then asked with less patience, before an exploration begins.
	stopped time.Duration
	// unanswered is when an answer last was missed: the current pair is asked more often then.
	unanswered time.Duration
	// pair is that of the last of these. It may be followed by one other Probe, by the other
	// encapsulation. pairFirst is when it was sent first, of those within half a second.
	pair              engine.Pair
	pairAt, pairFirst time.Duration
}

// Where a stream has stopped, an answer may take no less than leastPatience, and within the time
// doubting there may be three Probes before an exploration begins. Where TCP waits, two are sent at
// once. A second has no more than mostDoubting: these three, an exploration that leads back to the
// doubt, another question, and two of the exploration after it. Where an answer was missed, the current
// pair is asked three times more, and the other one once.
const (
	leastPatience  = 40 * time.Millisecond
	doubting       = 2 * time.Second
	mostDoubting   = 7
	mostUnanswered = mostDoubting + 4
)

func (h *host) probing(u engine.ULIDs) *probing {
	p := h.rates.probes[u]
	if p == nil {
		p = &probing{begun: never, returned: never, used: never, doubted: never, stopped: never, unanswered: never}
		for i := range p.last {
			p.last[i] = never
		}
		h.rates.probes[u] = p
	}
	return p
}

// begins notes an event because of which an exploration may begin again.
func (h *host) begins(u engine.ULIDs) {
	p := h.probing(u)
	p.sent, p.begun, p.reason = 0, h.w.now, fmt.Sprintf("%T", h.event)
}

// ask notes that a Probe is due at once.
func (h *host) ask(u engine.ULIDs) {
	p := h.probing(u)
	if p.askedAt != h.w.now {
		p.asked, p.askedAt = 0, h.w.now
	}
	p.asked++
}

// catchUp is how long a host that may have been stopped waits for messages that have come meanwhile.
const catchUp = 20 * time.Millisecond

// probePause is the least pause before the next Probe of a schedule (RFC 5534, section 4.3).
// It grows by a quarter at least, and may be shorter by the jitter of an eighth.
func probePause(sent int) time.Duration {
	if sent <= initialProbes {
		return initialProbeTimeout
	}
	d := float64(initialProbeTimeout) * math.Pow(1.25, float64(sent-initialProbes+1))
	return time.Duration(min(d, float64(maxProbeTimeout)) * 7 / 8)
}

// checkProbe checks that a Probe was asked for, or comes in its time. An exploration begins at
// once (RFC 5534, section 6.4), even if there was another one a moment ago. So a second can
// have one Probe more than the two of the schedule.
func (h *host) checkProbe(s engine.Send) {
	p := h.probing(s.Context)
	pair := engine.Pair{Local: s.Source, Peer: s.Destination, Encapsulation: s.Encapsulation}
	if p.askedAt == h.w.now && p.asked > 0 {
		p.asked--
		p.pair, p.pairAt, p.pairFirst = pair, h.w.now, h.w.now
		return
	}
	gap, least := h.w.now-p.last[0], probePause(p.sent)
	// A context in UDP also asks whether its pair works natively.
	k := h.kernel.Get(s.Context)
	natively := k != nil && k.Locator.Encapsulation == engine.UDP && pair == k.Locator.By(engine.Native)
	// A doubt may have asked the pair just before, and its half second counts from then.
	in := func(since time.Duration) bool {
		age := h.w.now - since
		return age >= initialProbeTimeout/2 && age < initialProbeTimeout
	}
	if h.config.UDP == engine.UDPAuto && pair == p.pair.Other() && (in(p.pairAt) || in(p.pairFirst)) {
		p.pair = engine.Pair{}
		if natively {
			// It may also be that question, and is then followed by one in UDP itself.
			p.pair, p.pairAt, p.pairFirst = pair, h.w.now, h.w.now
		}
		return
	}
	if pair != p.pair || h.w.now-p.pairFirst >= initialProbeTimeout {
		p.pairFirst = h.w.now
	}
	p.pair, p.pairAt = pair, h.w.now
	switch {
	case p.sent == 0 && p.begun == h.w.now:
		least = 0
	case p.sent == 0 && h.w.now-p.stopped < doubting && h.w.now-p.begun <= catchUp:
		// A host in doubt that hears of the other pair late waits for what else may be there.
		least = 0
	case h.w.now-p.unanswered < doubting && p.sent < 9:
		least = leastPatience
		if p.sent == 3 || p.sent == 1 && (p.begun == h.w.now || h.w.now-p.doubted < doubting) {
			// The other pair is asked again at the same time, also if something else has
			// just begun the count again, or TCP has reported a wait too.
			least = 0
		}
	case h.w.now-p.stopped < doubting && p.sent < 5:
		least = leastPatience
		if p.sent <= 1 && h.w.now-p.doubted < doubting {
			// TCP waits as well, so that the other pair is asked without a delay.
			least = 0
		}
		if p.sent >= 3 {
			least = initialProbeTimeout
		}
	case p.rested && h.w.now-p.used < useTimeout:
		// An operator waits, and a Probe of the peer has come in between.
		p.sent, least = 0, initialProbeTimeout
	case p.rested && h.w.now-p.doubted < examination:
		if h.w.now-p.returned >= reap.DefaultHoldDown-holdSlack {
			// Or the context looks whether a better pair works again.
			p.sent, least = 0, 0
		}
	case p.rested:
		// The context looks whether a better pair works again, or whether native messages pass.
		looked := &p.returned
		if natively {
			looked = &p.native
		}
		if since := h.w.now - *looked; since < reap.DefaultHoldDown-holdSlack {
			h.w.fail("%s: %v is Operational, and sends Probes after %v", h.name, s.Context, since)
		}
		p.sent, *looked, least = 0, h.w.now, 0
	}
	if h.config.UDP == engine.UDPAuto {
		// The one before may have been the second of two that differ in the encapsulation.
		least = min(least, initialProbeTimeout/2)
	}
	if gap < least {
		h.w.fail("%s: Probe %d of %v by %v, for which nobody has asked, is sent after %v and not %v", h.name, p.sent+1, s.Context, pair, gap, least)
	}
	// Where three different things happen within a second, each has its first Probe at once.
	reasons := []string{p.reason, p.reasons[0], p.reasons[1], p.reasons[2]}
	slices.Sort(reasons)
	if h.w.now-p.last[2] < time.Second && h.w.now-p.stopped >= doubting && len(slices.Compact(reasons)) < 3 {
		h.w.fail("%s: four Probes of %v, for which nobody has asked, are sent within %v", h.name, s.Context, h.w.now-p.last[2])
	}
	most := mostDoubting
	if h.w.now-p.unanswered < doubting {
		most = mostUnanswered
	}
	if h.w.now-p.last[most-1] < time.Second {
		h.w.fail("%s: %d Probes of %v, for which nobody has asked, are sent within a second", h.name, most+1, s.Context)
	}
	p.sent, p.rested = p.sent+1, false
	copy(p.last[1:], p.last[:])
	p.last[0] = h.w.now
	p.reasons = [3]string{p.reason, p.reasons[0], p.reasons[1]}
}
