// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestAnswerVectors compares the model with what the module says of the same questions: a case of
// tests/selftests/answer.py reads the same file.
func TestAnswerVectors(t *testing.T) {
	eachVector(t, "answer_vectors.txt", func(hz int64) func(string) error { return newAnswerVector(hz).step })
}

// answerVector is a conversation that the model sees.
type answerVector struct {
	a answer
	r rhythm
	// last is when the last packet came or went.
	now, last time.Duration
	// told is what the model has said, the last at a time after the last packet.
	told []string
	at   time.Duration
}

func newAnswerVector(hz int64) *answerVector {
	v := &answerVector{now: time.Hour, last: time.Hour}
	always := func() bool { return true }
	v.r = rhythm{hz: hz, matters: always, tell: func(bool) {}}
	v.a = answer{hz: hz, matters: always, told: rhythm{hz: hz}, watched: func() bool { return v.r.watched },
		tell: func(silence bool) {
			v.told = append(v.told, map[bool]string{true: "missed", false: "resumption"}[silence])
			v.at = v.now - v.last
		}}
	return v
}

// pass lets the time pass until so long after the last packet.
func (v *answerVector) pass(d time.Duration) {
	for end := max(v.now, v.last+d); ; {
		due, ok := v.a.next()
		if !ok || due > end {
			v.now = end
			return
		}
		v.now = max(v.now, due)
		v.a.timer(v.r.jiffies(v.now))
	}
}

func (v *answerVector) packet(ms int, way func(int64)) {
	v.pass(time.Duration(ms) * time.Millisecond)
	v.last = v.now
	way(v.r.jiffies(v.now))
}

func (v *answerVector) step(step string) error {
	var count, first, last int
	v.told = nil
	want := ""
	const ms = time.Millisecond
	if n, _ := fmt.Sscanf(step, "missed:%d-%d", &first, &last); n == 2 {
		want = "missed"
		v.pass(time.Duration(last) * ms)
		if v.at < time.Duration(first)*ms {
			return fmt.Errorf("told after %v", v.at)
		}
	} else if n, _ := fmt.Sscanf(step, "resumption:%d", &first); n == 1 {
		want = "resumption"
		v.packet(first, v.a.heard)
	} else if n, _ := fmt.Sscanf(step, "heard:%d", &first); n == 1 {
		v.packet(first, v.a.heard)
	} else if n, _ := fmt.Sscanf(step, "quiet:%d", &first); n == 1 {
		v.pass(time.Duration(first) * ms)
	} else if c, gaps, ok := strings.Cut(step, "*"); ok {
		fmt.Sscan(c, &count)
		question, answer, answered := strings.Cut(gaps, "/")
		answer, acknowledgement, acknowledged := strings.Cut(answer, ",")
		for range count {
			fmt.Sscan(question, &first)
			v.packet(first, v.a.sent)
			if answered {
				fmt.Sscan(answer, &first)
				v.packet(first, v.a.heard)
			}
			if acknowledged {
				fmt.Sscan(acknowledgement, &first)
				v.packet(first, v.a.sent)
			}
		}
	} else {
		return fmt.Errorf("no step")
	}
	if got := strings.Join(v.told, " "); got != want {
		return fmt.Errorf("%q is told", got)
	}
	return nil
}
