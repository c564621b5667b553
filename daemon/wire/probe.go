// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// ProbeState is the state of a Probe's sender, as the Probe tells it (RFC 5534, section 5.2).
type ProbeState uint8

// The states of RFC 5534, section 5.2. A Sta of 3 is not legal.
const (
	// ProbeOperational: the sender has no problem, and believes that the receiver has none.
	ProbeOperational ProbeState = 0
	// ProbeExploring: the sender has a problem: it sees no packets.
	ProbeExploring ProbeState = 1
	// ProbeInboundOk: the sender sees packets, but the receiver has a problem, or has not said
	// that its problem is over.
	ProbeInboundOk ProbeState = 2
)

// String is the RFC's name of the state.
func (s ProbeState) String() string {
	switch s {
	case ProbeOperational:
		return "Operational"
	case ProbeExploring:
		return "Exploring"
	case ProbeInboundOk:
		return "InboundOk"
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// ProbeReport reports one Probe that was sent or received.
type ProbeReport struct {
	// Source is the Probe Source and Destination the Probe Destination: the addresses of the
	// packet that the Probe was in.
	Source, Destination netip.Addr
	// Nonce is the Probe Nonce, by which the Probe's sender recognizes it.
	Nonce uint32
	// Data is the Probe Data. Receivers copy it; it means nothing to them.
	Data uint32
}

// Probe tests a locator pair and reports on others (RFC 5534, section 5.2).
type Probe struct {
	// ReceiverContextTag is the tag that the receiver has allocated.
	ReceiverContextTag ContextTag
	// State is Sta.
	State ProbeState
	// Sent are 1 to 15 reports of Probes sent; the first is about this Probe.
	Sent []ProbeReport
	// Received are up to 15 reports of Probes received.
	Received []ProbeReport
	Options  Options // see Type.Lists
	Residue  *Residue
}

// MaxProbeReports is the most reports that a Probe can have in Sent, and in Received.
const MaxProbeReports = 15

// reportLen is the octets of a report.
const reportLen = 16 + 16 + 4 + 4

// Type returns TypeProbe.
func (m *Probe) Type() Type                   { return TypeProbe }
func (m *Probe) parts() (*Options, **Residue) { return &m.Options, &m.Residue }

// fixedLen is the octets before the options.
func (m *Probe) fixedLen() int { return 16 + reportLen*(len(m.Sent)+len(m.Received)) }

func (m *Probe) decodeFixed(b []byte) (int, *ProtocolError) {
	m.ReceiverContextTag = tagAt(b[6:])
	m.State = ProbeState(b[13] >> 6)
	sent, received := int(b[12]&0xf), int(b[12]>>4)
	if m.State > ProbeInboundOk {
		return 0, fail(TypeProbe, CodeDebugValue, 13, "Sta is %d", m.State)
	}
	if sent == 0 {
		return 0, fail(TypeProbe, CodeDebugValue, 12, "Psent is 0, and the probe itself is one")
	}
	n := 16 + reportLen*(sent+received)
	if n > len(b) {
		return 0, fail(TypeProbe, CodeDebugLength, 12, "%d reports sent and %d received end at octet %d of %d",
			sent, received, n, len(b))
	}
	reports := make([]ProbeReport, sent+received)
	for i := range reports {
		r := b[16+reportLen*i:]
		reports[i] = ProbeReport{
			Source: addrAt(r[:16]), Destination: addrAt(r[16:32]),
			Nonce: binary.BigEndian.Uint32(r[32:]), Data: binary.BigEndian.Uint32(r[36:]),
		}
	}
	m.Sent = reports[:sent:sent]
	if received > 0 {
		m.Received = reports[sent:]
	}
	return n, nil
}

func (m *Probe) appendFixed(b []byte, _ int) ([]byte, error) {
	if m.State > ProbeInboundOk {
		return b, fmt.Errorf("there is no %s", m.State)
	}
	if len(m.Sent) == 0 {
		return b, errors.New("no report of the probe itself")
	}
	if len(m.Sent) > MaxProbeReports || len(m.Received) > MaxProbeReports {
		return b, fmt.Errorf("%w: %d reports sent and %d received, and %d are the most of each", ErrTooLong,
			len(m.Sent), len(m.Received), MaxProbeReports)
	}
	b, err := appendTag(b, m.ReceiverContextTag)
	if err != nil {
		return b, err
	}
	b = append(b, byte(len(m.Received)<<4|len(m.Sent)), byte(m.State<<6), 0, 0)
	for _, reports := range [...][]ProbeReport{m.Sent, m.Received} {
		for i := range reports {
			if b, err = reports[i].append(b); err != nil {
				return b, err
			}
		}
	}
	return b, nil
}

func (r *ProbeReport) append(b []byte) ([]byte, error) {
	b, err := appendAddr(b, r.Source)
	if err != nil {
		return b, fmt.Errorf("Probe Source: %w", err)
	}
	if b, err = appendAddr(b, r.Destination); err != nil {
		return b, fmt.Errorf("Probe Destination: %w", err)
	}
	b = binary.BigEndian.AppendUint32(b, r.Nonce)
	return binary.BigEndian.AppendUint32(b, r.Data), nil
}
