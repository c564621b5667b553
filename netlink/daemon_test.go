// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"encoding/binary"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/genetlink/genltest"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"

	"shim6/netlink/netlinktest"
)

// eventData encodes the attributes of an event.
func eventData(fill func(*encoder)) []byte {
	e := newEncoder(controlAttributes)
	fill(e)
	b, err := e.encode()
	if err != nil {
		panic(err)
	}
	return b
}

func addresses(e *encoder) {
	e.addr(attrControlSource, ulidB)
	e.addr(attrControlDestination, ulidA)
	e.Uint32(attrControlIfindex, 3)
}

func names(e *encoder) {
	e.addr(attrControlUlidLocal, ulidA)
	e.addr(attrControlUlidPeer, ulidB)
	e.Uint32(attrControlFii, 7)
}

var eventCases = []struct {
	name    string
	command uint8
	fill    func(*encoder)
	want    Event
}{
	{"control", cmdControlEvent, func(e *encoder) { addresses(e); e.Bytes(attrControlMessage, []byte("12345678")) },
		ControlEvent{Source: ulidB, Destination: ulidA, Interface: 3, Message: []byte("12345678"), Encapsulation: EncapsulationNative}},
	{"control in UDP", cmdControlEvent, func(e *encoder) {
		addresses(e)
		e.Bytes(attrControlMessage, []byte("12345678"))
		e.Uint32(attrControlEncapsulation, 2)
	},
		ControlEvent{Source: ulidB, Destination: ulidA, Interface: 3, Message: []byte("12345678"), Encapsulation: EncapsulationUdp}},
	{"no-context", cmdNoContextEvent, func(e *encoder) {
		addresses(e)
		e.Uint64(attrControlTag, TagMax)
		e.Uint32(attrControlEncapsulation, 2)
	},
		NoContextEvent{Source: ulidB, Destination: ulidA, Interface: 3, Tag: TagMax, Encapsulation: EncapsulationUdp}},
	{"acquire", cmdAcquireEvent, func(e *encoder) { names(e); e.Uint64(attrControlPackets, 45) },
		AcquireEvent{Local: ulidA, Peer: ulidB, Packets: 45}},
	{"reap", cmdReapEvent, func(e *encoder) {
		names(e)
		e.Uint64(attrControlTag, 5)
		e.Uint32(attrControlEvent, 2)
		e.Uint32(attrControlRtt, 20_000)
		e.Uint32(attrControlRttDeviation, 5_000)
		e.Uint32(attrControlRetransmits, 3)
		e.Uint32(attrControlLength, 1500)
		e.Flag(attrControlProgress, true)
	},
		ReapNotice{ULIDs: pair, Tag: 5, Event: ReapEventInbound, RTT: 20 * time.Millisecond, Deviation: 5 * time.Millisecond, Retransmits: 3, Length: 1500, Progress: true}},
	{"expire", cmdExpireEvent, func(e *encoder) { names(e); e.Uint64(attrControlTag, 5); e.Uint64(attrControlIdle, 600000) },
		ExpireEvent{ULIDs: pair, Tag: 5, Idle: 10 * time.Minute}},
	{"socket", cmdSocketEvent, func(e *encoder) {
		names(e)
		e.Flag(attrControlStandby, true)
		e.Uint32(attrControlSendTimeout, 10000)
	}, SocketEvent{ULIDs: pair, Standby: true, SendTimeout: 10 * time.Second}},
	{"icmp of payload", cmdIcmpEvent, func(e *encoder) {
		addresses(e)
		names(e)
		e.Uint8(attrControlIcmpType, 1)
		e.Uint8(attrControlIcmpCode, 3)
		e.Uint32(attrControlIcmpInfo, 1280)
		e.Uint64(attrControlTag, 6)
	}, ICMPEvent{Type: 1, Code: 3, Info: 1280, Source: ulidB, Destination: ulidA, ULIDs: pair, Tag: 6,
		Encapsulation: EncapsulationNative}},
	{"icmp of control", cmdIcmpEvent, func(e *encoder) {
		addresses(e)
		e.Uint8(attrControlIcmpType, 4)
		e.Uint8(attrControlIcmpCode, 1)
		e.Bytes(attrControlMessage, []byte{59, 3})
		e.Uint32(attrControlEncapsulation, 2)
	}, ICMPEvent{Type: 4, Code: 1, Source: ulidB, Destination: ulidA, Message: []byte{59, 3}, Encapsulation: EncapsulationUdp}},
}

