// SPDX-License-Identifier: BSD-3-Clause

// Package daemon is where shim6d and its packages live.
//
// Three parts know neither clock nor socket: the messages (wire), the addresses'
// cryptography (cga) and the protocol (internal/engine, with REAP in internal/reap).
// Around them are the configuration (config), this host's addresses (locator), the
// control socket's types and client (control), and below internal what only shim6d
// uses: the kernel module (kernellink), addresses that are made (address), what is kept
// for a restart (statefile, writer), the debugging port (debugport). The program in shim6d
// puts them together; internal/sim runs the protocol in simulated worlds.
package daemon
