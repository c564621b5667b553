// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listening is a socket like systemd's. read returns the next message. quiet reports whether,
// after all messages by now, none comes for a time.
func listening(t *testing.T) (n notifier, read func() string, quiet func(time.Duration) bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	within := func(d time.Duration) (string, error) {
		b := make([]byte, 1000)
		if err := l.SetReadDeadline(time.Now().Add(d)); err != nil {
			return "", err
		}
		n, err := l.Read(b)
		return string(b[:n]), err
	}
	read = func() string {
		t.Helper()
		s, err := within(10 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	quiet = func(d time.Duration) bool {
		for err := error(nil); err == nil; {
			_, err = within(time.Millisecond)
		}
		_, err := within(d)
		return errors.Is(err, os.ErrDeadlineExceeded)
	}
	return newNotifier(), read, quiet
}

func TestNotify(t *testing.T) {
	n, read, _ := listening(t)
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

// systemd ignores a reload without the time by its own clock.
func TestNotifyReloading(t *testing.T) {
	n, read, _ := listening(t)
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

// As long as the loop goes on, systemd is told so as often as it wants. While the loop hangs,
// nobody tells it.
func TestWatchdogIsFed(t *testing.T) {
	const interval = 10 * time.Millisecond
	t.Setenv("WATCHDOG_USEC", strconv.FormatInt((2*interval).Microseconds(), 10))
	t.Setenv("WATCHDOG_PID", "")
	_, read, quiet := listening(t)
	d, _, _ := made(t)
	began := time.Now()
	_, end := running(t, d)
	defer end()
	if got := read(); !strings.HasPrefix(got, "READY=1\n") {
		t.Errorf("first it is told %q", got)
	}
	fed := func() {
		t.Helper()
		if got := read(); got != "WATCHDOG=1" {
			t.Errorf("told %q", got)
		}
	}
	const times = 5
	for range times {
		fed()
	}
	if took := time.Since(began); took < (times-1)*interval {
		t.Errorf("%d times in %v, and not each %v", times, took, interval)
	}
	hangs, over := make(chan struct{}), make(chan struct{})
	d.requests <- func() { close(hangs); <-over }
	<-hangs
	if !quiet(5 * interval) {
		t.Error("all is said to be well while the loop hangs")
	}
	close(over)
	fed()
}
