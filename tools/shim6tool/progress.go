// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"time"
)

// isTerminal reports whether w is a terminal, or another device of characters.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// progress shows on one line how far a search is that takes 2^(16*sec) hashes on average. Each hash
// may be the last one, so nobody knows when the search ends.
type progress struct {
	w           io.Writer
	expected    float64
	now         func() time.Time
	start, last time.Time
	shown       bool
}

const progressEvery = 250 * time.Millisecond

func newProgress(w io.Writer, sec uint8, now func() time.Time) *progress {
	return &progress{w: w, expected: math.Pow(2, 16*float64(sec)), now: now, start: now(), last: now()}
}

// hashes is called often, with the number of hashes so far.
func (p *progress) hashes(n uint64) {
	now := p.now()
	if now.Sub(p.last) < progressEvery {
		return
	}
	p.last, p.shown = now, true
	seconds := now.Sub(p.start).Seconds()
	average := time.Duration(p.expected / (float64(n) / seconds) * float64(time.Second)).Round(time.Second)
	fmt.Fprintf(p.w, "\r\033[K%.1f million hashes, %.1f million/s, %.0f s of %v on average",
		float64(n)/1e6, float64(n)/seconds/1e6, seconds, average)
}

// done removes the line.
func (p *progress) done() {
	if p.shown {
		fmt.Fprint(p.w, "\r\033[K")
	}
}

// waiting shows what the tool waits for, if that takes a while and there is a terminal. The function
// that it returns removes the line.
func (t *tool) waiting(what string) (done func()) {
	if !isTerminal(t.err) {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		shown := false
		for start := time.Now(); ; {
			select {
			case now := <-tick.C:
				shown = true
				fmt.Fprintf(t.err, "\r\033[K%s, %.1f s", what, now.Sub(start).Seconds())
			case <-end:
				if shown {
					fmt.Fprint(t.err, "\r\033[K")
				}
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}
