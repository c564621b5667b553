// SPDX-License-Identifier: BSD-3-Clause

// Package address gives this host the addresses that Shim6 needs.
//
// A Keeper keeps a ULID on the loopback when its link loses it, for as long as it is valid and
// a context has it (RFC 5533, section 1.5).
//
// Prefixes learns which prefixes routers announce. An Identity has addresses in them that
// prove each other (HBA, RFC 5535, and CGA, RFC 3972). A Plan gives these addresses to the
// links, with routes by which packets leave by the router that their source address belongs to
// (RFC 8028).
//
// Pure functions of what rtnetlink has told say what to do, as Actions, and a Kernel does
// them. Everything that shim6d sets up is marked with locator.Protocol, and nothing without
// the mark is changed or removed. After a restart the marks tell what was set up before.
package address
