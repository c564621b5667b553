// SPDX-License-Identifier: BSD-3-Clause

package kernellink

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"
)

// socketTables are the sockets of this network namespace.
var socketTables = []string{"/proc/self/net/tcp6", "/proc/self/net/udp6"}

// The states in which a socket is of no use any more (linux/tcp_states.h).
const (
	stateTimeWait = "06"
	stateClose    = "07"
)

// socketsAge is for how long the tables are used once they were read: thousands of contexts may
// expire at once.
const socketsAge = time.Second

// endpoints are the local and the remote address of a socket.
type endpoints struct{ local, remote [16]byte }

// sockets has the contents of the tables. The zero value reads them when it is asked. Only one
// goroutine may use it.
type sockets struct {
	// now is time.Now and open os.Open, except in tests.
	now  func() time.Time
	open func(name string) (io.ReadCloser, error)

	// read is when the tables were read. pairs is nil if that has failed.
	read  time.Time
	pairs map[endpoints]struct{}
}

// connected reports whether there is a socket between two addresses; true if that can't be
// known.
func (s *sockets) connected(local, peer netip.Addr) bool {
	now := time.Now
	if s.now != nil {
		now = s.now
	}
	if t := now(); s.read.IsZero() || t.Sub(s.read) >= socketsAge {
		s.load()
		// After load, since that may take long.
		s.read = now()
	}
	_, found := s.pairs[endpoints{local.As16(), peer.As16()}]
	return found || s.pairs == nil
}

func (s *sockets) load() {
	open := s.open
	if open == nil {
		open = func(name string) (io.ReadCloser, error) { return os.Open(name) }
	}
	s.pairs = nil
	pairs := map[endpoints]struct{}{}
	for _, name := range socketTables {
		f, err := open(name)
		if err != nil {
			return
		}
		err = readSockets(f, pairs)
		f.Close()
		if err != nil {
			return
		}
	}
	s.pairs = pairs
}

// readSockets adds the sockets of a table: a line of titles, then one line a socket, with
// number, local address, remote address, state and more.
func readSockets(r io.Reader, pairs map[endpoints]struct{}) error {
	s := bufio.NewScanner(r)
	for s.Scan() {
		f := strings.Fields(s.Text())
		if len(f) < 4 || f[3] == stateTimeWait || f[3] == stateClose {
			continue
		}
		local, ok := parseProc(f[1])
		remote, also := parseProc(f[2])
		if ok && also {
			pairs[endpoints{local, remote}] = struct{}{}
		}
	}
	return s.Err()
}

// parseProc reads an address of these tables: four words in the host's byte order, a colon and
// the port.
func parseProc(text string) (a [16]byte, ok bool) {
	text, _, ok = strings.Cut(text, ":")
	if !ok || len(text) != 2*len(a) {
		return a, false
	}
	if _, err := hex.Decode(a[:], []byte(text)); err != nil {
		return a, false
	}
	for i := 0; i < len(a); i += 4 {
		binary.BigEndian.PutUint32(a[i:], binary.NativeEndian.Uint32(a[i:]))
	}
	return a, true
}
