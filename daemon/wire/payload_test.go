// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"errors"
	"testing"

	"shim6/tools/conformance/shows"
)

func TestPayloadHeader(t *testing.T) {
	for _, test := range []struct {
		octets string
		header PayloadHeader
		shows  string
	}{
		{"06 00 92 34 56 78 9a bc", PayloadHeader{NextHeader: 6, ReceiverContextTag: 0x123456789abc}, "5533-4.1-01 5533-5-02 5533-5.1-01 5533-5.1-03"},
		{"11 00 ff ff ff ff ff ff", PayloadHeader{NextHeader: 17, ReceiverContextTag: MaxContextTag}, "5533-4.1-01 5533-5.1-03"},
		{"2c 00 80 00 00 00 00 00", PayloadHeader{NextHeader: 44}, ""},
	} {
		shows.IDs(t, test.shows)
		b := octets(t, test.octets)
		got, err := test.header.Append([]byte("x"))
		if err != nil || !bytes.Equal(got, append([]byte("x"), b...)) {
			t.Errorf("appended % x: %v; want % x", got, err, b)
		}
		if h, err := DecodePayloadHeader(append(b, "payload"...)); err != nil || h != test.header {
			t.Errorf("decoded %+v: %v; want %+v", h, err, test.header)
		}
		if !IsPayload(b) {
			t.Errorf("% x is no payload header", b)
		}
		if tag, ok := ReceiverContextTag(b); !ok || tag != test.header.ReceiverContextTag {
			t.Errorf("% x has the tag %v, %t", b, tag, ok)
		}
	}
}

func TestPayloadHeaderErrors(t *testing.T) {
	for _, test := range []struct {
		octets  string
		code    ErrorCode
		pointer int
		shows   string
	}{
		{"", CodeDebugLength, 0, ""},
		{"06 00 80 00 00 00 00", CodeDebugLength, 0, ""},
		{"06 01 80 00 00 00 00 00", CodeDebugLength, 1, ""},
		{"3b 01 42 00 00 00 00 00", CodeDebugKind, 2, "5533-5.1-03"},
	} {
		shows.IDs(t, test.shows)
		_, err := DecodePayloadHeader(octets(t, test.octets))
		var e *ProtocolError
		if !errors.As(err, &e) || e.Code != test.code || e.Pointer != test.pointer || e.Answer() {
			t.Errorf("%s: %v", test.octets, err)
		}
	}
	shows.IDs(t, "5533-4.1-01")
	b := []byte("x")
	if got, err := (PayloadHeader{ReceiverContextTag: 1 << 47}).Append(b); err == nil || !bytes.Equal(got, b) {
		t.Errorf("a tag of 48 bits: % x, %v", got, err)
	}
}

// Some headers have a Receiver Context Tag, whole or cut short; the others have none.
func TestReceiverContextTag(t *testing.T) {
	shows.IDs(t, "5533-4.4-01")
	has := map[Type]bool{TypeUpdateRequest: true, TypeUpdateAcknowledgement: true, TypeKeepalive: true, TypeProbe: true}
	for kind := range Type(128) {
		b := octets(t, "3b 01 00 00 00 00 ff ff ff ff ff fe 00 00 00 00")
		b[2] = byte(kind)
		for n := range b {
			tag, ok := ReceiverContextTag(b[:n])
			if ok != (has[kind] && n >= 12) || ok && tag != MaxContextTag-1 {
				t.Errorf("%s, %d octets: %v, %t", kind, n, tag, ok)
			}
		}
	}
	b := octets(t, "3b 00 80 00 00 00 00 01")
	for n := range b {
		if tag, ok := ReceiverContextTag(b[:n]); ok {
			t.Errorf("%d octets of a payload header: %v", n, tag)
		}
	}
	if got, want := ContextTag(0xabc).String(), "000000000abc"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
