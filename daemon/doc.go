// SPDX-License-Identifier: BSD-3-Clause

// Package daemon is where shim6d and its packages live: the messages (wire),
// the addresses' cryptography (cga) and the protocol (engine). None of them is
// written yet; see the README for what works.
package daemon
