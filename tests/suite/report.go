// SPDX-License-Identifier: GPL-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// report tells a person about the run: its progress, and at the end its results.
type report struct {
	mu    sync.Mutex
	w     io.Writer
	tty   bool          // one line of progress is rewritten
	every time.Duration // between two lines of progress
	live  bool          // the output of parts is shown
	begun time.Time
	parts []*part
	start map[*part]time.Time
	cases []testCase
	count map[string]int // by result
}

func newReport(f *os.File, parts []*part, live bool) *report {
	r := &report{w: f, every: 30 * time.Second, live: live, begun: time.Now(), parts: parts,
		start: map[*part]time.Time{}, count: map[string]int{}}
	if st, err := f.Stat(); err == nil && st.Mode()&os.ModeCharDevice != 0 {
		r.tty, r.every = true, time.Second
	}
	return r
}

// say writes a line, with the seconds since the run began. The caller holds mu.
func (r *report) say(format string, args ...any) {
	if r.tty {
		fmt.Fprint(r.w, "\r\x1b[K")
	}
	fmt.Fprintf(r.w, "[%4.0f s] %s\n", time.Since(r.begun).Seconds(), fmt.Sprintf(format, args...))
}

func (r *report) begins(p *part) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.start[p] = time.Now()
	if r.live {
		r.say("%s begins", p.name)
	}
}

// prints shows a line of a part's output, if there are few parts.
func (r *report) prints(p *part, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live {
		fmt.Fprintf(r.w, "%s: %s\n", p.name, line)
	}
}

// counts counts a case that has ended.
func (r *report) counts(p *part, c testCase) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count[c.Result]++
	if c.Result == "failed" && !r.live {
		r.say("%s: FAILED: %s", p.name, c.Title)
	}
}

// ends notes how a part ended. If it failed but none of its cases did, the part itself becomes a
// case that failed.
func (r *report) ends(p *part, status int, cases []testCase, log string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.prepares {
		r.say("%s is there after %.0f s (%.0f s of processors)", p.name, p.seconds, p.cpu)
		return
	}
	bad := slices.ContainsFunc(cases, func(c testCase) bool { return c.Result == "failed" })
	if len(cases) == 0 || status != 0 && !bad {
		c := testCase{Title: p.name + " comes to a good end", Result: "passed", Seconds: p.seconds}
		if status != 0 {
			c.Result = "failed"
			c.Why = append([]string{fmt.Sprintf("exit status is %d, wanted 0", status)}, complaints(log)...)
		}
		r.count[c.Result]++
		cases = append(cases, c)
	}
	good := 0
	for i := range cases {
		cases[i].Part, cases[i].Test, cases[i].Kernel = p.name, p.test, p.kernel
		if cases[i].Result == "passed" {
			good++
		}
	}
	r.cases = append(r.cases, cases...)
	r.say("%s: %d of %d passed, in %.1f s (%.1f s of processors)", p.name, good, len(cases), p.seconds, p.cpu)
	for _, c := range cases {
		if c.Result == "failed" && !r.live {
			r.explain(p, c)
		}
	}
}

// missed names the parts that never began, each with the part whose failure is the reason.
func (r *report) missed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.parts {
		if p.state != waiting {
			continue
		}
		for _, q := range r.parts {
			if q.state != passed && slices.Contains(p.needs, q.name) {
				r.say("%s has not run, as %s has failed", p.name, q.name)
				break
			}
		}
	}
}

