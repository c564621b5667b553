// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"fmt"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
)

// impairments are bad paths that deliver.
var impairments = []struct {
	name string
	path func(w *world) *impaired
}{
	{"good", func(*world) *impaired { return &impaired{} }},
	{"loss of 3 percent", func(*world) *impaired { return &impaired{loss: 0.03} }},
	{"jitter of 200 ms", func(*world) *impaired { return &impaired{jitter: 200 * time.Millisecond} }},
	{"reordering", func(*world) *impaired { return &impaired{stray: 0.1} }},
	{"a second of bufferbloat", func(w *world) *impaired {
		return &impaired{queue: func(from int, now time.Duration) time.Duration {
			// Load comes every minute, in each direction at another time, and fills the queue
			// within two seconds. TCP then goes down by a fifth now and then.
			const ramp, hold = 2 * time.Second, 20 * time.Second
			switch t := (now + time.Duration(from)*17*time.Second) % time.Minute; {
			case t < ramp:
				return time.Second * time.Duration(t) / ramp
			case t < ramp+hold:
				return time.Second - (t-ramp)%(3*time.Second)/15
			case t < 2*ramp+hold:
				return time.Second * time.Duration(2*ramp+hold-t) / ramp
			}
			return 0
		}}
	}},
	{"rate from 100 to 1 Mbit/s", func(*world) *impaired {
		return &impaired{room: 125e3, rate: func(now time.Duration) float64 {
			if now/(30*time.Second)%2 == 0 {
				return 100e6
			}
			return 1e6
		}}
	}},
	{"Wi-Fi that saves power", func(w *world) *impaired {
		p := &pauses{w: w, shortest: 100 * time.Millisecond, longest: 300 * time.Millisecond, least: 50 * time.Millisecond, most: 2 * time.Second}
		return &impaired{pauses: [2]*pauses{p, nil}}
	}},
	{"Wi-Fi that saves power now and then", func(w *world) *impaired {
		p := &pauses{w: w, shortest: 100 * time.Millisecond, longest: 300 * time.Millisecond, least: 10 * time.Second, most: 10 * time.Minute}
		return &impaired{pauses: [2]*pauses{p, nil}}
	}},
	{"stalls of the first host", func(w *world) *impaired { return stalls(w, 0) }},
	{"stalls of the second host", func(w *world) *impaired { return stalls(w, 1) }},
}

func stalls(w *world, host int) *impaired {
	p := &pauses{w: w, shortest: 499 * time.Millisecond, longest: 500 * time.Millisecond, least: 5 * time.Second, most: 5 * time.Minute}
	i := &impaired{}
	i.stalls[host] = p
	return i
}

// TestSteadyStreams tries streams on paths that are bad, but deliver, for SHIM6_TRIAL_MINUTES minutes
// each. No context leaves its pair, and there is at most one Probe a minute and context that doubts
// have caused. Afterwards the path fails, and that is noticed: it took more than patience to pass.
func TestSteadyStreams(t *testing.T) {
	minutes := variable(t, "SHIM6_TRIAL_MINUTES", defaultMinutes(testing.Short()))
	for _, x := range impairments {
		for _, rate := range []int{10, 50, 1000} {
			for _, ways := range []int{2, 1} {
				for _, hz := range []int64{100, 1000} {
					name := fmt.Sprintf("%s/%d a second/ways %d/%d Hz", x.name, rate, ways, hz)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						rates := [2]int{rate, rate}
						if ways == 1 {
							rates[0] = 0
						}
						deliver(t, x.path, rates, hz, time.Duration(minutes)*time.Minute, false)
					})
				}
			}
		}
	}
}

// TestAnswers tries questions that are answered at once in the same way: one and two a second.
func TestAnswers(t *testing.T) {
	minutes := variable(t, "SHIM6_TRIAL_MINUTES", defaultMinutes(testing.Short()))
	for _, x := range impairments {
		for _, rate := range []int{1, 2} {
			for _, hz := range []int64{100, 1000} {
				t.Run(fmt.Sprintf("%s/%d a second/%d Hz", x.name, rate, hz), func(t *testing.T) {
					t.Parallel()
					deliver(t, x.path, [2]int{rate, 0}, hz, time.Duration(minutes)*time.Minute, true)
				})
			}
		}
	}
}

func defaultMinutes(short bool) uint64 {
	if raceEnabled || short {
		return 5
	}
	return 60
}

// deliver lets streams go by a bad path for a time, and then has that fail. answered says whether they
// are questions.
func deliver(t *testing.T, bad func(w *world) *impaired, rates [2]int, hz int64, d time.Duration, answered bool) {
	p := &impaired{}
	w := newTrial(variable(t, "SHIM6_SIM_SEED", 1), hz, p, rates)
	*p = *bad(w.w)
	p.w = w.w
	w.answered = answered
	w.w.log = verbose(t)
	for range d / time.Minute {
		w.run(time.Minute)
	}
	for i, m := range w.moves {
		if i == 5 {
			break
		}
		t.Errorf("a context has left its pair after %v", m-time.Hour)
	}
	for _, e := range w.ends {
		s := e.explorer.Stats()
		asked := s.Probes - s.Answers
		t.Logf("%s: %d Probes, %d answers", e.name, s.Probes, s.Answers)
		most := max(3, d.Minutes())
		if answered {
			// Each of the hints that may come in succession, and then of one in two minutes, has
			// asked another pair as well.
			most = 2*rhythmBurst + d.Minutes()
		}
		if float64(asked) > most {
			t.Errorf("%s has asked by %d Probes in %v", e.name, asked, d)
		}
	}
	if t.Failed() {
		return
	}
	w.dead = true
	// A stream that comes in fits and starts, as one of ten packets a second with jitter, may be none
	// that is watched at the moment.
	var steady [2]bool
	for i, e := range w.ends {
		e.longest = 0
		r := &e.rhythm
		steady[i] = p.plain() || r.watched && !r.stopped && r.steady >= rhythmSteady
		if answered {
			// The last answer may be late, or the kernel may have told of so many that it waits.
			misses := e.answer.misses
			steady[i] = i == 0 && (p.plain() || e.answer.answers >= answersExpected && e.answer.state == answerNotLate &&
				misses.count(r.jiffies(w.w.now), hz))
		}
	}
	w.run(5 * time.Second)
	for _, e := range w.ends {
		if rates[1-e.index] == 0 && !answered || !steady[e.index] {
			continue
		}
		t.Logf("%s has heard nothing for %v when the path failed", e.name, e.longest)
		if e.k.Locator == (engine.Pair{Local: e.u.Local, Peer: e.u.Peer}) && e.interval > 0 || w.w.now-e.heard > time.Second {
			t.Errorf("%s: the path has failed, and after 5 seconds %v is used, and something was heard %v ago", e.name, e.k.Locator, w.w.now-e.heard)
		}
	}
}
