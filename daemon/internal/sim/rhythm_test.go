// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestRhythmVectors compares the model with what the module says of the same streams: a case of
// tests/selftests/rhythm.py reads the same file.
func TestRhythmVectors(t *testing.T) {
	eachVector(t, "rhythm_vectors.txt", func(hz int64) func(string) error {
		v := &vector{now: time.Hour}
		v.r = rhythm{hz: hz, matters: func() bool { return true }, tell: func(silence bool) {
			v.told = append(v.told, map[bool]string{true: "silence", false: "resumption"}[silence])
			v.at = v.now - v.last
		}}
		return v.step
	})
}

// eachVector shows the steps of each line of a file to a fresh model, at several rates of its clock.
func eachVector(t *testing.T, file string, fresh func(hz int64) func(step string) error) {
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
			show := fresh(hz)
			for _, step := range words[1:] {
				if err := show(step); err != nil {
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

// vector is a stream that the model hears.
type vector struct {
	r rhythm
	// last is when the last packet came.
	now, last time.Duration
	// told is what the model has said, the last at a time after the last packet.
	told []string
	at   time.Duration
}

// pass lets the time pass until so long after the last packet.
func (v *vector) pass(d time.Duration) {
	for end := max(v.now, v.last+d); ; {
		if !v.r.watched || v.r.next() > end {
			v.now = end
			return
		}
		v.now = max(v.now, v.r.next())
		v.r.timer(v.r.jiffies(v.now))
	}
}

func (v *vector) packet(gap time.Duration) {
	v.pass(gap)
	v.last = v.now
	v.r.heard(v.r.jiffies(v.now))
}

func (v *vector) step(step string) error {
	var count, first, last int
	v.told = nil
	want := ""
	const ms = time.Millisecond
	if n, _ := fmt.Sscanf(step, "silence:%d-%d", &first, &last); n == 2 {
		want = "silence"
		v.pass(time.Duration(last) * ms)
		if v.at < time.Duration(first)*ms {
			return fmt.Errorf("told after %v", v.at)
		}
	} else if n, _ := fmt.Sscanf(step, "resumption:%d", &first); n == 1 {
		want = "resumption"
		v.packet(time.Duration(first) * ms)
	} else if n, _ := fmt.Sscanf(step, "quiet:%d", &first); n == 1 {
		v.pass(time.Duration(first) * ms)
	} else if c, gaps, ok := strings.Cut(step, "*"); ok {
		fmt.Sscan(c, &count)
		for range count {
			for gap := range strings.SplitSeq(gaps, ",") {
				fmt.Sscan(gap, &first)
				v.packet(time.Duration(first) * ms)
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
