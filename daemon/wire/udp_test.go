// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"encoding/binary"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// udpVectors are the packets of docs/udp-encapsulation.md, which the test of the kernel uses as well.
func udpVectors(t *testing.T) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("../../tests/selftests/udp_vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	vectors := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if vectors[words[0]], err = hex.DecodeString(words[1]); err != nil {
			t.Fatalf("%s: %v", words[0], err)
		}
	}
	return vectors
}

// sum is the Internet checksum of octets, before it is complemented.
func sum(b []byte) uint32 {
	var n uint32
	for i, octet := range b {
		n += uint32(octet) << (8 * (1 - i%2))
	}
	for n>>16 != 0 {
		n = n&0xffff + n>>16
	}
	return n
}

func TestUDPVectors(t *testing.T) {
	const tagA, tagB = 0x123456789abc, 0x7edcba987654
	payload := map[string]PayloadHeader{
		"payload":      {NextHeader: 17, ReceiverContextTag: tagB},
		"payload-back": {NextHeader: 17, ReceiverContextTag: tagA},
		"options":      {NextHeader: 60, ReceiverContextTag: tagA},
		"fragment-1":   {NextHeader: 44, ReceiverContextTag: tagA},
		"fragment-2":   {NextHeader: 44, ReceiverContextTag: tagA},
	}
	messages := map[string]Message{
		"keepalive":      &Keepalive{ReceiverContextTag: tagB},
		"keepalive-back": &Keepalive{ReceiverContextTag: tagA},
		"i1":             &I1{InitiatorContextTag: 0x0123456789ab, InitiatorNonce: 0xdeadbeef},
	}
	vectors := udpVectors(t)
	if len(vectors) != len(payload)+len(messages) {
		t.Errorf("%d vectors, of which the test knows %d", len(vectors), len(payload)+len(messages))
	}
	for name, p := range vectors {
		t.Run(name, func(t *testing.T) {
			ip, udp := p[:40], p[40:]
			if ip[6] != 17 || int(binary.BigEndian.Uint16(ip[4:])) != len(udp) || int(binary.BigEndian.Uint16(udp[4:])) != len(udp) {
				t.Errorf("Next Header %d, lengths %x and %x of %d octets", ip[6], ip[4:6], udp[4:6], len(udp))
			}
			if from, to := binary.BigEndian.Uint16(udp), binary.BigEndian.Uint16(udp[2:]); from != 61140 || to != 61140 {
				t.Errorf("ports %d and %d", from, to)
			}
			pseudo := binary.BigEndian.AppendUint32(append([]byte{}, ip[8:40]...), uint32(len(udp)))
			pseudo = append(pseudo, 0, 0, 0, 17)
			if s := sum(append(pseudo, udp...)); s != 0xffff {
				t.Errorf("the UDP checksum is wrong: the sum is %#x", s)
			}
			body := udp[8:]
			want, isPayload := payload[name]
			if IsPayload(body) != isPayload {
				t.Fatalf("payload: %v", !isPayload)
			}
			if isPayload {
				got, err := DecodePayloadHeader(body)
				if d := cmp.Diff(want, got); err != nil || d != "" {
					t.Errorf("%v\n%s", err, d)
				}
				return
			}
			got, err := Decode(body)
			if d := cmp.Diff(messages[name], got); err != nil || d != "" {
				t.Errorf("%v\n%s", err, d)
			}
			again, err := Append(nil, messages[name])
			if d := cmp.Diff(body, again); err != nil || d != "" {
				t.Errorf("encoded: %v\n%s", err, d)
			}
		})
	}
}
