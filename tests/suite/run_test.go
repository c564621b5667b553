// SPDX-License-Identifier: GPL-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ran really runs parts, and returns the output, the exit status and the folder.
func ran(t *testing.T, ctx context.Context, parts []*part) (shown string, status int, out string) {
	t.Helper()
	var b bytes.Buffer
	out = t.TempDir()
	r := &report{w: &b, every: time.Hour, begun: time.Now(), parts: parts, start: map[*part]time.Time{}, count: map[string]int{}}
	run := &runner{out: out, slots: 2, report: r}
	err := run.all(ctx, parts)
	return b.String() + "\n", r.end(err), out
}

// ended is the output, with what end has added.
func lastLines(s string, n int) string {
	l := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(l[max(0, len(l)-n):], "\n")
}

func sh(name, script string, needs ...string) *part {
	return &part{name: name, test: name, needs: needs, cost: 1, command: []string{"sh", "-c", script}}
}

func TestRun(t *testing.T) {
	var b bytes.Buffer
	parts := []*part{
		sh("good", `echo "ok 1 one"; echo "ok 2 two"; echo "# text"`),
		sh("bad", `echo "ok 1 one"; echo "not ok 2 two"; echo "#   words"; echo "# why: x is 'a', wanted 'b'"; exit 1`),
		sh("needy", `echo "ok 1 three"`, "good"),
		sh("never", `echo "ok 1 four"`, "bad"),
		sh("mute", `echo "vm: latest: kernel log: warning: oops" >&2; exit 120`),
	}
	out := t.TempDir()
	r := &report{w: &b, every: time.Hour, begun: time.Now(), parts: parts, start: map[*part]time.Time{}, count: map[string]int{}}
	err := (&runner{out: out, slots: 2, report: r}).all(context.Background(), parts)
	status := r.end(err)
	last := lastLines(b.String(), 10)
	if status != exitFailed || !strings.HasSuffix(last, "\n4 passed, 2 failed") {
		t.Errorf("status %d:\n%s", status, last)
	}
	// The last ten lines have the failures, their reasons, and how to run one alone.
	for _, want := range []string{"FAILED: bad: two", "x is 'a', wanted 'b'", "alone: make test ONLY=bad", "bad.log",
		"FAILED: mute: mute comes to a good end", "exit status is 120, wanted 0", "kernel log: warning: oops"} {
		if !strings.Contains(last, want) {
			t.Errorf("the last lines have no %q:\n%s", want, last)
		}
	}
	if !strings.Contains(b.String(), "never has not run, as bad has failed") {
		t.Errorf("nothing is said of what did not run:\n%s", b.String())
	}
	if log, _ := os.ReadFile(filepath.Join(out, "good.log")); !strings.Contains(string(log), "ok 2 two\n# text\n") {
		t.Errorf("%q", log)
	}
}

// A part that cannot run ends all others at once, and its reason is shown.
func TestCannotRun(t *testing.T) {
	parts := []*part{sh("slow", "sleep 60"), sh("cannot", "sleep 0.2; echo 'vm: the disk is full' >&2; exit 125")}
	start := time.Now()
	var b bytes.Buffer
	r := &report{w: &b, every: time.Hour, begun: start, parts: parts, start: map[*part]time.Time{}, count: map[string]int{}}
	err := (&runner{out: t.TempDir(), slots: 2, report: r}).all(context.Background(), parts)
	var cannot *cannotError
	if !errors.As(err, &cannot) || time.Since(start) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	if status := r.end(err); status != exitCannot || !strings.Contains(lastLines(b.String(), 4), "the disk is full") {
		t.Errorf("status %d: %s", status, b.String())
	}
}

// When the limit has passed, repetitions do not begin and are named; all else runs.
func TestLimit(t *testing.T) {
	again, prepare := sh("again", "echo ok 1 one", "prepare-again"), sh("prepare-again", "true")
	again.repeats, prepare.prepares = true, true
	parts := []*part{prepare, again, sh("first", "sleep 0.3; echo ok 1 one"), sh("second", "sleep 0.3; echo ok 1 one"), sh("third", "echo ok 1 two")}
	var b bytes.Buffer
	r := &report{w: &b, every: time.Hour, begun: time.Now(), parts: parts, start: map[*part]time.Time{}, count: map[string]int{}}
	run := &runner{out: t.TempDir(), slots: 2, limit: 100 * time.Millisecond, report: r}
	status := r.end(run.all(context.Background(), parts))
	for _, want := range []string{"NOT RUN", ": again\n", "3 passed, 0 failed, some repetitions not run\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the output has no %q:\n%s", want, b.String())
		}
	}
	if status != 0 || prepare.state != leftOut {
		t.Errorf("status %d, what the repetition needs has state %d", status, prepare.state)
	}
}

// A part that may be tried twice is tried again; if it fails twice, that is an error.
func TestTries(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	p := sh("fetch", fmt.Sprintf("[ -e %s ] || { touch %s; exit 1; }", mark, mark))
	p.tries, p.prepares = 2, true
	pause = func(int) time.Duration { return time.Millisecond }
	_, status, _ := ran(t, context.Background(), []*part{p})
	if status != 0 || p.state != passed {
		t.Errorf("status %d, state %d", status, p.state)
	}
}

// A signal ends the running parts, and all processes that they have started.
func TestStop(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for range 100 {
			time.Sleep(20 * time.Millisecond)
			if b, _ := os.ReadFile(pid); len(b) > 0 {
				break
			}
		}
		cancel()
	}()
	_, status, _ := ran(t, ctx, []*part{sh("child", fmt.Sprintf("sleep 60 & echo $! >%s; wait", pid))})
	if status != exitStopped {
		t.Errorf("status %d", status)
	}
	var child int
	b, _ := os.ReadFile(pid)
	if _, err := fmt.Sscan(string(b), &child); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if syscall.Kill(child, 0) != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("process %d goes on", child)
}
