// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestRhythmVectors compares the model with what the module says of the same streams: a case of
// tests/selftests/rhythm.py reads the same file.
func TestRhythmVectors(t *testing.T) {
	eachVector(t, "rhythm_vectors.txt", func(hz int64) *vector {
		v := &vector{hint: "silence", now: time.Hour}
		r := &rhythm{hz: hz, matters: func() bool { return true }, tell: v.tell}
		v.jiffies, v.next, v.timer, v.heard = r.jiffies, func() (time.Duration, bool) { return r.next(), r.watched }, r.timer, r.heard
		v.play = func(gaps string) {
			for gap := range strings.SplitSeq(gaps, ",") {
				v.packet(gap, r.heard)
			}
		}
		return v
	})
}

// eachVector shows the steps of each line of a file to a fresh model, at several rates of its clock.
func eachVector(t *testing.T, file string, fresh func(hz int64) *vector) {
	t.Helper()
	b, err := os.ReadFile("../../../tests/selftests/" + file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		n++
		for _, hz := range []int64{100, 250, 1000} {
			v := fresh(hz)
			for _, step := range words[1:] {
				if err := v.step(step); err != nil {
					t.Errorf("%s, %d Hz: %s: %v", words[0], hz, step, err)
					break
				}
			}
		}
	}
	if n < 10 {
		t.Errorf("%d vectors", n)
	}
}

// vector is what a model is shown, and what it says.
type vector struct {
	// hint is the name of the step at which the model tells that something is missing.
	hint    string
	jiffies func(time.Duration) int64
	// next is when the model's timer fires, if it does, and heard has the model hear a packet.
	next         func() (time.Duration, bool)
	timer, heard func(now int64)
	// play shows the packets of a step once.
	play func(gaps string)
	// last is when the last packet came or went.
	now, last time.Duration
	// told is what the model has said, the last at a time after the last packet.
	told []string
	at   time.Duration
}

func (v *vector) tell(hint bool) {
	v.told = append(v.told, map[bool]string{true: v.hint, false: "resumption"}[hint])
	v.at = v.now - v.last
}

// pass lets the time pass until so long after the last packet.
func (v *vector) pass(d time.Duration) {
	for end := max(v.now, v.last+d); ; {
		due, ok := v.next()
		if !ok || due > end {
			v.now = end
			return
		}
		v.now = max(v.now, due)
		v.timer(v.jiffies(v.now))
	}
}

// packet comes or goes so many milliseconds after the last one.
func (v *vector) packet(gap string, way func(now int64)) {
	v.pass(milliseconds(gap))
	v.last = v.now
	way(v.jiffies(v.now))
}

func milliseconds(s string) time.Duration {
	var n int
	fmt.Sscan(s, &n)
	return time.Duration(n) * time.Millisecond
}

func (v *vector) step(step string) error {
	v.told = nil
	want := ""
	kind, value, _ := strings.Cut(step, ":")
	switch kind {
	case v.hint:
		want = v.hint
		first, last, _ := strings.Cut(value, "-")
		v.pass(milliseconds(last))
		if v.at < milliseconds(first) {
			return fmt.Errorf("told after %v", v.at)
		}
	case "resumption":
		want = "resumption"
		v.packet(value, v.heard)
	case "heard":
		v.packet(value, v.heard)
	case "quiet":
		v.pass(milliseconds(value))
	default:
		count, gaps, ok := strings.Cut(step, "*")
		n, err := strconv.Atoi(count)
		if !ok || err != nil {
			return fmt.Errorf("no step")
		}
		for range n {
			v.play(gaps)
		}
	}
	if got := strings.Join(v.told, " "); got != want {
		return fmt.Errorf("%q is told", got)
	}
	return nil
}