// complaints returns the lines of a log in which the runner of guests complains, otherwise the
// last lines.
func complaints(log string) []string {
	b, err := os.ReadFile(log)
	if err != nil {
		return []string{err.Error()}
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	vm := slices.DeleteFunc(slices.Clone(all), func(l string) bool {
		return !strings.HasPrefix(l, "vm: ") || strings.Contains(l, " ...")
	})
	if len(vm) == 0 {
		vm = all[max(0, len(all)-3):]
	}
	return vm[:min(len(vm), 3)]
}

// explain shows all that is known of a failure.
func (r *report) explain(p *part, c testCase) {
	fmt.Fprintf(r.w, "    not ok %s\n", c.Title)
	for _, l := range append(slices.Clone(c.Said), c.Why...) {
		fmt.Fprintf(r.w, "        %.200s\n", l)
	}
}

// progress shows which parts run, and how long all will take.
func (r *report) progress(slots int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	ended := 0
	for _, p := range r.parts {
		switch p.state {
		case running:
			names = append(names, fmt.Sprintf("%s %.0f s", p.name, time.Since(r.start[p]).Seconds()))
		case passed, failed:
			ended++
		}
	}
	seconds := left(r.parts, slots, func(p *part) float64 { return time.Since(r.start[p]).Seconds() })
	line := fmt.Sprintf("%d of %d parts, %d passed, %d failed, about %.0f min left; now %s",
		ended, len(r.parts), r.count["passed"], r.count["failed"], seconds/60+0.5, strings.Join(names, ", "))
	if r.tty {
		fmt.Fprintf(r.w, "\r\x1b[K[%4.0f s] %.150s", time.Since(r.begun).Seconds(), line)
		return
	}
	if !r.live {
		r.say("%s", line)
	}
}

// store writes all cases to a file, as JSON.
func (r *report) store(file string) error {
	b, err := json.MarshalIndent(r.cases, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// end shows the results, and returns the exit status. The last lines are the most important
// ones: the failures, why they failed, how to run them again; then the count.
func (r *report) end(err error) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.say("all ended: %s", r.perKernel())
	r.slowest(10)
	failures := slices.DeleteFunc(slices.Clone(r.cases), func(c testCase) bool { return c.Result != "failed" })
	skipped := slices.DeleteFunc(slices.Clone(r.cases), func(c testCase) bool { return c.Result != "skipped" })
	for _, c := range skipped {
		fmt.Fprintf(r.w, "skipped: %s: %s\n", c.Part, c.Title)
	}
	r.repeats()
	r.leftOut()
	r.failures(failures)
	status := 0
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(r.w, "stopped; cases that had not ended are not counted")
		status = exitStopped
	case err != nil:
		fmt.Fprintf(r.w, "make test: %v\n", err)
		status = exitCannot
	case len(failures) > 0:
		status = exitFailed
	}
	sum := fmt.Sprintf("%d passed, %d failed", r.count["passed"], len(failures))
	if slices.ContainsFunc(r.parts, func(p *part) bool { return p.state == leftOut }) {
		sum += ", some repetitions not run"
	}
	if len(skipped) > 0 {
		sum += fmt.Sprintf(", %d skipped", len(skipped))
	}
	fmt.Fprintln(r.w, sum)
	return status
}

// leftOut names the parts that did not begin since the run had lasted too long.
func (r *report) leftOut() {
	var names []string
	for _, p := range r.parts {
		if p.state == leftOut && !p.prepares {
			names = append(names, p.name)
		}
	}
	if len(names) > 0 {
		fmt.Fprintf(r.w, "NOT RUN for lack of time, each a test that has run on another kernel (make test MINUTES=0 runs all): %s\n",
			strings.Join(names, " "))
	}
}

// failures shows the most important facts of each failure, in about three lines, the first
// failure last: the last ten lines of a run are about the first failures.
func (r *report) failures(l []testCase) {
	const shown = 20
	for i, c := range slices.Backward(l) {
		if i >= shown {
			continue
		}
		p := r.parts[slices.IndexFunc(r.parts, func(p *part) bool { return p.name == c.Part })]
		fmt.Fprintf(r.w, "FAILED: %s: %s\n", c.Part, c.Title)
		for _, s := range c.reasons(2) {
			fmt.Fprintf(r.w, "  %.200s\n", s)
		}
		fmt.Fprintf(r.w, "  alone: %s   all of it: %s.log\n", p.alone(c.Title), artifacts(p.name))
	}
}

// perKernel returns how many cases ran on each kernel. Each title of a test counts once.
func (r *report) perKernel() string {
	seen := map[string]bool{}
	n := map[string]int{}
	for _, c := range r.cases {
		if key := c.Test + "\n" + c.Kernel + "\n" + c.Title; !seen[key] {
			seen[key] = true
			n[c.Kernel]++
		}
	}
	var l []string
	for _, k := range kernels {
		if n[k] > 0 {
			l = append(l, fmt.Sprintf("%d on %s", n[k], k))
		}
	}
	return strings.Join(append(l, fmt.Sprintf("%d without one", n[""])), ", ")
}

// slowest shows the cases that took longest.
func (r *report) slowest(n int) {
	l := slices.SortedFunc(slices.Values(r.cases), func(a, b testCase) int { return int(1000 * (b.Seconds - a.Seconds)) })
	if len(l) < 2 {
		return
	}
	fmt.Fprintln(r.w, "the slowest cases:")
	for _, c := range l[:min(n, len(l))] {
		fmt.Fprintf(r.w, "  %6.1f s  %s: %.100s\n", c.Seconds, c.Part, c.Title)
	}
}

// repeats shows, of cases that ran several times, how often each failed.
func (r *report) repeats() {
	runs, bad := map[string]int{}, map[string]int{}
	for _, c := range r.cases {
		name, _, again := strings.Cut(c.Part, "-run")
		if !again {
			return
		}
		name += ": " + c.Title
		runs[name]++
		if c.Result == "failed" {
			bad[name]++
		}
	}
	for name, n := range bad {
		fmt.Fprintf(r.w, "%s failed in %d of %d runs\n", name, n, runs[name])
	}
}
