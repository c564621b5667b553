// SPDX-License-Identifier: BSD-3-Clause

// Package nlread has the two rules for reading any netlink socket without missing a
// change: a Queue tells of messages that the kernel dropped, and Dump reads a list again
// if it changed meanwhile. It knows no family; package netlink and the watcher of
// rtnetlink use it.
package nlread