func TestParseEvent(t *testing.T) {
	for _, c := range eventCases {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseEvent(eventKinds[c.command], eventData(c.fill))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got, addrCmp); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseEventLacks(t *testing.T) {
	for _, c := range eventCases {
		_, err := parseEvent(eventKinds[c.command], nil)
		if err == nil || !strings.Contains(err.Error(), "lacks "+controlAttributes[eventKinds[c.command].needs[0]]) {
			t.Errorf("%s: an event without attributes: %v", c.name, err)
		}
	}
	_, err := parseEvent(eventKinds[cmdAcquireEvent], eventData(func(e *encoder) { e.Bytes(attrControlUlidLocal, []byte{1}) }))
	if err == nil || !strings.Contains(err.Error(), "1 octets") {
		t.Errorf("a short address: %v", err)
	}
}

func FuzzParseEvent(f *testing.F) {
	for _, c := range eventCases {
		f.Add(c.command, eventData(c.fill))
	}
	f.Fuzz(func(t *testing.T, command uint8, b []byte) {
		if kind, ok := eventKinds[command]; ok {
			// Nothing panics, whatever the kernel says.
			_, _ = parseEvent(kind, b)
		}
	})
}

// notification are the attributes of a notification about the context pair.
func notification() []byte {
	e := newEncoder(contextAttributes)
	e.ulids(pair)
	b, _ := e.encode()
	return b
}

func familyMessage(id uint16) []byte {
	return binary.NativeEndian.AppendUint16([]byte{6, 0, controllerFamilyID, 0}, id)
}

func TestEventsParse(t *testing.T) {
	const ours, others = 100, 200
	e := &Events{family: genetlink.Family{ID: familyID}, ours: []uint32{ours}}
	for _, c := range []struct {
		name    string
		kind    uint16
		port    uint32
		command uint8
		data    []byte
		want    Event
	}{
		{"another's deletion", familyID, others, cmdContextDelNtf, notification(), DeleteEvent{pair}},
		{"another's change", familyID, others, cmdContextNtf, notification(), ChangeEvent{pair}},
		{"our own deletion", familyID, ours, cmdContextDelNtf, notification(), nil},
		{"our own change", familyID, ours, cmdContextNtf, notification(), nil},
		{"a newer kernel's event", familyID, 0, 77, nil, nil},
		{"our family is gone", controllerID, 0, controllerDelFamily, familyMessage(familyID), GoneEvent{}},
		{"another family is gone", controllerID, 0, controllerDelFamily, familyMessage(familyID + 1), nil},
		{"a new family", controllerID, 0, 1, familyMessage(familyID), nil},
		{"a reply to somebody else", familyID + 1, 0, cmdContextDelNtf, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := genetlink.Message{Header: genetlink.Header{Command: c.command}, Data: c.data}
			got, err := e.parse(m, netlink.Header{Type: netlink.HeaderType(c.kind), PID: c.port})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got, addrCmp); d != "" {
				t.Error(d)
			}
		})
	}
}

// registered registers a socket with a function that stands for the kernel. The role is the one
// that joins no group, because a test's connection can't join any.
func registered(t *testing.T, fn genltest.Func) (*Events, error) {
	t.Helper()
	family := genetlink.Family{ID: familyID, Name: familyName, Version: familyVersion}
	return register(genltest.Dial(genltest.ServeFamily(family, fn)), RoleOutside, nil)
}

