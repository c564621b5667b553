// SPDX-License-Identifier: BSD-3-Clause

package sim

import "time"

// answer is a model of kernel/answer.c: what the kernel knows of the questions that a context sends,
// and of their answers. It does the same, in the same order, and has the same names.
// TestAnswerVectors and a case in a guest compare both with tests/selftests/answer_vectors.txt.
type answer struct {
	// hz and matters are as in rhythm. tell is called with true if an answer is missed, and with
	// false if something comes after that. All times are in jiffies.
	hz      int64
	tell    func(silence bool)
	matters func() bool
	// watched says whether the context's rhythm watches a stream.
	watched func() bool
	// The fields of the context.
	lastSent, lastHeard int64
	asked, time, late   int64
	answers, state      int
	misses              hints
	// due is when the context's timer fires for an answer, if dueIsSet.
	due      int64
	dueIsSet bool
}

const answersExpected = 4

// The states of an answer that was not there in time.
const (
	answerNotLate = iota
	answerLooked
	answerMissed
	answerTold
)

func (a *answer) limit() int64 { return max(3*a.time, a.hz/2, a.late) }

// next is when the timer fires for an answer; false if it does not.
func (a *answer) next() (time.Duration, bool) {
	return time.Duration(a.due) * time.Second / time.Duration(a.hz), a.dueIsSet
}

func (a *answer) at(due int64) { a.due, a.dueIsSet = due, true }

// sent is shim6_answer_sent and what follows from it: payload is being sent.
func (a *answer) sent(now int64) {
	if quiet := a.hz * 15 / 100; now-a.lastSent > quiet && now-a.lastHeard > quiet && a.asked == 0 {
		a.state, a.asked = answerNotLate, now
		if a.answers >= answersExpected {
			a.at(now + a.limit() + 1)
		}
	}
	a.lastSent = now
}

// heard is shim6_answer_heard and what follows from it: payload has come.
func (a *answer) heard(now int64) {
	a.lastHeard = now
	if a.asked == 0 {
		return
	}
	elapsed, state := now-a.asked, a.state
	a.asked, a.state = 0, answerNotLate
	switch {
	case state >= answerMissed:
		a.late = max(a.late, min(elapsed+elapsed/4, 2*a.hz))
		a.answers = answersExpected / 2
		if state == answerTold {
			a.tell(false)
		}
	case elapsed > a.hz/2:
		if a.answers < answersExpected {
			a.answers = 0
		}
	default:
		a.time = max(a.time-(a.time+7)/8, elapsed)
		a.late -= (a.late + 255) / 256
		a.answers = min(a.answers+1, answersExpected)
	}
}

// timer is shim6_answer_look.
func (a *answer) timer(now int64) {
	a.dueIsSet = false
	elapsed := now - a.asked
	switch {
	case a.asked == 0 || a.answers < answersExpected || a.state >= answerMissed:
	case elapsed <= a.limit():
		a.at(a.asked + a.limit() + 1)
	case a.watched() || !a.matters():
		a.at(now + a.limit())
	case a.state == answerNotLate:
		a.state = answerLooked
		a.at(now + a.hz/50 + 1)
	case a.misses.count(now, a.hz):
		a.tell(true)
		a.state = answerTold
	default:
		a.state = answerMissed
	}
}

// forgive is called when packets go or come by another locator pair.
func (a *answer) forgive() { a.asked, a.late, a.misses.told = 0, 0, 0 }
