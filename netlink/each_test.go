// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"testing"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// datagram has messages of a dump, as the kernel sends them.
func datagram(t *testing.T, list ...netlink.Message) []byte {
	t.Helper()
	var all []byte
	for _, m := range list {
		for len(m.Data)%messageAlign != 0 {
			m.Data = append(m.Data, 0)
		}
		m.Header.Length = uint32(messageLen + len(m.Data))
		b, err := m.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// contextMessage has one context in a dump of this sequence number.
func contextMessage(t *testing.T, sequence uint32, flags netlink.HeaderFlags) netlink.Message {
	t.Helper()
	e := newEncoder(contextAttributes)
	e.ulids(pair)
	e.Uint64(attrContextSentOctets, 5)
	b, err := e.encode()
	if err != nil {
		t.Fatal(err)
	}
	g, err := genetlink.Message{Header: genetlink.Header{Command: cmdContextGet}, Data: b}.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return netlink.Message{Header: netlink.Header{Type: familyID, Sequence: sequence, Flags: netlink.Multi | flags}, Data: g}
}

func finished(code int32) netlink.Message {
	return netlink.Message{Header: netlink.Header{Type: netlink.Done, Sequence: 7}, Data: binary.NativeEndian.AppendUint32(nil, uint32(code))}
}

func TestEach(t *testing.T) {
	count := 0
	e := each{sequence: 7, do: func(c *Context) error {
		count++
		if c.ULIDs != pair || c.SentOctets != 5 {
			t.Errorf("%+v", c)
		}
		return nil
	}}
	err := errors.Join(e.read(datagram(t, contextMessage(t, 7, 0), contextMessage(t, 6, 0), contextMessage(t, 7, 0))), e.read(datagram(t, contextMessage(t, 7, netlink.DumpInterrupted))))
	if err != nil || e.done || count != 3 || !e.interrupted {
		t.Errorf("%v, %d contexts, %+v", err, count, e)
	}
	if err := e.read(datagram(t, finished(0))); err != nil || !e.done {
		t.Errorf("the end: %v, %+v", err, e)
	}
}

// An error of the caller ends nothing: what the kernel still sends is read, or the next request would
// get it.
func TestEachFails(t *testing.T) {
	broken, count := errors.New("broken"), 0
	e := each{sequence: 7, do: func(*Context) error { count++; return broken }}
	if err := e.read(datagram(t, contextMessage(t, 7, 0), contextMessage(t, 7, 0), finished(0))); err != nil || !e.done || e.err != broken || count != 1 {
		t.Errorf("%v, %+v, called %d times", err, e, count)
	}
	for name, b := range map[string][]byte{
		"short": make([]byte, messageLen-1), "no length": make([]byte, messageLen),
		"cut off":  datagram(t, contextMessage(t, 7, 0))[:40],
		"no ULIDs": datagram(t, netlink.Message{Header: netlink.Header{Type: familyID, Sequence: 7}, Data: make([]byte, 4)}),
	} {
		e := each{sequence: 7, do: func(*Context) error { return nil }}
		if err := e.read(b); err == nil && e.err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	e = each{sequence: 7}
	if err := e.read(datagram(t, finished(-int32(unix.ENOENT)))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the kernel's error: %v", err)
	}
}
