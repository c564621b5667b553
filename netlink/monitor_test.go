// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/genetlink/genltest"

	"shim6/netlink/netlinktest"
)

func TestParseNotification(t *testing.T) {
	e := newEncoder(policyAttributes)
	e.policy(Policy{Preference: pointer(uint32(5)), Action: PolicyActionBypass})
	rule, err := e.encode()
	if err != nil {
		t.Fatal(err)
	}
	policy := &Policy{Preference: pointer(uint32(5)), Action: PolicyActionBypass}
	config := wantConfig
	context := &Context{ULIDs: pair, Encapsulation: EncapsulationNative, InboundEncapsulation: EncapsulationNative}
	for _, c := range []struct {
		name    string
		command uint8
		data    []byte
		want    Notification
		ok      bool
	}{
		{"configuration", cmdConfigNtf, configMessage(), Notification{Config: &config}, true},
		{"context", cmdContextNtf, notification(), Notification{Context: context}, true},
		{"deleted context", cmdContextDelNtf, notification(), Notification{Context: context, Deleted: true}, true},
		{"rule", cmdPolicyNtf, rule, Notification{Policy: policy}, true},
		{"deleted rule", cmdPolicyDelNtf, rule, Notification{Policy: policy, Deleted: true}, true},
		{"command of a newer kernel", 200, nil, Notification{}, false},
	} {
		got, ok, err := parseNotification(genetlink.Message{Header: genetlink.Header{Command: c.command}, Data: c.data})
		if err != nil || ok != c.ok {
			t.Errorf("%s: %v, %v", c.name, ok, err)
		}
		if d := cmp.Diff(c.want, got, addrCmp); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
	}
	for _, command := range []uint8{cmdConfigNtf, cmdContextNtf, cmdPolicyDelNtf} {
		if _, ok, err := parseNotification(genetlink.Message{Header: genetlink.Header{Command: command}}); err == nil || ok {
			t.Errorf("command %d without attributes: %v, %v", command, ok, err)
		}
	}
}

// Receive returns the queued notifications before it reports the loss.
func TestMonitorOverflow(t *testing.T) {
	conn, _ := congested(t)
	m := &Monitor{conn: genetlink.NewConn(conn), family: genetlink.Family{ID: familyID}}
	list, err := netlinktest.UntilError(m.Receive)
	if !errors.Is(err, ErrOverflow) || len(list) == 0 {
		t.Fatalf("%d notifications, %v", len(list), err)
	}
	for i, n := range list {
		if n.Context == nil || n.Context.FII != uint32(i) {
			t.Fatalf("notification %d: %+v", i, n)
		}
	}
}

func TestMonitorGroups(t *testing.T) {
	family := genetlink.Family{ID: familyID, Name: familyName, Version: familyVersion}
	if _, err := newMonitor(genltest.Dial(genltest.ServeFamily(family, nil)), []string{"colour"}); err == nil ||
		!strings.Contains(err.Error(), `no multicast group "colour"`) {
		t.Errorf("a group that does not exist: %v", err)
	}
	family.Name = "other"
	if _, err := newMonitor(genltest.Dial(genltest.ServeFamily(family, nil)), nil); err == nil {
		t.Error("there is no family")
	}
}
