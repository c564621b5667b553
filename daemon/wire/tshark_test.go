// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shim6/tools/conformance/shows"
)

// tshark finds the program. If it is missing, the test is skipped, or fails with SHIM6_NO_SKIP=1.
func tshark(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("tshark")
	if err == nil {
		return path
	}
	if os.Getenv("SHIM6_NO_SKIP") == "1" {
		t.Fatal("tshark is not installed, and SHIM6_NO_SKIP=1 lets nothing be skipped")
	}
	t.Skip("tshark is not installed")
	return ""
}

// dissect lets tshark read packets, and returns a line of fields for each.
func dissect(t *testing.T, packets [][]byte, fields ...string) []string {
	t.Helper()
	program := tshark(t)
	name := filepath.Join(t.TempDir(), "wire.pcap")
	writePcap(t, name, packets)
	args := []string{"-r", name, "-T", "fields", "-E", "separator=,"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	var stderr strings.Builder
	cmd := exec.Command(program, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.String())
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// tshark reads what we write: the protocol, the P bit, the type and a right checksum. Its version
// 4.0 reads the other fields of control messages from wrong octets, so they prove nothing.
func TestTshark(t *testing.T) {
	shows.IDs(t, "5533-5-01 5533-5.1-02 5533-5.1-03 5533-5.3-03 5533-5.3-08 5533-5.3-09 5533-5.3-12 5533-5.3-13",
		"5533-5.3-14 5533-5.3-15 5533-5.3-16 5533-5.3-17 5533-5.3-18 5533-5.3-19 5533-5.3-20 5533-5.3-21",
		"5533-5.3-22")
	const good, bad = 1, 0
	var packets [][]byte
	var want []string
	add := func(b []byte, p int, kind, status any) {
		packets = append(packets, packetOf(t, ulidA, ulidB, b))
		want = append(want, fmt.Sprintf("%d,%d,%d,%v,%v", Protocol, len(b), p, kind, status))
	}
	messages := everyMessage()
	for _, g := range goldens {
		messages = append(messages, g.message)
	}
	for _, m := range messages {
		b, err := Append(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		add(b, 0, uint8(m.Type()), good)
	}
	// tshark does notice a wrong checksum.
	b := mustAppend(t, &I1{InitiatorContextTag: 1})
	add(with(b, 15, b[15]+1), 0, 1, bad)
	h, err := PayloadHeader{NextHeader: NoNextHeader, ReceiverContextTag: MaxContextTag}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	add(h, 1, "", "")
	got := dissect(t, packets, "ipv6.nxt", "shim6.len_oct", "shim6.p", "shim6.type", "shim6.checksum.status")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
