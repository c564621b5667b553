// SPDX-License-Identifier: BSD-3-Clause

// Package address gives this host the addresses that Shim6 needs.
//
// A Keeper has a ULID live on when its link loses it, on the loopback, for as long
// as it is valid and a context has it (RFC 5533, section 1.5).
//
// Prefixes learns which prefixes routers announce, an Identity has addresses in them
// that prove each other (HBA, RFC 5535, and CGA, RFC 3972), and a Plan gives them to
// the links, with routes by which packets leave by the router that their source
// address belongs to (RFC 8028).
//
// What is to be done is said by pure functions of what rtnetlink has told, as
// Actions, which a Kernel does. Whatever shim6d sets up bears locator.Protocol as
// its mark, and nothing without the mark is changed or removed. All is as it is
// found again after a restart.
package address