func TestRegister(t *testing.T) {
	var got []byte
	e, err := registered(t, genltest.CheckRequest(familyID, cmdDaemonRegister, netlink.Request|netlink.Acknowledge,
		func(m genetlink.Message, _ netlink.Message) ([]genetlink.Message, error) {
			got = m.Data
			return []genetlink.Message{{}}, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if want := []byte{4, 0, attrControlFromOutside, 0}; string(got) != string(want) {
		t.Errorf("registered with %x, wanted %x", got, want)
	}
}

func TestRegisterTaken(t *testing.T) {
	_, err := registered(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
		return nil, genltest.Error(int(syscall.EBUSY))
	})
	if !errors.Is(err, syscall.EBUSY) || !strings.Contains(err.Error(), "is another shim6d running?") {
		t.Errorf("a namespace that has a daemon: %v", err)
	}
}

// Events come from the registration on, and notifications about contexts even before it. Those that
// come before the acknowledgement, or with it, are not mistaken for the reply, and are not lost.
func TestRegisterToldEarly(t *testing.T) {
	told := func(command uint8, sequence, port uint32, data []byte) netlink.Message {
		b, err := genetlink.Message{Header: genetlink.Header{Command: command}, Data: data}.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return netlink.Message{Header: netlink.Header{Type: familyID, Sequence: sequence, PID: port}, Data: b}
	}
	acquire := eventData(func(e *encoder) {
		e.addr(attrControlUlidLocal, ulidA)
		e.addr(attrControlUlidPeer, locatorB)
	})
	var request netlink.Message
	var answers [][]netlink.Message
	conn := genetlink.NewConn(nltest.Dial(func(req []netlink.Message) ([]netlink.Message, error) {
		if len(req) > 0 {
			request = req[0]
			ack := netlink.Message{Header: request.Header, Data: make([]byte, 20)}
			ack.Header.Type = netlink.Error
			answers = [][]netlink.Message{
				// The request of another socket may have had the same sequence number.
				{told(cmdContextDelNtf, request.Header.Sequence, request.Header.PID+1, notification()), ack},
				{told(cmdContextNtf, 7, 8, notification())},
			}
			return []netlink.Message{told(cmdAcquireEvent, 0, 0, acquire)}, nil
		}
		next := answers[0]
		answers = answers[1:]
		return next, nil
	}))
	e := &Events{conn: conn, family: genetlink.Family{ID: familyID}}
	if err := e.enrol(RoleMain); err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]Event{
		{AcquireEvent{Local: ulidA, Peer: locatorB}, DeleteEvent{pair}},
		{ChangeEvent{pair}},
	} {
		got, err := e.Receive()
		if d := cmp.Diff(want, got, addrCmp); err != nil || d != "" {
			t.Error(err, d)
		}
	}
}

func TestReceiveOverflow(t *testing.T) {
	fail := 0
	e, err := registered(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
		if fail != 0 {
			return nil, syscall.Errno(fail)
		}
		return []genetlink.Message{{}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		errno    syscall.Errno
		overflow bool
	}{{syscall.ENOBUFS, true}, {syscall.EBADF, false}} {
		fail = int(c.errno)
		// The test's connection fails only after a request.
		if _, err := e.conn.Send(genetlink.Message{}, familyID, netlink.Request); err != nil {
			t.Fatal(err)
		}
		_, err = e.Receive()
		if err == nil || errors.Is(err, ErrOverflow) != c.overflow {
			t.Errorf("%v: %v", c.errno, err)
		}
	}
}

// congested returns a socket of the kernel that has lost messages, and a function that sends one
// more message to it. Each is a notification of a context; its FII is the message's number, from 0.
func congested(t *testing.T) (*netlink.Conn, func()) {
	t.Helper()
	return netlinktest.Congested(t, func(number uint32) netlink.Message {
		e := newEncoder(contextAttributes)
		e.ulids(ULIDs{Local: ulidA, Peer: ulidB, FII: number})
		attributes, _ := e.encode()
		b, err := genetlink.Message{Header: genetlink.Header{Command: cmdContextNtf}, Data: attributes}.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return netlink.Message{Header: netlink.Header{Type: familyID}, Data: b}
	})
}

// With a socket of the kernel: Receive returns the queued events before it reports the loss, and
// loses nothing after that.
func TestEventsOverflow(t *testing.T) {
	conn, send := congested(t)
	early := AcquireEvent{Local: ulidA, Peer: ulidB}
	e := &Events{conn: genetlink.NewConn(conn), family: genetlink.Family{ID: familyID}, early: []Event{early}}
	if got, err := e.Receive(); err != nil || len(got) != 1 || got[0] != early {
		t.Fatalf("what came early: %v, %v", got, err)
	}
	got, err := netlinktest.UntilError(e.Receive)
	if !errors.Is(err, ErrOverflow) || len(got) == 0 || len(got) == netlinktest.Sent {
		t.Fatalf("%d events, %v", len(got), err)
	}
	for i, ev := range got {
		if c, ok := ev.(ChangeEvent); !ok || c.FII != uint32(i) {
			t.Fatalf("event %d: %+v", i, ev)
		}
	}
	send()
	got, err = e.Receive()
	if c, ok := got[0].(ChangeEvent); err != nil || len(got) != 1 || !ok || c.FII != netlinktest.Sent {
		t.Errorf("after the loss: %+v, %v", got, err)
	}
	// Close still frees a Receive that waits.
	if err := netlinktest.Freed(t, e.Receive, e.Close); err == nil || errors.Is(err, ErrOverflow) {
		t.Error("after Close:", err)
	}
}

func TestSendControl(t *testing.T) {
	want := eventData(func(e *encoder) {
		e.addr(attrControlSource, ulidA)
		e.addr(attrControlDestination, locatorB)
		e.Bytes(attrControlMessage, []byte("message"))
		e.Uint32(attrControlLength, 1500)
	})
	got := requested(t, cmdControlSend, func(c *Client) error {
		return c.SendControl(ulidA, locatorB, EncapsulationNative, []byte("message"), 1500)
	})
	if string(got) != string(want) {
		t.Errorf("sent\n  %x, wanted\n  %x", got, want)
	}
}

func TestDeleteTagged(t *testing.T) {
	c, err := parseContext(requested(t, cmdContextDel, func(c *Client) error { return c.DeleteTagged(pair, 9) }))
	if err != nil {
		t.Fatal(err)
	}
	if c.ULIDs != pair || c.TagLocal == nil || *c.TagLocal != 9 {
		t.Errorf("asked to delete %+v", c)
	}
}

func TestLoaded(t *testing.T) {
	for _, c := range []struct {
		name string
		want bool
	}{{familyName, true}, {"shim7", false}} {
		family := genetlink.Family{ID: familyID, Name: c.name, Version: 1}
		got, err := loaded(genltest.Dial(genltest.ServeFamily(family, nil)))
		if err != nil || got != c.want {
			t.Errorf("with a family %q: %v, %v", c.name, got, err)
		}
	}
}
