// SPDX-License-Identifier: GPL-2.0

package main

import (
	"strings"
	"testing"
)

func TestScanLog(t *testing.T) {
	for _, tt := range []struct{ kind, line string }{
		{"", "[    1.0] shim6: loading out-of-tree module taints kernel."},
		{"", "[    1.0] shim6: module verification failed: signature and/or required key missing - tainting kernel"},
		{"", "[    1.0] epollctl add err fd 41, Operation not permitted"},
		{"", "[    1.0] up1: entered promiscuous mode"},
		{"", "[    1.0] debug: nothing"},
		{"", "[    1.0] FAULT_INJECTION: forcing a failure."},
		{"warning", "[    1.0] WARNING: CPU: 0 PID: 77 at kernel/x.c:12 f+0x1/0x2 [shim6]"},
		{"warning", "[    1.0] WARNING: kernel/x.c:12 at f+0x1/0x2, CPU#0: modprobe/77"},
		{"use after free", "[    1.0] BUG: KASAN: slab-use-after-free in f+0x1/0x2 [shim6]"},
		{"bad memory access", "[    1.0] BUG: KASAN: slab-out-of-bounds in f+0x1/0x2"},
		{"bad memory access", "[    1.0] BUG: KFENCE: out-of-bounds read in f+0x1/0x2"},
		{"use after free", "[    1.0] BUG: KFENCE: use-after-free read in f+0x1/0x2"},
		{"panic", "[    1.0] BUG: unable to handle page fault for address: 0; Oops: 0002"},
		{"panic", "[    1.0] Oops: Oops: 0000 [#1] PREEMPT SMP NOPTI"},
		{"panic", "[    1.0] Kernel panic - not syncing: asked for"},
		{"panic", "[    1.0] kernel BUG at net/x.c:12!"},
		{"panic", "[    1.0] Kernel mode fault at addr 0x8, ip 0x60"},
		{"locking", "[    1.0] WARNING: possible circular locking dependency detected"},
		{"locking", "[    1.0] WARNING: suspicious RCU usage"},
		{"locking", "[    1.0] WARNING: inconsistent lock state"},
		{"locking", "[    1.0] WARNING: possible recursive locking detected"},
		{"locking", "[    1.0] BUG: sleeping function called from invalid context at x.c:1"},
		{"locking", "[    1.0] BUG: scheduling while atomic: modprobe/77/0x2"},
		{"locking", "[    1.0] INFO: trying to register non-static key."},
		{"stall", "[    1.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:"},
		{"stall", "[    1.0] INFO: task modprobe:77 blocked for more than 120 seconds."},
		{"stall", "[    1.0] watchdog: BUG: soft lockup - CPU#0 stuck for 26s!"},
		{"corruption", "[    1.0] refcount_t: underflow; use-after-free."},
		{"corruption", "[    1.0] ODEBUG: free active object: 0 object type: timer_list"},
		{"corruption", "[    1.0] list_del corruption. prev->next should be 0"},
		{"leak", "[    1.0] unregister_netdevice: waiting for lo to become free. Usage count = 2"},
		{"leak", "[    1.0] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)"},
		{"undefined behaviour", "[    1.0] UBSAN: shift-out-of-bounds in x.c:1:2"},
		{"data race", "[    1.0] BUG: KCSAN: data-race in a / b"},
		{"bug", "[    1.0] BUG: something new"},
	} {
		got := ""
		if l := scanLog(tt.line); len(l) > 0 {
			got = l[0].Kind
		}
		if got != tt.kind {
			t.Errorf("%q is %q, want %q", tt.line, got, tt.kind)
		}
	}
}

