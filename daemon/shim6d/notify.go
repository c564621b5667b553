// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// notifier tells systemd how the daemon is: sd_notify(3). Without systemd it does
// nothing.
type notifier struct {
	socket string
	// watchdog is how often to say that all is well, 0 for never.
	watchdog time.Duration
}

// newNotifier looks at the environment, by which systemd says what it wants.
func newNotifier() notifier {
	n := notifier{socket: os.Getenv("NOTIFY_SOCKET")}
	pid := os.Getenv("WATCHDOG_PID")
	if usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 &&
		(pid == "" || pid == strconv.Itoa(os.Getpid())) {
		// Half of it, as systemd recommends.
		n.watchdog = time.Duration(usec) * time.Microsecond / 2
	}
	return n
}

func (n notifier) send(state string) error {
	if n.socket == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	defer c.Close()
	if _, err = c.Write([]byte(state)); err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	return nil
}

// reloading says that a reload has begun; ready ends it. systemd wants to know
// when, by its own clock.
func (n notifier) reloading() error {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return err
	}
	return n.send(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", t.Nano()/1000))
}

func (n notifier) ready(status string) error { return n.send("READY=1\nSTATUS=" + status) }
func (n notifier) status(s string) error     { return n.send("STATUS=" + s) }
func (n notifier) stopping() error           { return n.send("STOPPING=1") }
func (n notifier) alive() error              { return n.send("WATCHDOG=1") }
