// SPDX-License-Identifier: BSD-3-Clause

// Package locator knows the addresses of this host: which are available, and
// which of those locally operational, as RFC 5534, section 3, has it.
//
// A Table holds what rtnetlink tells, and Assess says what follows from it. Both
// are pure; a Watcher is where the messages come from.
//
// # Available (RFC 5534, section 3.1)
//
// An address is available if it is assigned to an interface, valid, not
// tentative, global unicast or unique local, and acceptable by local policy: the
// configuration, which by default accepts no unique local ones. An optimistic
// address is available, but preferred less.
//
// A deprecated address is available too: the RFC asks for a valid address, and
// sessions that have it as their ULID go on for as long as it is. But it is on its
// way out, so peers are told that it is TRANSIENT, and others are preferred.
//
// # Locally operational (RFC 5534, section 3.2)
//
// An available address is operational if its interface is up, with a carrier, and
// if a default router is there when one is needed, and Neighbor Unreachability
// Detection has not failed for it. An interface needs a default router if it has
// had one: between hosts on one link there may never be any. What is not
// operational stays in the list, as BROKEN: so its ULID lives on.
package locator
