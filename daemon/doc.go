// SPDX-License-Identifier: BSD-3-Clause

// Package daemon is where shim6d and its packages live.
//
// What knows neither clock nor socket: the messages (wire), the addresses'
// cryptography (cga) and the protocol (engine). What is around it: the
// configuration (config), this host's addresses (locator), the kernel module
// (kernel), what is kept for a restart (statefile, writer), the control socket (control) and
// the debugging port (debugport). The program in shim6d puts them together.
package daemon
