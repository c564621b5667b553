// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"fmt"
	"net/netip"
	"time"
)

// Flow is a ULID pair without a context. The kernel counts its packets, and asks the daemon for a
// context when there are enough.
type Flow struct {
	Local, Peer netip.Addr // the ULIDs
	// Packets were counted, in both directions.
	Packets uint32
	// TriggerPackets and TriggerTime say how much asks for a context, by the rule that the
	// last packet sent has met. 0 is never: with both 0 nothing asks.
	TriggerPackets uint32
	TriggerTime    time.Duration
	// Age is how long ago the first packet that is counted was, Idle the last one. After 30
	// seconds of silence a pair is counted from 0 again, and is not told.
	Age, Idle time.Duration
	// Heard: the peer has sent as well. Without that, time never asks.
	Heard bool
	// Asked is how long ago the daemon was last asked; nil if it never was.
	Asked *time.Duration
}

// Flows returns all ULID pairs that are counted, in no order. It takes CAP_NET_ADMIN: otherwise the
// error is an fs.ErrPermission. Without a daemon nothing is counted. With ErrInterrupted there is a
// list, too: the pairs that were read.
func (c *Client) Flows() ([]Flow, error) {
	return dump(c, cmdFlowGet, flowAttributes, func(*encoder) {}, parseFlow)
}

func parseFlow(b []byte) (f Flow, err error) {
	err = decode(b, "flow", func(d *decoder) {
		switch d.Type() {
		case attrFlowUlidLocal:
			f.Local = d.addr()
		case attrFlowUlidPeer:
			f.Peer = d.addr()
		case attrFlowPackets:
			f.Packets = d.Uint32()
		case attrFlowTriggerPackets:
			f.TriggerPackets = d.Uint32()
		case attrFlowTriggerTime:
			f.TriggerTime = d.milliseconds()
		case attrFlowAge:
			f.Age = d.milliseconds()
		case attrFlowIdle:
			f.Idle = d.milliseconds()
		case attrFlowHeard:
			f.Heard = d.Flag()
		case attrFlowAsked:
			f.Asked = pointer(d.milliseconds())
		}
	})
	if err == nil && (!f.Local.IsValid() || !f.Peer.IsValid()) {
		err = fmt.Errorf("the kernel's flow lacks its ULID pair")
	}
	return f, err
}