// The warnings that a command expects of a file are excused while it expects them, and no
// others.
func TestScanLogExpected(t *testing.T) {
	const (
		begin = "[ 1.0] vm: command expects warnings of kernel/trace/x.c\n"
		end   = "[ 1.0] vm: command expects warnings of none\n"
		warn  = "[ 1.0] ------------[ cut here ]------------\n[ 1.0] WARNING: CPU: 0 PID: 7 at kernel/trace/x.c:12 f+0x1/0x2\n[ 1.0] ---[ end trace 0000000000000000 ]---\n"
		newer = "[ 1.0] WARNING: kernel/trace/x.c:12 at f+0x1/0x2, CPU#0: modprobe/77\n"
		other = "[ 1.0] WARNING: CPU: 0 PID: 7 at net/trace/x.c:12 f+0x1/0x2\n"
		kasan = "[ 1.0] BUG: KASAN: slab-out-of-bounds in kernel/trace/x.c:12\n"
	)
	for _, tt := range []struct {
		log  string
		want int
	}{
		{begin + warn + newer + end, 0},
		{warn, 1},
		{begin + end + warn, 1},
		{begin + warn + end + newer, 1},
		{begin + other + end, 1},
		{begin + warn + kasan + end, 1},
	} {
		if l := scanLog(logMark + "\n" + tt.log); len(l) != tt.want {
			t.Errorf("%d complaints, want %d: %v, in\n%s", len(l), tt.want, l, tt.log)
		}
	}
}

// A complaint made while the machine booted is not the command's.
func TestScanLogFromMark(t *testing.T) {
	log := "WARNING: at boot\n[ 1.0] " + logMark + "\nall is well\n"
	if l := scanLog(log); len(l) != 0 {
		t.Errorf("%v", l)
	}
	if l := scanLog(log + "WARNING: now\n"); len(l) != 1 || l[0].Line != "WARNING: now" {
		t.Errorf("%v", l)
	}
}

// The lines around a complaint are no complaints of their own. A line that nothing
// explains is one.
func TestScanLogFrame(t *testing.T) {
	const cut = "------------[ cut here ]------------\n"
	if l := scanLog(cut + "WARNING: CPU: 0\n---[ end trace 0 ]---\n"); len(l) != 1 || l[0].Kind != "warning" {
		t.Errorf("%v", l)
	}
	if l := scanLog(cut); len(l) != 1 || l[0].Kind != "bug" {
		t.Errorf("%v", l)
	}
}

func TestJudge(t *testing.T) {
	const leak = "unreferenced object 0x1 (size 64):\n  comm \"x\"\nunreferenced object 0x2 (size 64):\n"
	for _, tt := range []struct {
		name          string
		status        int
		hung, stopped bool
		log, leaks    string
		result        string
		exit          int
	}{
		{"passed", 0, false, false, "", "", "passed", 0},
		{"failed", 3, false, false, "", "", "failed", 3},
		{"failed and warned", 3, false, false, "WARNING: x", "", "failed", 3},
		{"warned", 0, false, false, "WARNING: x", "", "splat", exitSplat},
		{"hung", -1, true, false, "", "", "hung", exitHang},
		{"hung after a panic", -1, true, false, "Kernel panic - not syncing: x", "", "panicked", exitPanic},
		{"died", -1, false, false, "", "", "panicked", exitPanic},
		{"panicked after it passed", 0, false, false, "Oops: x", "", "panicked", exitPanic},
		{"passed, no shutdown", 0, true, false, "", "", "splat", exitSplat},
		{"leaked", 0, false, false, "", leak, "leaked", exitLeak},
		{"leaked, as the log says too", 0, false, false, "kmemleak: 2 new suspected memory leaks (see x)", leak, "leaked", exitLeak},
		{"leaked by the log alone", 0, false, false, "kmemleak: 2 new suspected memory leaks (see x)", "", "leaked", exitLeak},
		{"leaked and warned", 0, false, false, "WARNING: x\nkmemleak: 2 new suspected memory leaks (see x)", leak, "splat", exitSplat},
		{"stopped", -1, false, true, "", "", "stopped", 130},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var v verdict
			v.judge(tt.status, tt.hung, tt.stopped, tt.log, tt.leaks)
			if v.Result != tt.result || v.Exit != tt.exit {
				t.Errorf("%s %d, want %s %d", v.Result, v.Exit, tt.result, tt.exit)
			}
			var b strings.Builder
			v.report(&b, "6.1", "/artifacts")
			if !strings.HasPrefix(b.String(), "vm: 6.1: ") {
				t.Errorf("the report is %q", b.String())
			}
		})
	}
}
