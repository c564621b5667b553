// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// systemd is the part that tells systemd how the daemon is. As long as the loop goes on, it
// feeds the watchdog.
type systemd struct {
	still
	*core
	notifier
	// status is what the daemon does now, in words.
	status func() string
	// watchdogAt is when to feed the watchdog, 0 for never.
	watchdogAt time.Duration
}

func (s *systemd) String() string { return "systemd" }

func (s *systemd) Next() time.Duration { return earliest(s.watchdogAt) }

func (s *systemd) Due(now time.Duration) error {
	if isDue(s.watchdogAt, now) {
		s.watchdogAt = now + s.watchdog
		s.warn(s.alive())
	}
	return nil
}

// ready says that the loop runs, or that a reload is over.
func (s *systemd) ready() {
	if s.watchdog > 0 && s.watchdogAt == 0 {
		s.watchdogAt = s.now() + s.watchdog
	}
	s.warn(s.notifier.ready(s.status()))
}

// reloading says that a reload has begun.
func (s *systemd) reloading() { s.warn(s.notifier.reloading()) }

// tell tells the status.
func (s *systemd) tell() { s.warn(s.notifier.tell(s.status())) }

func (s *systemd) warn(err error) {
	if err != nil {
		s.log.Warn(err.Error())
	}
}

// notifier sends messages to systemd, as sd_notify(3) does. Without systemd it does nothing.
type notifier struct {
	// watchdog is how often to say that all is well, 0 for never.
	watchdog time.Duration
}

// newNotifier reads what systemd wants from the environment.
func newNotifier() notifier {
	// If the environment makes no sense, there is no watchdog.
	interval, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		return notifier{}
	}
	// Half of it, as systemd recommends.
	return notifier{watchdog: interval / 2}
}

func (notifier) send(state string) error {
	if _, err := sd.SdNotify(false, state); err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	return nil
}

// reloading says that a reload has begun; ready ends it. systemd wants to know when, by its
// own clock.
func (n notifier) reloading() error {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return err
	}
	return n.send(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", sd.SdNotifyReloading, t.Nano()/1000))
}

func (n notifier) ready(status string) error {
	return n.send(sd.SdNotifyReady + "\nSTATUS=" + status)
}
func (n notifier) tell(status string) error { return n.send("STATUS=" + status) }
func (n notifier) stopping() error          { return n.send(sd.SdNotifyStopping) }
func (n notifier) alive() error             { return n.send(sd.SdNotifyWatchdog) }
