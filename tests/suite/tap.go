// SPDX-License-Identifier: GPL-2.0

package main

import (
	"regexp"
	"runtime"
	"strings"
	"time"
)

// testCase is one line of TAP, with the comments below it.
type testCase struct {
	Part    string   `json:"part"`
	Test    string   `json:"test"`
	Kernel  string   `json:"kernel,omitempty"`
	Title   string   `json:"title"`
	Result  string   `json:"result"` // passed, failed, skipped
	Seconds float64  `json:"seconds"`
	Why     []string `json:"why,omitempty"`  // of a failure: the reasons, from lines marked "why:"
	Said    []string `json:"said,omitempty"` // of a failure: the last comments
}

// tap reads TAP line by line.
type tap struct {
	nested bool // only indented lines count: those at the margin are sums of them
	last   time.Time
	cases  []testCase
}

func newTAP(nested bool) *tap { return &tap{nested: nested, last: time.Now()} }

var (
	tapLine   = regexp.MustCompile(`^( *)(not )?ok \d+ (.*)$`)
	tapSkip   = regexp.MustCompile(`(.*?) *# SKIP\b`)
	tapTime   = regexp.MustCompile(` # \d+ m?s$`)
	tapReason = regexp.MustCompile(`^ *# +why: (.*)$`)
	tapSaid   = regexp.MustCompile(`^ *#( .*)$`)
)

// mostSaid is how many comments of a failure are kept.
const mostSaid = 40

// line reads a line that came at a time, and returns the case if it is one. Comments on it may
// still follow.
func (t *tap) line(l string, now time.Time) *testCase {
	m := tapLine.FindStringSubmatch(l)
	if m == nil {
		t.says(l)
		return nil
	}
	if t.nested != (m[1] != "") {
		return nil
	}
	c := testCase{Title: tapTime.ReplaceAllString(m[3], ""), Result: "passed", Seconds: now.Sub(t.last).Seconds()}
	t.last = now
	if s := tapSkip.FindStringSubmatch(m[3]); s != nil {
		c.Title, c.Result = s[1], "skipped"
	}
	if m[2] != "" {
		c.Result = "failed"
	}
	t.cases = append(t.cases, c)
	return &c
}

// says keeps a comment on the last case, if that has failed.
func (t *tap) says(l string) {
	if len(t.cases) == 0 {
		return
	}
	c := &t.cases[len(t.cases)-1]
	if c.Result != "failed" {
		return
	}
	if m := tapReason.FindStringSubmatch(l); m != nil {
		c.Why = append(c.Why, m[1])
	} else if m := tapSaid.FindStringSubmatch(l); m != nil {
		c.Said = append(c.Said, m[1])
		c.Said = c.Said[max(0, len(c.Said)-mostSaid):]
	}
}

// end returns all cases.
func (t *tap) end() []testCase { return t.cases }

// lockThread keeps the calling goroutine on its thread: a child gets its signal at the death of
// the thread that has started it, not of the process.
func lockThread() { runtime.LockOSThread() }

// reasons returns the n lines that best say why a case failed: those marked as reasons, or the
// last ones.
func (c *testCase) reasons(n int) []string {
	l := c.Why
	if len(l) == 0 {
		l = c.Said
	}
	var out []string
	for _, s := range l[max(0, len(l)-n):] {
		out = append(out, strings.TrimSpace(s))
	}
	return out
}
