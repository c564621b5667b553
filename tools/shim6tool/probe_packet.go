// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"shim6/daemon/wire"
)

const (
	// probeTries is how often each packet of a probe is sent, probeWait how long its answer may
	// take.
	probeTries = 3
	probeWait  = time.Second
	// smallMessage is the length in octets of an I1 with a Forked Instance Identifier.
	smallMessage = 24
	// paddingOption is not assigned (RFC 5533, section 17), and not critical: a host that does
	// not know it ignores it.
	paddingOption wire.OptionType = 16384 + 6
)

// outcome is what became of the packets of one kind and length.
type outcome struct {
	// length is that of the whole packet in octets, with the IPv6 header; 0 if none was sent.
	length   int
	answered bool
	rtt      time.Duration
	// failure is the error that came in place of an answer, and from its sender; nil if none came.
	failure *icmpError
	from    netip.Addr
}

// newI1 makes an I1 of that many octets. It is about a forked context with an FII that nobody has,
// so it does not touch existing contexts.
func newI1(octets int) (b []byte, nonce uint32, err error) {
	var random [16]byte
	// rand.Read never fails.
	_, _ = rand.Read(random[:])
	nonce = binary.BigEndian.Uint32(random[8:])
	m := &wire.I1{
		InitiatorContextTag: wire.ContextTag(binary.BigEndian.Uint64(random[:])) & wire.MaxContextTag,
		InitiatorNonce:      nonce,
		Options:             wire.Options{&wire.ForkedInstanceIdentifier{FII: binary.BigEndian.Uint32(random[12:]) | 1}},
	}
	if rest := octets - smallMessage; rest > 0 {
		m.Options = append(m.Options, &wire.UnknownOption{OptionType: paddingOption, Contents: make([]byte, rest-4)})
	}
	b, err = wire.Append(nil, m)
	return b, nonce, err
}

// carrier is how packets of Shim6 go: in UDP by a port, or natively if that is 0.
type carrier uint16

// overhead is how many octets it adds.
func (c carrier) overhead() int {
	if c == 0 {
		return 0
	}
	return wire.UDPHeaderLen
}

func (c carrier) send(n network, b []byte) error {
	if c == 0 {
		return n.control(b)
	}
	return n.datagram(uint16(c), b)
}

func sendI1(n network, how carrier, octets int) (outcome, error) {
	b, nonce, err := newI1(octets)
	if err != nil {
		return outcome{}, err
	}
	return sendControl(n, how, b, func(m wire.Message) bool {
		r, ok := m.(*wire.R1)
		return ok && r.InitiatorNonce == nonce
	}, func(quoted []byte) bool {
		// The nonce is in octets 12 to 15, which every error quotes.
		return len(quoted) >= 16 && binary.BigEndian.Uint32(quoted[12:]) == nonce
	})
}

// sendControl sends a packet of Shim6, and waits for a message that answers it or an error that
// quotes it.
func sendControl(n network, how carrier, b []byte, answers func(wire.Message) bool, quotes func([]byte) bool) (outcome, error) {
	return exchange(n, how.overhead()+len(b), func() error { return how.send(n, b) }, func(a arrival) (bool, *icmpError) {
		if a.udp != (how != 0) {
			return false, nil
		}
		if a.message != nil {
			m, err := wire.Decode(a.message)
			return err == nil && answers(m), nil
		}
		if a.failure != nil && a.control && quotes(a.quoted) {
			return false, a.failure
		}
		return false, nil
	})
}

// newPayload makes a payload header with a random tag, and fills the packet with zeros that nobody
// reads.
func newPayload(octets int) ([]byte, wire.ContextTag, error) {
	var random [8]byte
	// rand.Read never fails.
	_, _ = rand.Read(random[:])
	h := wire.PayloadHeader{NextHeader: unix.IPPROTO_NONE, ReceiverContextTag: wire.ContextTag(binary.BigEndian.Uint64(random[:])) & wire.MaxContextTag}
	b, err := h.Append(make([]byte, 0, octets))
	if err != nil {
		return nil, 0, err
	}
	return append(b, make([]byte, octets-len(b))...), h.ReceiverContextTag, nil
}

func sendPayload(n network, how carrier, octets int) (outcome, error) {
	b, tag, err := newPayload(octets)
	if err != nil {
		return outcome{}, err
	}
	return sendControl(n, how, b, func(m wire.Message) bool {
		r, ok := m.(*wire.R1bis)
		return ok && r.PacketContextTag == tag
	}, func(quoted []byte) bool {
		// The tag is in octets 2 to 7, which every error quotes.
		h, err := wire.DecodePayloadHeader(quoted)
		return err == nil && h.ReceiverContextTag == tag
	})
}

func sendEcho(n network, length int) (outcome, error) {
	data := make([]byte, max(length-ipv6HeaderLen-8, 8))
	_, _ = rand.Read(data[:8])
	return exchange(n, len(data)+8, func() error { return n.echo(data) }, func(a arrival) (bool, *icmpError) {
		if len(a.reply) == len(data) && string(a.reply[:8]) == string(data[:8]) {
			return true, nil
		}
		if a.failure != nil && !a.control {
			return false, a.failure
		}
		return false, nil
	})
}

// exchange sends a packet up to probeTries times, until there is an answer or an error.
func exchange(n network, octets int, send func() error, is func(arrival) (bool, *icmpError)) (outcome, error) {
	o := outcome{length: octets + ipv6HeaderLen}
	for range probeTries {
		start := time.Now()
		if err := send(); errors.Is(err, unix.EMSGSIZE) {
			// The host has learned a smaller MTU of the path meanwhile.
			mtu, err := n.mtu()
			if err != nil {
				return o, err
			}
			o.failure, o.from = &icmpError{icmpTooBig, 0, uint32(mtu)}, n.local()
			return o, nil
		} else if err != nil {
			return o, fmt.Errorf("sending from %v: %w (does a local firewall reject it?)", n.local(), err)
		}
		for left := probeWait; left > 0; left = probeWait - time.Since(start) {
			a, ok, err := n.receive(left)
			if err != nil {
				return o, fmt.Errorf("waiting for an answer: %w", err)
			}
			if !ok {
				break
			}
			answered, failure := is(a)
			if answered {
				o.answered, o.rtt = true, time.Since(start)
				return o, nil
			}
			if failure != nil {
				o.failure, o.from = failure, a.from
				return o, nil
			}
		}
	}
	return o, nil
}
