// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shim6/daemon/control"
	"shim6/netlink"
)

// fullFlow has a value in each field.
func fullFlow() netlink.Flow {
	return netlink.Flow{
		Local: ulidA, Peer: ulidB, Packets: 32, TriggerPackets: 45, TriggerTime: 10 * time.Second,
		Age: 4230 * time.Millisecond, Idle: 100 * time.Millisecond, Heard: true, Asked: ptr(3 * time.Second),
	}
}

func TestFlowShow(t *testing.T) {
	f, d := newFake(), newDaemon()
	counted := netlink.Flow{Local: ulidA, Peer: locatorB, Packets: 3, TriggerPackets: 45, TriggerTime: 10 * time.Second, Age: time.Second, Heard: true}
	unheard, never, byTime := counted, counted, counted
	unheard.Packets, unheard.Heard = 2, false
	never.Packets, never.TriggerPackets, never.TriggerTime = 1, 0, 0
	byTime.Packets, byTime.TriggerPackets = 0, 0
	f.flows = []netlink.Flow{never, byTime, counted, fullFlow(), unheard}
	d.protections = []control.Protection{{Name: flowName(fullFlow()), Why: "the peer has no Shim6", Text: "not protected: the peer has no Shim6"}}
	w := &world{kernel: f, daemon: d}
	const want = `2001:db8:1::a 2001:db8:2::b 32 of 45 packets, 4200ms of 10s
    shim6d was asked for a context 3s ago
    not protected: the peer has no Shim6
2001:db8:1::a 2001:db8:4::b 3 of 45 packets, 1s of 10s
2001:db8:1::a 2001:db8:4::b 2 of 45 packets, 1s of 10s
    the peer has sent nothing yet
2001:db8:1::a 2001:db8:4::b 1 packet
    neither packets nor time ask for a context: 'shim6tool config' and 'shim6tool policy' show trigger-packets and trigger-time
2001:db8:1::a 2001:db8:4::b 0 packets, 1s of 10s
`
	for _, words := range []string{"flow show", "flow", "f"} {
		if status, out, errs := callWorld(w, strings.Fields(words)...); status != 0 || errs != "" || out != want {
			t.Errorf("%s: status %d, %q:\n%s", words, status, errs, cmp.Diff(want, out))
		}
	}
	_, out, _ := callWorld(w, "-j", "flow")
	var list []struct {
		Packets    int
		Asked      *int
		Protection *struct{ Why string }
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 5 || *list[0].Asked != 3000 || list[0].Protection.Why != "the peer has no Shim6" ||
		list[1].Asked != nil || list[1].Protection != nil {
		t.Errorf("%v: %s", err, out)
	}
	// Without shim6d the kernel's part is shown, and without pairs a list.
	f.flows = []netlink.Flow{fullFlow()}
	if status, out, _ := call(f, "flow"); status != 0 || !strings.HasSuffix(out, "was asked for a context 3s ago\n") {
		t.Errorf("status %d: %s", status, out)
	}
	f.flows = nil
	if _, out, _ := call(f, "-j", "flow"); out != "[]\n" {
		t.Errorf("no pair is %q", out)
	}
}

// The screen of status has the first flows, and does without them if the kernel does not tell.
func TestStatusFlows(t *testing.T) {
	f, d := newFake(), newDaemon()
	for i := range 5 {
		x := fullFlow()
		x.Packets = uint32(i)
		f.flows = append(f.flows, x)
	}
	d.protections = []control.Protection{{Name: flowName(fullFlow()), Text: "not protected: no answer"}}
	w := &world{kernel: f, daemon: d}
	const want = "flows     5 without a context: 'shim6tool flow'\n    2001:db8:1::a 2001:db8:2::b 4 of 45 packets, 4200ms of 10s\n        not protected: no answer\n"
	if status, out, _ := callWorld(w); status != 0 || !strings.Contains(out, want) || strings.Count(out, "of 45 packets") != statusFlows {
		t.Errorf("status %d: %s", status, out)
	}
	if _, out, _ := callWorld(w, "-j"); !strings.Contains(out, `"flows":[{"ulid-local"`) {
		t.Error(out)
	}
	f.flows, f.flowsErr = nil, errors.Join(fs.ErrPermission)
	if status, out, _ := callWorld(w); status != 0 || strings.Contains(out, "flows") {
		t.Errorf("status %d: %s", status, out)
	}
}
