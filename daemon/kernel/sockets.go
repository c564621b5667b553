// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"strings"
)

// The tables of sockets of this network namespace, and of those states in which a
// socket is of no use any more (linux/tcp_states.h).
var socketTables = []string{"/proc/self/net/tcp6", "/proc/self/net/udp6"}

const (
	stateTimeWait = "06"
	stateClose    = "07"
)

// InUse reports whether a program has a socket that is connected between two
// ULIDs: then the context between them is not idle for good (RFC 5533, section 9).
// If that can't be known it reports true.
func InUse(local, peer netip.Addr) bool {
	for _, name := range socketTables {
		f, err := os.Open(name)
		if err != nil {
			return true
		}
		found, err := connected(f, local, peer)
		f.Close()
		if found || err != nil {
			return true
		}
	}
	return false
}

// connected looks for a socket in a table: a line of heads, then one a socket,
// with number, local address, remote address, state and more.
func connected(r io.Reader, local, peer netip.Addr) (bool, error) {
	l, p := procAddress(local), procAddress(peer)
	s := bufio.NewScanner(r)
	for s.Scan() {
		f := strings.Fields(s.Text())
		if len(f) < 4 || f[3] == stateTimeWait || f[3] == stateClose {
			continue
		}
		if strings.HasPrefix(f[1], l) && strings.HasPrefix(f[2], p) {
			return true, nil
		}
	}
	return false, s.Err()
}

// procAddress is an address as these tables have it: four words, as the host has
// them, and a colon.
func procAddress(a netip.Addr) string {
	b := a.As16()
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	return strings.ToUpper(hex.EncodeToString(b[:])) + ":"
}
