// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"encoding/binary"
	"net/netip"
	"os"
	"testing"
)

// Link types of captures.
const (
	linkEthernet = 1
	linkIPv6     = 229
)

// readPcap returns the frames of an Ethernet capture, as tcpdump writes it on a little-endian
// machine.
func readPcap(t testing.TB, name string) (frames [][]byte) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < 24 || binary.LittleEndian.Uint32(b) != 0xa1b2c3d4 || binary.LittleEndian.Uint32(b[20:]) != linkEthernet {
		t.Fatalf("%s is no capture of Ethernet", name)
	}
	for b = b[24:]; len(b) > 0; {
		n := binary.LittleEndian.Uint32(b[8:])
		if n != binary.LittleEndian.Uint32(b[12:]) {
			t.Fatalf("%s: frame %d is cut", name, len(frames)+1)
		}
		frames = append(frames, b[16:16+n])
		b = b[16+n:]
	}
	return frames
}

// writePcap writes a capture of IPv6 packets.
func writePcap(t testing.TB, name string, packets [][]byte) {
	t.Helper()
	var b []byte
	u16, u32 := binary.LittleEndian.AppendUint16, binary.LittleEndian.AppendUint32
	b = u32(u16(u16(u32(b, 0xa1b2c3d4), 2), 4), 0)
	b = u32(u32(u32(b, 0), 65535), linkIPv6)
	for i, p := range packets {
		b = u32(u32(u32(u32(b, uint32(i)), 0), uint32(len(p))), uint32(len(p)))
		b = append(b, p...)
	}
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// packetOf puts an IPv6 header before a Shim6 header and the octets after it.
func packetOf(t testing.TB, source, destination netip.Addr, b []byte) []byte {
	t.Helper()
	p := binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(b)))
	p = append(p, 140, 64)
	s, d := source.As16(), destination.As16()
	return append(append(append(p, s[:]...), d[:]...), b...)
}
