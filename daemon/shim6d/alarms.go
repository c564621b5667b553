// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"shim6/daemon/control"
)

const (
	// alarmPause is how long after an event its alarm is told, so that it has what else the same
	// failure does. alarmEvery is the least time between two alarms.
	alarmPause = 200 * time.Millisecond
	alarmEvery = time.Second
	// alarmPatience is how long a hook may take. systemd ends one of ours after a minute.
	alarmPatience = 2 * time.Minute
)

// alarms is the part that tells whoever listens at the alarm socket: systemd, which starts hooks.
// One alarm is told at a time. The next one has all that happens until its hooks have ended.
type alarms struct {
	still
	*core
	// waiting are the alarms that are to be told, one of a name at most.
	waiting []*control.Alarm
	// at is when to tell the first of them; 0 for never. telling: one is being told, since began.
	at, began time.Duration
	telling   bool
	// unprotectedNow is control.Alarm.Unprotected.
	unprotectedNow int
}

func (a *alarms) String() string { return "alarms" }

func (a *alarms) Next() time.Duration {
	if a.telling {
		return never
	}
	return earliest(a.at)
}

func (a *alarms) Due(now time.Duration) error {
	if a.telling || !isDue(a.at, now) {
		return nil
	}
	v := a.waiting[0]
	a.waiting = a.waiting[1:]
	v.Unprotected = a.unprotectedNow
	a.at, a.began, a.telling = 0, now, true
	socket := control.AlarmSocket(a.config.Control.Socket)
	a.beside(func() func() {
		err := tellAlarm(socket, v)
		return func() {
			if err != nil {
				a.log.Warn("the hooks may not have heard of an alarm", "alarm", v.Alarm, "error", err)
			}
			a.telling = false
			a.schedule()
		}
	})
	return nil
}

// schedule says when the next alarm is told.
func (a *alarms) schedule() {
	if len(a.waiting) > 0 && a.at == 0 {
		a.at = a.now() + alarmPause
		if a.began != 0 {
			a.at = max(a.at, a.began+alarmEvery)
		}
	}
}

// alarm is the waiting alarm of a name, a new one if there is none.
func (a *alarms) alarm(name string) *control.Alarm {
	for _, v := range a.waiting {
		if v.Alarm == name {
			return v
		}
	}
	v := &control.Alarm{Alarm: name, Time: time.Now().UTC()}
	a.waiting = append(a.waiting, v)
	a.schedule()
	return v
}

// switched tells of a switch.
func (a *alarms) switched(s control.Switch) {
	v := a.alarm(control.AlarmSwitch)
	if len(v.Switches) == control.MaxAlarm {
		v.More++
		return
	}
	v.Switches = append(v.Switches, s)
}

// unprotected tells that a context has lost its protection, and that so many have.
func (a *alarms) unprotected(p control.Protection, now int) {
	a.unprotectedNow = now
	a.protection(control.AlarmUnprotected, control.AlarmRestored, p)
}

// restored tells that contexts are protected again and that so many are not. Without any, it tells
// that some are gone.
func (a *alarms) restored(list []control.Protection, now int) {
	a.unprotectedNow = now
	if len(list) == 0 {
		a.alarm(control.AlarmRestored)
	}
	for _, p := range list {
		a.protection(control.AlarmRestored, control.AlarmUnprotected, p)
	}
}

// protection adds a context to the alarm of a name. If the opposite of it still waits, neither is
// told: nobody has heard of the change that is undone.
func (a *alarms) protection(name, opposite string, p control.Protection) {
	for i, v := range a.waiting {
		at := slices.IndexFunc(v.Contexts, func(x control.Protection) bool { return x.Name == p.Name })
		if v.Alarm != opposite || at < 0 {
			continue
		}
		v.Contexts = slices.Delete(v.Contexts, at, at+1)
		if len(v.Contexts) == 0 && v.More == 0 {
			a.waiting = slices.Delete(a.waiting, i, i+1)
			if len(a.waiting) == 0 {
				a.at = 0
			}
		}
		return
	}
	v := a.alarm(name)
	if len(v.Contexts) == control.MaxAlarm {
		v.More++
		return
	}
	v.Contexts = append(v.Contexts, p)
}

// tellAlarm tells an alarm, and waits until its hooks have ended. If nobody listens, it does nothing.
func tellAlarm(socket string, v *control.Alarm) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	conn, err := net.DialTimeout("unix", socket, alarmPatience)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		return nil
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(alarmPatience)); err != nil {
		return err
	}
	if _, err := conn.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("telling it at %s: %w", socket, err)
	}
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		return err
	}
	// The end of the hooks is the end of the stream.
	_, err = io.Copy(io.Discard, conn)
	return err
}
