// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// After an overflow what is queued comes before the loss, and what comes then is
// received. The socket is the kernel's own, in place of rtnetlink's.
func TestReceiveOverflow(t *testing.T) {
	// Tests of other packages run at the same time.
	group := uint32(1) << (os.Getpid() % 32)
	conn, err := netlink.Dial(unix.NETLINK_USERSOCK, &netlink.Config{Groups: group})
	if errors.Is(err, fs.ErrPermission) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadBuffer(8192); err != nil {
		t.Fatal(err)
	}
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_USERSOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(s)
	send := func(number uint32) {
		b, err := netlink.Message{Header: netlink.Header{Length: 20, Type: unix.RTM_NEWADDR, Sequence: number}, Data: make([]byte, 4)}.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		// It is refused by port 0, where nobody is, after the group has it.
		if err := unix.Sendto(s, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: group}); err != nil && err != unix.ECONNREFUSED {
			t.Fatal(err)
		}
	}
	const sent = 1000
	for i := range sent {
		send(uint32(i))
	}
	w := &Watcher{events: conn}
	var got []netlink.Message
	for err == nil {
		var messages []netlink.Message
		messages, err = w.Receive()
		got = append(got, messages...)
	}
	if !errors.Is(err, ErrOverflow) || len(got) == 0 || len(got) == sent {
		t.Fatalf("%d messages, %v", len(got), err)
	}
	for i, m := range got {
		if m.Header.Sequence != uint32(i) {
			t.Fatalf("message %d: %+v", i, m)
		}
	}
	send(sent)
	got, err = w.Receive()
	if err != nil || len(got) != 1 || got[0].Header.Sequence != sent {
		t.Errorf("after the loss: %+v, %v", got, err)
	}
	// One that waits is still freed when the socket is closed.
	freed := make(chan error)
	go func() {
		_, err := w.Receive()
		freed <- err
	}()
	time.Sleep(10 * time.Millisecond)
	conn.Close()
	if err := <-freed; err == nil || errors.Is(err, ErrOverflow) {
		t.Error("after Close:", err)
	}
}
