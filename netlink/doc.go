// SPDX-License-Identifier: BSD-3-Clause

// Package netlink is the client of the Generic Netlink family "shim6", which the kernel module
// shim6.ko serves. It has no policy: it encodes requests, decodes replies and events, and
// explains errors.
//
// # Clients, monitors and daemons
//
// A Client reads and changes the objects of a network namespace: contexts, policies, the
// configuration and the counters. A Monitor is told of their changes. Both are for any program;
// reading takes no privilege, except for the context tags, and changes take CAP_NET_ADMIN.
//
// A daemon has three sockets: a Commander, which is a Client that knows its port, and two Events,
// one for each Role. The kernel serves one daemon in each namespace.
//
// Every object belongs to a network namespace: that of the calling thread, or Options.NetNS.
//
// # Names, units and values
//
// Names are those of shim6.yaml, the specification of the family; `make generate` makes the
// numbers in shim6_gen.go from it. Its attributes have the same meaning here.
//
//   - Addresses are IPv6, without a zone. Others are refused before the kernel is asked.
//   - Durations are whole milliseconds, as the kernel counts. Others are refused, too.
//   - In an update, a nil field leaves the kernel's value as it is. In a filter it fits everything.
//   - A request takes effect as a whole, or not at all.
//
// # Versions
//
// Attributes, events and counters of a newer kernel are ignored, or named by their number. A kernel
// that is older than this program refuses attributes that it does not know; if a reply lacks a
// value that this package needs, that is an error.
//
// # Errors
//
// An errno of the kernel is an *Error, with the kernel's sentence and the name of the attribute, if
// there are any. errors.Is tells fs.ErrNotExist, fs.ErrExist, fs.ErrPermission and the constants of
// package unix. ErrInterrupted comes with a list that may be incomplete. ErrOverflow says that
// events or notifications were lost: read the objects again, and the result is younger than
// everything that was received before.
//
// # Goroutines
//
// Any goroutine may call the methods of a Client; they take turns. Monitor.Receive and
// Events.Receive are for one goroutine each. Close is for any goroutine, and ends calls that wait.
package netlink
