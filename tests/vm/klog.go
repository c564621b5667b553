// SPDX-License-Identifier: GPL-2.0

package main

import (
	"regexp"
	"strings"
)

// logMark is written to the kernel log by the guest before COMMAND: messages from
// before it are not COMMAND's doing.
const logMark = "vm: command begins"

// splat is one complaint in a kernel log.
type splat struct {
	Kind string // the kind of complaint
	Line string // the line of the log that says so
}

// splatKinds are tried in this order on each line, so special kinds come before general ones.
var splatKinds = []struct {
	kind string
	re   *regexp.Regexp
}{
	{"panic", regexp.MustCompile(`Kernel panic - not syncing|kernel BUG at|\bOops\b|general protection fault|[Uu]nable to handle kernel|Kernel mode fault at addr|Segfault with no mm`)},
	{"use after free", regexp.MustCompile(`BUG: KASAN: .*use-after-free|KFENCE: use-after-free`)},
	{"bad memory access", regexp.MustCompile(`BUG: KASAN:|BUG: KFENCE:|BUG: KMSAN:|BUG: unable to handle`)},
	{"leak", regexp.MustCompile(`kmemleak: \d+ new suspected memory leaks|BUG .*Objects remaining|unregister_netdevice: waiting for|waiting for \S+ to become free|ref_tracker: .*has \d+`)},
	{"locking", regexp.MustCompile(`WARNING: .*(locking dependency|recursive locking|lock order|irq lock|lock state|RCU usage|bad unlock|lock held|nested lock)|BUG: sleeping function|BUG: spinlock|BUG: scheduling while atomic|BUG: Invalid wait context|\[ BUG: |INFO: trying to register non-static key|DEBUG_LOCKS_WARN_ON|possible deadlock|bad: scheduling from`)},
	{"undefined behaviour", regexp.MustCompile(`UBSAN:`)},
	{"data race", regexp.MustCompile(`BUG: KCSAN:`)},
	{"stall", regexp.MustCompile(`rcu.*detected (expedited )?stall|rcu.*stalls? on CPU|self-detected stall|soft lockup|hard LOCKUP|blocked for more than \d+ seconds|workqueue lockup`)},
	{"corruption", regexp.MustCompile(`list_(add|del) corruption|refcount_t:|Bad page state|bad page|double free|ODEBUG:|corrupted|Bad rss-counter`)},
	{"checksum", regexp.MustCompile(`hw csum failure`)},
	{"warning", regexp.MustCompile(`\bWARNING:`)},
	{"bug", regexp.MustCompile(`\bBUG:|\bBUG \S+ \(|INFO: possible|------------\[ cut here \]------------`)},
}

// follows matches lines that only open or close a complaint, which a line next to
// them reports.
var follows = regexp.MustCompile(`cut here|---\[ end trace`)

// expects matches a line that a command writes to the kernel log (/dev/kmsg) before it
// provokes warnings of another part of the kernel, which it names by its source file.
// Afterwards the command writes the line with the file "none". In between, warnings of that
// file are excused, and nothing else.
var expects = regexp.MustCompile(`vm: command expects warnings of (\S+)$`)

// scanLog returns the complaints in a kernel log after the last mark.
func scanLog(log string) []splat {
	log = log[max(strings.LastIndex(log, logMark), 0):]
	var found []splat
	opened, expected := "", "none"
	for _, l := range strings.Split(log, "\n") {
		l = strings.TrimSpace(l)
		if m := expects.FindStringSubmatch(l); m != nil {
			expected = m[1]
			continue
		}
		kind := classify(l)
		if kind == "warning" && expected != "none" && strings.Contains(l, " "+expected+":") {
			opened = ""
			continue
		}
		if kind == "" {
			continue
		}
		if follows.MatchString(l) {
			// It counts only if no other line explains it.
			opened = l
			continue
		}
		opened = ""
		found = append(found, splat{kind, l})
	}
	if opened != "" && len(found) == 0 {
		found = append(found, splat{"bug", opened})
	}
	return found
}

func classify(line string) string {
	for _, k := range splatKinds {
		if k.re.MatchString(line) {
			return k.kind
		}
	}
	return ""
}
