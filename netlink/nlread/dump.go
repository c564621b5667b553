// SPDX-License-Identifier: BSD-3-Clause

package nlread

import "github.com/mdlayher/netlink"

// Tries is how often Dump reads a list that changes meanwhile.
const Tries = 4

// Dump reads a list with read, which also reports whether the list changed meanwhile (see
// Interrupted). Such a list is read again, Tries times in all. If even the last one was
// interrupted, Dump returns that list and complete is false: each entry was there at some
// moment, and others may be missing.
func Dump[T any](read func() (list T, interrupted bool, err error)) (list T, complete bool, err error) {
	for try := 1; ; try++ {
		list, interrupted, err := read()
		if err != nil || !interrupted || try == Tries {
			return list, err == nil && !interrupted, err
		}
	}
}

// Interrupted reports whether the kernel has marked one of a dump's messages: the list
// changed between two of them.
func Interrupted(dump []netlink.Message) bool {
	for _, m := range dump {
		if m.Header.Flags&netlink.DumpInterrupted != 0 {
			return true
		}
	}
	return false
}
