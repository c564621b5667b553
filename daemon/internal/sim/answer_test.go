// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"strings"
	"testing"
	"time"
)

// TestAnswerVectors compares the model with what the module says of the same questions: a case of
// tests/selftests/answer.py reads the same file.
func TestAnswerVectors(t *testing.T) {
	eachVector(t, "answer_vectors.txt", func(hz int64) *vector {
		v := &vector{hint: "missed", now: time.Hour, last: time.Hour}
		clock := rhythm{hz: hz}
		a := &answer{hz: hz, matters: func() bool { return true }, watched: func() bool { return false }, tell: v.tell}
		v.jiffies, v.next, v.timer, v.heard = clock.jiffies, a.next, a.timer, a.heard
		v.play = func(gaps string) {
			question, answer, answered := strings.Cut(gaps, "/")
			v.packet(question, a.sent)
			if !answered {
				return
			}
			answer, acknowledgement, acknowledged := strings.Cut(answer, ",")
			v.packet(answer, a.heard)
			if acknowledged {
				v.packet(acknowledgement, a.sent)
			}
		}
		return v
	})
}
