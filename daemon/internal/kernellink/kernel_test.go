// SPDX-License-Identifier: BSD-3-Clause

package kernellink

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"shim6/daemon/internal/engine"
	"shim6/netlink"
	"shim6/tools/conformance/shows"
)

var (
	a1 = netip.MustParseAddr("2001:db8:1::a")
	a2 = netip.MustParseAddr("2001:db8:2::a")
	b1 = netip.MustParseAddr("2001:db8:1::b")
	b2 = netip.MustParseAddr("2001:db8:2::b")

	ulids    = engine.ULIDs{Local: a1, Peer: b1, FII: 7}
	asKernel = netlink.ULIDs{Local: a1, Peer: b1, FII: 7}
	compare  = cmp.Options{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmpopts.EquateEmpty()}

	full = engine.KernelContext{
		ULIDs: ulids, TagLocal: 5, TagPeer: 6, HasTagPeer: true, State: engine.Established,
		Locator: engine.Pair{Local: a2, Peer: b2}, Inbound: engine.Pair{Local: a1, Peer: b2},
		LocatorsLocal: []netip.Addr{a1, a2}, LocatorsPeer: []netip.Addr{b2},
		SendTimeout: 15 * time.Second, KeepaliveTimeout: 10 * time.Second,
		ReapState: engine.ReapExploring, ReapTimer: engine.ReapTimerSend,
	}
	fullUpdate = netlink.ContextUpdate{
		TagPeer: pointer(uint64(6)), State: pointer(netlink.ContextStateEstablished),
		LocatorLocal: &a2, LocatorPeer: &b2, InboundLocatorLocal: &a1, InboundLocatorPeer: &b2,
		LocatorsLocal: &full.LocatorsLocal, LocatorsPeer: &full.LocatorsPeer,
		SendTimeout: &full.SendTimeout, KeepaliveTimeout: &full.KeepaliveTimeout,
		ReapState: pointer(netlink.ReapStateExploring),
	}
)

// fake is a kernel that notes its calls.
type fake struct {
	ulids    netlink.ULIDs
	tag      uint64
	update   *netlink.ContextUpdate
	message  string
	contexts []netlink.Context
	err      error
}

func (f *fake) NewContext(u netlink.ULIDs, tag uint64, c netlink.ContextUpdate) error {
	f.ulids, f.tag, f.update = u, tag, &c
	return f.err
}

func (f *fake) SetContext(u netlink.ULIDs, c netlink.ContextUpdate) error {
	f.ulids, f.update = u, &c
	return f.err
}

func (f *fake) DeleteTagged(u netlink.ULIDs, tag uint64) error {
	f.ulids, f.tag = u, tag
	return f.err
}

func (f *fake) Contexts() ([]netlink.Context, error) { return f.contexts, f.err }

func (f *fake) SendControl(source, destination netip.Addr, how netlink.Encapsulation, message []byte, length int) error {
	f.message = fmt.Sprint(source, destination, how, string(message), length)
	return f.err
}

func (f *fake) SetConfig(netlink.ConfigUpdate) error { return f.err }

func TestNew(t *testing.T) {
	var f fake
	if err := New(&f, engine.ContextNew{Context: full}); err != nil {
		t.Fatal(err)
	}
	if f.ulids != asKernel || f.tag != 5 {
		t.Errorf("made %v with tag %d", f.ulids, f.tag)
	}
	if d := cmp.Diff(&fullUpdate, f.update, compare); d != "" {
		t.Error(d)
	}
	// Fields that a new context does not have are not told.
	if err := New(&f, engine.ContextNew{Context: engine.KernelContext{ULIDs: ulids, TagLocal: 5, TagPeer: 6, State: engine.I1Sent}}); err != nil {
		t.Fatal(err)
	}
	want := &netlink.ContextUpdate{State: pointer(netlink.ContextStateI1Sent), LocatorsLocal: &[]netip.Addr{}, LocatorsPeer: &[]netip.Addr{}}
	if d := cmp.Diff(want, f.update, compare); d != "" {
		t.Error(d)
	}
}

