// SPDX-License-Identifier: BSD-3-Clause

package reap

import "time"

// pace is a token bucket for the Probes of all contexts. Answers take a token whether or not
// there is one; Probes of a schedule wait for them.
type pace struct {
	// rate is in tokens a second. tokens are those that were there at a time; they may be
	// negative.
	rate, burst, tokens float64
	at                  time.Duration
}

func newPace(rate, burst int) pace {
	return pace{rate: float64(rate), burst: float64(burst), tokens: float64(burst)}
}

func (p *pace) fill(now time.Duration) {
	if now > p.at {
		p.tokens = min(p.burst, p.tokens+p.rate*(now-p.at).Seconds())
		p.at = now
	}
}

// ready reports whether a Probe may be sent now.
func (p *pace) ready(now time.Duration) bool {
	p.fill(now)
	return p.tokens >= 1
}

func (p *pace) take(now time.Duration) {
	p.fill(now)
	p.tokens--
}

// next is when ready will be true; if it is already, a time that has passed.
func (p *pace) next() time.Duration {
	if p.tokens >= 1 {
		return p.at
	}
	return p.at + time.Duration((1-p.tokens)/p.rate*float64(time.Second)) + time.Microsecond
}

// bucket bounds the answers of one context. Each Probe of the peer asks for one, but nobody may
// have as many sent as they like.
type bucket struct {
	// spent is how many answers were sent lately, as of a time.
	spent float64
	at    time.Duration
}

// answerBurst is how many answers a context sends at once, and answerRate how many a second.
const (
	answerBurst = 6
	answerRate  = 4
)

// allow reports whether an answer may be sent, and counts it.
func (b *bucket) allow(now time.Duration) bool {
	b.spent = max(0, b.spent-answerRate*(now-b.at).Seconds())
	b.at = now
	if b.spent > answerBurst-1 {
		return false
	}
	b.spent++
	return true
}
