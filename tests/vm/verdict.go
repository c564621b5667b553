// SPDX-License-Identifier: GPL-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// verdict is how a run ended, as result.json in the artifacts folder.
type verdict struct {
	Kernel   string   `json:"kernel"`
	Release  string   `json:"release"`
	Time     string   `json:"time"`
	Machine  string   `json:"machine"`
	Command  []string `json:"command"`
	Result   string   `json:"result"` // passed, failed, hung, panicked, splat, leaked, stopped
	Status   int      `json:"status"` // of the command, -1 if it did not end
	Exit     int      `json:"exit"`   // of the runner
	Seconds  float64  `json:"seconds"`
	Splats   []splat  `json:"splats"`
	Leaks    []string `json:"leaks"`
	Leftover string   `json:"-"` // why the guest did not end by itself, or ""
	limit    time.Duration
	end      error // of the machine's process
}

// judge fills in the verdict, from the exit status (-1 if the command did not end), the kernel's
// log and the report of kmemleak.
func (v *verdict) judge(status int, hung, stopped bool, log, kmemleak string) {
	v.Status = status
	v.Splats = scanLog(log)
	v.Leaks = leaks(kmemleak)
	panicked, lost := false, 0
	for _, s := range v.Splats {
		panicked = panicked || s.Kind == "panic"
		if strings.Contains(s.Line, "new suspected memory leaks") {
			lost++
		}
	}
	switch {
	case stopped:
		v.Result, v.Exit = "stopped", 130
	case status < 0 && panicked:
		v.Result, v.Exit = "panicked", exitPanic
	case status < 0 && hung:
		v.Result, v.Exit = "hung", exitHang
	case status < 0:
		v.Result, v.Exit = "panicked", exitPanic
	case status > 0:
		v.Result, v.Exit = "failed", status
	case panicked:
		v.Result, v.Exit = "panicked", exitPanic
	case len(v.Splats) > lost || hung:
		v.Result, v.Exit = "splat", exitSplat
	case len(v.Leaks) > 0 || lost > 0:
		v.Result, v.Exit = "leaked", exitLeak
	default:
		v.Result, v.Exit = "passed", 0
	}
}

// leaks returns the first line of each report of a kmemleak file.
func leaks(report string) []string {
	var l []string
	for _, s := range strings.Split(report, "\n") {
		if strings.HasPrefix(s, "unreferenced object") {
			l = append(l, s)
		}
	}
	return l
}

// report prints a sentence on what happened, and where to read more.
func (v *verdict) report(w io.Writer, kernel, dir string) {
	say := func(format string, args ...any) {
		fmt.Fprintf(w, "vm: %s: "+format+"\n", append([]any{kernel}, args...)...)
	}
	switch v.Result {
	case "passed":
		say("passed in %.1f s", v.Seconds)
	case "failed":
		say("COMMAND failed with status %d after %.1f s", v.Status, v.Seconds)
	case "hung":
		say("COMMAND hung: it still ran after %v and was stopped (-T sets another limit)", v.limit)
	case "panicked":
		say("the guest's kernel panicked or died after %.1f s (%v); its last words:\n%s", v.Seconds,
			v.end, tail(filepath.Join(dir, "kernel.log"), 15))
	case "splat":
		say("COMMAND passed, but the kernel complained: failed")
	case "leaked":
		say("COMMAND passed, but kmemleak found %d lost objects: failed", len(v.Leaks))
	case "stopped":
		say("stopped by a signal")
	}
	if v.Leftover != "" {
		say("%s", v.Leftover)
	}
	for i, s := range v.Splats {
		if i == 5 {
			say("and %d more", len(v.Splats)-i)
			break
		}
		say("kernel log: %s: %s", s.Kind, s.Line)
	}
	if v.Result != "passed" {
		if len(v.Leaks) > 0 {
			say("kmemleak: %s ... (%s)", v.Leaks[0], filepath.Join(dir, "kmemleak"))
		}
		say("kernel log: %s", filepath.Join(dir, "kernel.log"))
	}
}

func (v *verdict) store(dir string) error {
	b, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "result.json"), append(b, '\n'), 0o644)
}