// Each field sets its attributes, and no others.
func TestSet(t *testing.T) {
	for _, c := range []struct {
		field engine.Fields
		want  netlink.ContextUpdate
	}{
		{engine.FieldTagPeer, netlink.ContextUpdate{TagPeer: fullUpdate.TagPeer}},
		{engine.FieldState, netlink.ContextUpdate{State: fullUpdate.State}},
		{engine.FieldLocator, netlink.ContextUpdate{LocatorLocal: &a2, LocatorPeer: &b2}},
		{engine.FieldLocatorsLocal, netlink.ContextUpdate{LocatorsLocal: &full.LocatorsLocal}},
		{engine.FieldLocatorsPeer, netlink.ContextUpdate{LocatorsPeer: &full.LocatorsPeer}},
		{engine.FieldInbound, netlink.ContextUpdate{InboundLocatorLocal: &a1, InboundLocatorPeer: &b2}},
		{engine.FieldSendTimeout, netlink.ContextUpdate{SendTimeout: &full.SendTimeout}},
		{engine.FieldKeepaliveTimeout, netlink.ContextUpdate{KeepaliveTimeout: &full.KeepaliveTimeout}},
		{engine.FieldReapState, netlink.ContextUpdate{ReapState: fullUpdate.ReapState}},
		{engine.FieldReapTimer, netlink.ContextUpdate{ReapTimer: pointer(netlink.ReapTimerSend)}},
		{engine.FieldsAll, fullUpdate},
	} {
		var f fake
		if err := Set(&f, engine.ContextSet{Context: full, Fields: c.field}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(&c.want, f.update, compare); d != "" || f.ulids != asKernel {
			t.Errorf("field %b of %v: %s", c.field, f.ulids, d)
		}
	}
	// A pair that is not native says so; it is another pair.
	carried := full
	carried.Locator.Encapsulation, carried.Inbound.Encapsulation = engine.UDP, engine.UDP
	var f fake
	if err := Set(&f, engine.ContextSet{Context: carried, Fields: engine.FieldLocator | engine.FieldInbound}); err != nil {
		t.Fatal(err)
	}
	udp := pointer(netlink.EncapsulationUdp)
	want := netlink.ContextUpdate{LocatorLocal: &a2, LocatorPeer: &b2, Encapsulation: udp,
		InboundLocatorLocal: &a1, InboundLocatorPeer: &b2, InboundEncapsulation: udp}
	if d := cmp.Diff(&want, f.update, compare); d != "" || carried.Locator == full.Locator {
		t.Error(d)
	}
	f = fake{}
	if err := Set(&f, engine.ContextSet{Context: engine.KernelContext{ULIDs: ulids}, Fields: engine.FieldReapTimer}); err != nil || f.update != nil {
		t.Errorf("nothing to set: %v, %v", f.update, err)
	}
}

func TestDelete(t *testing.T) {
	for _, c := range []struct{ err, want error }{
		{nil, nil},
		{&netlink.Error{Err: fs.ErrNotExist}, nil},
		{fs.ErrPermission, fs.ErrPermission},
	} {
		f := fake{err: c.err}
		if err := Delete(&f, engine.ContextDel{ULIDs: ulids, TagLocal: 5}); !errors.Is(err, c.want) {
			t.Errorf("%v: %v", c.err, err)
		}
		if f.ulids != asKernel || f.tag != 5 {
			t.Errorf("deleted %v with tag %d", f.ulids, f.tag)
		}
	}
}

func TestSend(t *testing.T) {
	var f fake
	for _, how := range []engine.Encapsulation{engine.Native, engine.UDP} {
		err := Send(&f, engine.Send{Source: a1, Destination: b2, Encapsulation: how, Message: []byte("Probe"), Length: 1500})
		if err != nil || f.message != fmt.Sprint(a1, b2, how, "Probe", 1500) {
			t.Errorf("sent %q, %v", f.message, err)
		}
	}
}

func TestDump(t *testing.T) {
	f := fake{contexts: []netlink.Context{{
		ULIDs: asKernel, TagLocal: pointer(uint64(5)), TagPeer: pointer(uint64(6)), State: netlink.ContextStateEstablished,
		LocatorLocal: a2, LocatorPeer: b2, LocatorsLocal: []netip.Addr{a1, a2}, LocatorsPeer: []netip.Addr{b2},
		InboundLocatorLocal: a1, InboundLocatorPeer: b2, SendTimeout: 15 * time.Second, KeepaliveTimeout: 10 * time.Second,
		ReapState: netlink.ReapStateExploring,
	}, {
		ULIDs: asKernel, TagLocal: pointer(uint64(8)), State: netlink.ContextStateI1Sent,
	}}}
	got, err := Dump(&f)
	if err != nil {
		t.Fatal(err)
	}
	adopted := full
	adopted.ReapTimer = 0
	want := []engine.KernelContext{adopted, {ULIDs: ulids, TagLocal: 8, State: engine.I1Sent}}
	if d := cmp.Diff(want, got, compare); d != "" {
		t.Error(d)
	}
	f.contexts[0].Encapsulation, f.contexts[1].Encapsulation = netlink.EncapsulationUdp, netlink.EncapsulationNative
	f.contexts[0].InboundEncapsulation = netlink.EncapsulationUdp
	want[0].Locator.Encapsulation, want[0].Inbound.Encapsulation = engine.UDP, engine.UDP
	if got, err = Dump(&f); err != nil || !cmp.Equal(want, got, compare) {
		t.Errorf("%v: %s", err, cmp.Diff(want, got, compare))
	}
	f.contexts[0].TagLocal = nil
	if _, err := Dump(&f); !errors.Is(err, errNoTags) {
		t.Error("without tags:", err)
	}
	f.err = netlink.ErrInterrupted
	if _, err := Dump(&f); !errors.Is(err, netlink.ErrInterrupted) {
		t.Error(err)
	}
}

// The numbers of the kernel and the engine are the same.
func TestNumbers(t *testing.T) {
	for _, c := range []struct{ engine, kernel int }{
		{int(engine.I1Sent), int(netlink.ContextStateI1Sent)},
		{int(engine.I2Sent), int(netlink.ContextStateI2Sent)},
		{int(engine.Established), int(netlink.ContextStateEstablished)},
		{int(engine.I2bisSent), int(netlink.ContextStateI2bisSent)},
		{int(engine.ReapOperational), int(netlink.ReapStateOperational)},
		{int(engine.ReapExploring), int(netlink.ReapStateExploring)},
		{int(engine.ReapInboundOK), int(netlink.ReapStateInboundOk)},
		{int(engine.ReapTimerNone), int(netlink.ReapTimerNone)},
		{int(engine.ReapTimerSend), int(netlink.ReapTimerSend)},
		{int(engine.ReapTimerKeepalive), int(netlink.ReapTimerKeepalive)},
		{int(engine.ReapSendTimeout), int(netlink.ReapEventSendTimeout)},
		{int(engine.ReapInbound), int(netlink.ReapEventInbound)},
		{int(engine.ReapPayload), int(netlink.ReapEventPayload)},
		{int(engine.ReapRetransmission), int(netlink.ReapEventRetransmission)},
		{int(engine.ReapSilence), int(netlink.ReapEventSilence)},
		{int(engine.ReapResumption), int(netlink.ReapEventResumption)},
		{int(engine.ReapUnanswered), int(netlink.ReapEventUnanswered)},
		{int(engine.ReapFeedback), int(netlink.ReapEventFeedback)},
		{engine.MaxLocators, netlink.LocatorsLimit},
		{int(engine.Native) + 1, int(netlink.EncapsulationNative)},
		{int(engine.UDP) + 1, int(netlink.EncapsulationUdp)},
	} {
		if c.engine != c.kernel {
			t.Errorf("%d is %d for the kernel", c.engine, c.kernel)
		}
	}
}

func TestEvent(t *testing.T) {
	asked := netip.Addr{}
	inUse := func(local, peer netip.Addr) bool {
		asked = peer
		return local == a1
	}
	for _, c := range []struct {
		in   netlink.Event
		want engine.Event
	}{
		{netlink.ControlEvent{Source: b1, Destination: a1, Message: []byte{1}}, engine.Control{Source: b1, Destination: a1, Message: []byte{1}}},
		{netlink.NoContextEvent{Source: b1, Destination: a1, Tag: 9}, engine.NoContext{Source: b1, Destination: a1, Tag: 9}},
		{netlink.ControlEvent{Source: b1, Destination: a1, Message: []byte{1}, Encapsulation: netlink.EncapsulationUdp},
			engine.Control{Source: b1, Destination: a1, Message: []byte{1}, Encapsulation: engine.UDP}},
		{netlink.NoContextEvent{Source: b1, Destination: a1, Tag: 9, Encapsulation: netlink.EncapsulationUdp},
			engine.NoContext{Source: b1, Destination: a1, Tag: 9, Encapsulation: engine.UDP}},
		{netlink.AcquireEvent{Local: a1, Peer: b1, Packets: 45}, engine.Acquire{Local: a1, Peer: b1}},
		{netlink.ReapNotice{ULIDs: asKernel, Tag: 5, Event: netlink.ReapEventInbound}, engine.Reap{ULIDs: ulids, Tag: 5, Kind: engine.ReapInbound}},
		{netlink.ReapNotice{ULIDs: asKernel, Tag: 5, Event: netlink.ReapEventRetransmission, RTT: time.Second, Deviation: time.Millisecond, Retransmits: 3, Length: 1500, Progress: true},
			engine.Reap{ULIDs: ulids, Tag: 5, Kind: engine.ReapRetransmission, Stall: engine.Stall{RTT: time.Second, Deviation: time.Millisecond, Retransmits: 3, Length: 1500, Progress: true}}},
		{netlink.ExpireEvent{ULIDs: asKernel, Tag: 5, Idle: time.Hour}, engine.Expire{ULIDs: ulids, Tag: 5, Idle: time.Hour, InUse: true}},
		{netlink.ICMPEvent{Type: 4, Code: 1, Info: 6, Source: a1, Destination: b1, ULIDs: asKernel, Message: []byte{2}},
			engine.ICMP{Type: 4, Code: 1, Info: 6, Source: a1, Destination: b1, ULIDs: ulids, Message: []byte{2}}},
		{netlink.SocketEvent{ULIDs: asKernel, Standby: true, SendTimeout: time.Minute}, engine.Wish{ULIDs: ulids, Standby: true, SendTimeout: time.Minute}},
		{netlink.GoneEvent{}, nil},
		{netlink.DeleteEvent{}, nil},
	} {
		if d := cmp.Diff(c.want, Event(c.in, inUse), compare); d != "" {
			t.Errorf("%T: %s", c.in, d)
		}
	}
	if asked != b1 {
		t.Errorf("asked for a socket with %v", asked)
	}
}

const table = `  sl  local_address                         remote_address                        st tx_queue
   0: 00000000000000000000000001000000:9B23 00000000000000000000000000000000:0000 0A 00000000:00000001
   1: B80D0120010000000000000A00000000:9B23 B80D0120020000000000000B00000000:C784 01 00000000:00000000
short
`

func TestConnected(t *testing.T) {
	shows.IDs(t, "5533-9-02")
	// This is a table of a host in our byte order.
	local, peer := procAddress(a1), procAddress(b1)
	line := func(local, peer, state string) string {
		return table + "   2: " + local + ":0016 " + peer + ":C784 " + state + " 0\n"
	}
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"no socket", table, false},
		{"connected", line(local, peer, "01"), true},
		{"closing", line(local, peer, "08"), true},
		{"in TIME_WAIT", line(local, peer, "06"), false},
		{"closed", line(local, peer, "07"), false},
		{"the other way", line(peer, local, "01"), false},
		{"to nobody", line(local, strings.Repeat("0", 32), "07"), false},
		{"of any address", line(strings.Repeat("0", 32), peer, "01"), false},
		{"short", line(local[:31], peer, "01"), false},
		{"no number", line(local, "g"+peer[1:], "01"), false},
		{"nothing", "", false},
	} {
		pairs := map[endpoints]struct{}{}
		err := readSockets(strings.NewReader(c.text), pairs)
		if _, got := pairs[endpoints{a1.As16(), b1.As16()}]; err != nil || got != c.want {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
	if err := readSockets(strings.NewReader(strings.Repeat("x", 1<<17)), nil); err == nil {
		t.Error("a line without an end is read")
	}
}

// procAddress is an address as the tables have it.
func procAddress(a netip.Addr) string {
	b := a.As16()
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	return strings.ToUpper(hex.EncodeToString(b[:]))
}

// If many contexts expire at once, the tables are read once a second.
func TestSocketsAge(t *testing.T) {
	clock, reads := time.Unix(1, 0), 0
	text := table
	var fails error
	s := sockets{
		now: func() time.Time { return clock },
		open: func(string) (io.ReadCloser, error) {
			reads++
			return io.NopCloser(strings.NewReader(text)), fails
		},
	}
	ask := func(want bool, times int) {
		t.Helper()
		for range 1000 {
			if got := s.connected(a1, b1); got != want {
				t.Fatalf("connected: %v", got)
			}
		}
		if reads != times*len(socketTables) {
			t.Errorf("%d tables were read", reads)
		}
	}
	ask(false, 1)
	text += "   2: " + procAddress(a1) + ":0016 " + procAddress(b1) + ":C784 01 0\n"
	clock = clock.Add(socketsAge - 1)
	ask(false, 1)
	clock = clock.Add(1)
	ask(true, 2)
	text = table
	clock = clock.Add(socketsAge)
	ask(false, 3)
	// A context whose sockets can't be known is not discarded. The tables are not read again
	// at once.
	clock, fails = clock.Add(socketsAge), errors.New("no memory")
	for range 10 {
		if !s.connected(a1, b1) {
			t.Error("the tables can't be read, and nobody is connected")
		}
	}
	if reads != 3*len(socketTables)+1 {
		t.Errorf("%d tables were read", reads)
	}
}

// The tables of this host have a connection.
func TestInUse(t *testing.T) {
	if _, err := os.Stat(socketTables[0]); err != nil {
		t.Skip(err)
	}
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	if new(Connection).InUse(netip.IPv6Loopback(), a1) {
		t.Error("a listening socket is no connection")
	}
	c, err := net.Dial("tcp6", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !new(Connection).InUse(netip.IPv6Loopback(), netip.IPv6Loopback()) {
		t.Error("a connection is not seen")
	}
	old := socketTables
	defer func() { socketTables = old }()
	socketTables = []string{"/none"}
	if !new(Connection).InUse(a1, b1) {
		t.Error("what can't be known is not to be discarded")
	}
}

// receiver returns its events, and then an error.
type receiver struct {
	batches [][]netlink.Event
	errs    []error
	closed  chan struct{}
}

func (r *receiver) Receive() ([]netlink.Event, error) {
	if len(r.errs) == 0 {
		<-r.closed
		return nil, net.ErrClosed
	}
	ev, err := r.batches[0], r.errs[0]
	r.batches, r.errs = r.batches[1:], r.errs[1:]
	return ev, err
}

func (r *receiver) Close() error {
	close(r.closed)
	return nil
}

func TestListen(t *testing.T) {
	ev := []netlink.Event{netlink.AcquireEvent{Local: a1, Peer: b1}}
	dead := errors.New("dead")
	c := &Connection{done: make(chan struct{})}
	r := &receiver{[][]netlink.Event{ev, nil, ev, nil}, []error{nil, netlink.ErrOverflow, nil, dead}, make(chan struct{})}
	ch := c.listen(r)
	for i, want := range []Batch{{Events: ev}, {Lost: true}, {Events: ev}, {Err: dead}} {
		got := <-ch
		if len(got.Events) != len(want.Events) || got.Lost != want.Lost || got.Err != want.Err {
			t.Errorf("batch %d: %+v, wanted %+v", i, got, want)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	// Close ends a receiver that waits.
	c = &Connection{done: make(chan struct{})}
	c.listen(&receiver{closed: make(chan struct{})})
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
