// SPDX-License-Identifier: BSD-3-Clause

// Package netlink speaks the Generic Netlink family "shim6" of the kernel
// module shim6.ko.
//
// The names are those of shim6.yaml, the family's specification, from which
// the numbers in shim6_gen.go are made. Every object belongs to a network
// namespace: that of the calling thread, or Options.NetNS.
package netlink
