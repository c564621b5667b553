// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/genetlink/genltest"
	"github.com/mdlayher/netlink"
)

func TestFlows(t *testing.T) {
	flow := func(more func(*encoder)) []byte {
		e := newEncoder(flowAttributes)
		e.addr(attrFlowUlidLocal, ulidA)
		e.addr(attrFlowUlidPeer, ulidB)
		e.Uint32(attrFlowPackets, 32)
		e.Uint32(attrFlowTriggerPackets, 45)
		e.Uint32(attrFlowTriggerTime, 10000)
		e.Uint32(attrFlowAge, 4200)
		e.Uint32(attrFlowIdle, 100)
		more(e)
		b, _ := e.encode()
		return b
	}
	bare := flow(func(*encoder) {})
	full := flow(func(e *encoder) {
		e.Flag(attrFlowHeard, true)
		e.Uint32(attrFlowAsked, 3000)
		e.Uint32(100, 1) // of a newer kernel
	})
	c := kernel(t, genltest.CheckRequest(familyID, cmdFlowGet, netlink.Request|netlink.Dump,
		func(m genetlink.Message, _ netlink.Message) ([]genetlink.Message, error) {
			if len(m.Data) != 0 {
				t.Errorf("flow-get has attributes: %x", m.Data)
			}
			return []genetlink.Message{{Data: bare}, {Data: full}}, nil
		}))
	one := Flow{Local: ulidA, Peer: ulidB, Packets: 32, TriggerPackets: 45, TriggerTime: 10 * time.Second,
		Age: 4200 * time.Millisecond, Idle: 100 * time.Millisecond}
	other := one
	other.Heard, other.Asked = true, pointer(3*time.Second)
	got, err := c.Flows()
	if d := cmp.Diff([]Flow{one, other}, got, addrCmp); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
}

func TestBadFlows(t *testing.T) {
	for name, b := range map[string][]byte{"no ULIDs": attributes(attrFlowPackets, 1), "short address": {6, 0, attrFlowUlidPeer, 0, 1, 2, 0, 0}} {
		if _, err := parseFlow(b); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
