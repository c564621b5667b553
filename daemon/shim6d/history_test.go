// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"shim6/daemon/control"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/reap"
)

// Times of the day count from now, whatever the engine's clock has missed since the start.
func TestWall(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.FixedZone("CET", 3600))
	at := wallAt(now, time.Minute)
	for _, c := range []struct {
		t    time.Duration
		want string
	}{
		{time.Minute, "2026-11-24T11:00:00Z"},
		{time.Minute - 5*time.Second, "2026-11-24T10:59:55Z"},
		{0, "2026-11-24T10:59:00Z"},
	} {
		if got := at(c.t).Format(time.RFC3339Nano); got != c.want {
			t.Errorf("%v: %s, want %s", c.t, got, c.want)
		}
	}
	d, _, _ := made(t)
	if off := time.Since(d.wall()(d.now())).Abs(); off > time.Minute {
		t.Errorf("now is %v off", off)
	}
}

// A switch has the same time of the day in every answer, even if the clocks have diverged
// since.
func TestSwitchTimes(t *testing.T) {
	d, _, log := made(t)
	to := engine.Pair{Local: b1, Peer: a1}
	s := reap.Switch{
		Time: d.now(), ULIDs: ulids, Trigger: reap.ICMP, Why: "somebody says so", Outage: 1500 * time.Millisecond, From: engine.Pair{Local: a1, Peer: b1}, To: to,
		Probed: []reap.Probed{{Pair: to, Time: d.now() - time.Second}}, Answered: []engine.Pair{to},
		Good: []reap.LastGood{{Pair: to, Time: d.now() - time.Minute}},
	}
	d.session.switched(&s)
	first := d.history.switches.kept()
	if len(first) != 1 || time.Since(first[0].Time).Abs() > time.Minute || first[0].Trigger != "icmp" {
		t.Fatalf("%+v", first)
	}
	for want, got := range map[time.Duration]time.Time{time.Second: first[0].Probed[0].Time, time.Minute: first[0].LastGood[0].Time} {
		if off := first[0].Time.Sub(got) - want; off.Abs() > time.Second/2 {
			t.Errorf("%v before is %v off", want, off)
		}
	}
	text := func(t time.Time) string { return t.Format(time.RFC3339Nano) }
	for _, want := range []string{
		"msg=path ", "ulid-local=2001:db8:1::a ", "ulid-peer=2001:db8:1::b ", "direction=outbound ", "trigger=icmp ", `why="somebody says so" `,
		"from-local=2001:db8:1::a ", "from-peer=2001:db8:1::b ", "to-local=2001:db8:1::b ", "to-peer=2001:db8:1::a ",
		fmt.Sprintf("probed=%q ", "2001:db8:1::b 2001:db8:1::a at "+text(first[0].Probed[0].Time)+" answered"),
		fmt.Sprintf("last-good=%q ", "2001:db8:1::b 2001:db8:1::a at "+text(first[0].LastGood[0].Time)),
		"outage=1.5s\n",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has not %s: %s", want, log)
		}
	}
	// As if the time of the day had been set back.
	d.began = d.began.Add(-time.Hour)
	if diff := cmp.Diff(first, d.history.switches.kept(), cmpopts.EquateComparable(control.Pair{}, control.Name{})); diff != "" {
		t.Error(diff)
	}
}

// The last switches are kept, also after a reload.
func TestSwitchesAreBounded(t *testing.T) {
	d, _, _ := made(t)
	if l := d.history.switches.kept(); l == nil || len(l) != 0 {
		t.Errorf("%v", l)
	}
	last := fmt.Sprint(3*historySize - 1)
	for i := range 3 * historySize {
		d.session.switched(&reap.Switch{ULIDs: ulids, Why: fmt.Sprint(i)})
	}
	if err := d.session.Start(); err != nil {
		t.Fatal(err)
	}
	l := d.history.switches.kept()
	if len(l) != historySize || l[historySize-1].Why != last || l[0].Why != fmt.Sprint(2*historySize) || len(d.history.switches) > 2*historySize {
		t.Errorf("%d switches of %d, the last %+v", len(l), len(d.history.switches), l[len(l)-1])
	}
}
