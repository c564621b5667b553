// SPDX-License-Identifier: BSD-3-Clause

// Package locator knows the addresses of this host: which are available, and which of those
// are locally operational (RFC 5534, section 3).
//
// A Table holds what rtnetlink and Router Advertisements tell, and Assess says what follows from
// it. Both are pure. The messages come from a Watcher, and the advertisements from a Listener.
//
// # Available (RFC 5534, section 3.1)
//
// An address is available if it is assigned to an interface, valid, not tentative, global
// unicast or unique local, and acceptable by local policy. Local policy is the configuration,
// which by default accepts no unique local addresses. An optimistic address is available, but
// preferred less.
//
// A deprecated address is available too: the RFC asks for a valid address, and sessions that
// have it as their ULID go on for as long as it is valid. But it will be gone soon, so peers
// are told that it is TRANSIENT, and others are preferred.
//
// # Locally operational (RFC 5534, section 3.2)
//
// An available address is operational if its interface is up, with a carrier, and has a
// default router that answers (Neighbor Unreachability Detection). The router is needed only
// if the interface has had one before: between hosts on one link there may never be any. Where
// it is known which routers have announced the prefix of an address, only these count for it. An
// address that is not operational stays in the list, as BROKEN: so its ULID lives on.
package locator
