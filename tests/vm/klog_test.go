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

// What a command expects of one file is excused there and then, and nothing else.
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

// The lines around a complaint are not complaints of their own, but one that
// nothing explains is.
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
			if v.Result != tt.result || v.exit() != tt.exit {
				t.Errorf("%s %d, want %s %d", v.Result, v.exit(), tt.result, tt.exit)
			}
			var b strings.Builder
			v.report(&b, "6.1", "/artifacts")
			if !strings.HasPrefix(b.String(), "vm: 6.1: ") {
				t.Errorf("the report is %q", b.String())
			}
		})
	}
}

// A register dump accuses the emulator only if its flags can't be, and only where
// there is an emulator.
func TestJudgeEmulator(t *testing.T) {
	dump := func(cs, flags string) string {
		return "[  825.035445] Oops: double fault: 0000 [#1] PREEMPT SMP NOPTI\n" +
			"[  825.042327] RIP: " + cs + ":__kmalloc_node_track_caller_noprof+0xd5/0x440\n" +
			"[  825.042345] Code: 48 c7 45 c0 <49> 8b 04 24 65 48\n" +
			"[  825.042353] RSP: 0018:ffffc90001137600 EFLAGS: " + flags + "\n" +
			"[  825.042562] Kernel panic - not syncing: Fatal exception in interrupt\n"
	}
	for _, tt := range []struct {
		name, machine, log string
		status, exit       int
	}{
		{"seen with QEMU 7.2", "qemu-tcg", dump("0010", "06274202"), -1, exitEmulator},
		{"virtual 8086 mode", "qemu-tcg", dump("0010", "00020246"), -1, exitEmulator},
		{"bit 1 is away", "qemu-tcg", dump("0010", "00010244"), -1, exitEmulator},
		{"each flag that there is", "qemu-tcg", dump("0010", "003d7fd7"), -1, exitPanic},
		{"an oops as they are", "qemu-tcg", dump("0010", "00010246"), -1, exitPanic},
		{"a program's", "qemu-tcg", dump("0033", "06274202"), -1, exitPanic},
		{"a real processor's", "qemu-kvm", dump("0010", "06274202"), -1, exitPanic},
		{"before the command", "qemu-tcg", dump("0010", "06274202") + logMark + "\nKernel panic - not syncing: x\n", -1, exitPanic},
		{"a failure stays one", "qemu-tcg", dump("0010", "06274202"), 3, 3},
		{"no panic", "qemu-tcg", strings.ReplaceAll(strings.ReplaceAll(dump("0010", "06274202"), "Oops", "WARNING"), "Kernel panic - not syncing", "so"), 0, exitSplat},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := verdict{Machine: tt.machine}
			v.judge(tt.status, false, false, tt.log, "")
			var b strings.Builder
			v.report(&b, "6.12", "/artifacts")
			if v.exit() != tt.exit || strings.Contains(b.String(), "QEMU's fault") != (tt.exit == exitEmulator) {
				t.Errorf("exit %d, want %d: %s", v.exit(), tt.exit, b.String())
			}
		})
	}
}
