// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"shim6/daemon/config"
	"shim6/daemon/control"
)

// hooked is an alarms whose alarms go to the channel. A hook runs until it gets the next value from
// end. work does what is beside.
func hooked(t *testing.T) (a *alarms, told <-chan control.Alarm, end chan<- bool, work func()) {
	t.Helper()
	c := config.Default()
	c.Control.Socket = t.TempDir() + "/socket"
	k := newCore(c, newLog(c, io.Discard))
	a = &alarms{core: k}
	ready := make(chan func(), 1)
	k.beside = func(work func() func()) { go func() { ready <- work() }() }
	l, err := net.Listen("unix", control.AlarmSocket(c.Control.Socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	all, ends := make(chan control.Alarm), make(chan bool)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b, err := io.ReadAll(conn)
			var v control.Alarm
			if err == nil {
				err = json.Unmarshal(b, &v)
			}
			if err != nil {
				t.Error(err)
			}
			all <- v
			<-ends
			conn.Close()
		}
	}()
	return a, all, ends, func() { (<-ready)() }
}

// after calls Due when it is due, at the earliest a time after the start.
func after(t *testing.T, a *alarms, earliest time.Duration) {
	t.Helper()
	if at := a.Next(); at < earliest || at == never {
		t.Errorf("the next is at %v, not after %v", at, earliest)
	}
	if err := a.Due(a.Next()); err != nil {
		t.Error(err)
	}
}

// All that happens within a moment is one alarm, and all that happens while its hook runs is the
// next. Those have a second between them.
func TestAlarms(t *testing.T) {
	a, told, end, work := hooked(t)
	if a.Next() != never {
		t.Error("there is something to tell before anything has happened")
	}
	a.switched(control.Switch{Why: "one"})
	a.switched(control.Switch{Why: "two"})
	after(t, a, alarmPause)
	began := a.began
	if v := <-told; v.Alarm != control.AlarmSwitch || len(v.Switches) != 2 || v.Switches[1].Why != "two" || v.Time.IsZero() {
		t.Errorf("%+v", v)
	}
	for range control.MaxAlarm + 5 {
		a.switched(control.Switch{Why: strings.Repeat("<", 500)})
	}
	if a.Next() != never {
		t.Error("the hook runs, and the next is due")
	}
	end <- true
	work()
	after(t, a, began+alarmEvery)
	v := <-told
	if len(v.Switches) != control.MaxAlarm || v.More != 5 {
		t.Errorf("%d switches, and %d more", len(v.Switches), v.More)
	}
	if b, err := json.Marshal(v); err != nil || len(b) > control.MaxAlarmLength/2 {
		t.Errorf("%d octets, %v", len(b), err)
	}
	end <- true
	work()
	if a.Next() != never {
		t.Error("there is something left")
	}
}

// A change that is undone before it is told is not told.
func TestAlarmsUndone(t *testing.T) {
	a, told, end, work := hooked(t)
	x, y := control.Protection{Name: control.Name{FII: 1}}, control.Protection{Name: control.Name{FII: 2}}
	a.unprotected(x, 1)
	a.restored([]control.Protection{x}, 0)
	if a.Next() != never || len(a.waiting) != 0 {
		t.Errorf("%+v", a.waiting)
	}
	a.unprotected(x, 1)
	a.unprotected(y, 2)
	a.restored([]control.Protection{x}, 1)
	after(t, a, 0)
	if v := <-told; v.Alarm != control.AlarmUnprotected || len(v.Contexts) != 1 || v.Contexts[0].FII != 2 || v.Unprotected != 1 {
		t.Errorf("%+v", v)
	}
	// The context is gone: nothing is lost any more.
	a.restored(nil, 0)
	end <- true
	work()
	after(t, a, 0)
	if v := <-told; v.Alarm != control.AlarmRestored || len(v.Contexts) != 0 || v.Unprotected != 0 {
		t.Errorf("%+v", v)
	}
	end <- true
	work()
}

// If nobody listens, nothing is wrong. If the socket can't be used, the log says so.
func TestAlarmsUnheard(t *testing.T) {
	d, _, log := made(t)
	atOnce(d)
	a := d.alarms
	tell := func() {
		a.switched(control.Switch{})
		if err := a.Due(a.Next()); err != nil || a.telling || len(a.waiting) > 0 {
			t.Errorf("%v, telling %t, %d wait", err, a.telling, len(a.waiting))
		}
	}
	socket := control.AlarmSocket(d.config.Control.Socket)
	tell()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	tell()
	if strings.Contains(log.String(), "hooks") {
		t.Errorf("the log: %s", log)
	}
	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(socket, socket); err != nil {
		t.Fatal(err)
	}
	tell()
	if !strings.Contains(log.String(), "the hooks may not have heard of an alarm") {
		t.Errorf("the log: %s", log)
	}
}
