// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// systemd is a socket as systemd has it.
func systemd(t *testing.T) (notifier, func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return newNotifier(), func() string {
		t.Helper()
		b := make([]byte, 1000)
		if err := l.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := l.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func TestNotify(t *testing.T) {
	n, read := systemd(t)
	for _, c := range []struct {
		do   func() error
		want string
	}{
		{func() error { return n.ready("all is well") }, "READY=1\nSTATUS=all is well"},
		{n.stopping, "STOPPING=1"},
		{n.alive, "WATCHDOG=1"},
	} {
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		if got := read(); got != c.want {
			t.Errorf("told %q, wanted %q", got, c.want)
		}
	}
}

// Without the time, by its own clock, systemd takes no reload for one.
func TestNotifyReloading(t *testing.T) {
	n, read := systemd(t)
	clock := func() int64 {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			t.Fatal(err)
		}
		return ts.Nano() / 1000
	}
	before := clock()
	if err := n.reloading(); err != nil {
		t.Fatal(err)
	}
	got, ok := strings.CutPrefix(read(), "RELOADING=1\nMONOTONIC_USEC=")
	usec, err := strconv.ParseInt(got, 10, 64)
	if !ok || err != nil || usec < before || usec > clock() {
		t.Errorf("told %q, %v", got, err)
	}
}

func TestNotifyNobody(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := newNotifier().ready("x"); err != nil {
		t.Error(err)
	}
	t.Setenv("NOTIFY_SOCKET", "/none")
	if err := newNotifier().ready("x"); err == nil || !strings.HasPrefix(err.Error(), "telling systemd: ") {
		t.Error(err)
	}
}

func TestWatchdog(t *testing.T) {
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"30000000", strconv.Itoa(os.Getpid()), 15 * time.Second},
		{"30000000", "", 15 * time.Second},
		{"30000000", "1", 0},
		{"", "", 0},
		{"-1", "", 0},
		{"soon", "", 0},
	} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		if got := newNotifier().watchdog; got != c.want {
			t.Errorf("%q for %q: %v", c.usec, c.pid, got)
		}
	}
}
