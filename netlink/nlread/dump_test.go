// SPDX-License-Identifier: BSD-3-Clause

package nlread

import (
	"errors"
	"testing"

	"github.com/mdlayher/netlink"
)

// A list that changes is read again, but not for ever.
func TestDump(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name        string
		interrupted int // how many of the first reads are
		err         error
		reads       int
		complete    bool
	}{
		{"no change", 0, nil, 1, true},
		{"a change", 1, nil, 2, true},
		{"changes until the last read", Tries - 1, nil, Tries, true},
		{"changes all the time", Tries, nil, Tries, false},
		{"an error after a change", 1, broken, 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			reads := 0
			got, complete, err := Dump(func() (int, bool, error) {
				if reads++; reads > c.interrupted {
					return reads, false, c.err
				}
				return reads, true, nil
			})
			if got != c.reads || reads != c.reads || complete != c.complete || err != c.err {
				t.Errorf("read %d times: list %d, complete %t, %v", reads, got, complete, err)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	part := netlink.Message{Header: netlink.Header{Flags: netlink.Multi}}
	marked := netlink.Message{Header: netlink.Header{Flags: netlink.Multi | netlink.DumpInterrupted}}
	for _, c := range []struct {
		dump []netlink.Message
		want bool
	}{{nil, false}, {[]netlink.Message{part, part}, false}, {[]netlink.Message{part, marked, part}, true}} {
		if got := Interrupted(c.dump); got != c.want {
			t.Errorf("%v: %t", c.dump, got)
		}
	}
}
