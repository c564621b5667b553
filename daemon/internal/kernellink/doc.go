// SPDX-License-Identifier: BSD-3-Clause

// Package kernellink is between the engine and the kernel module: it does the engine's actions
// by netlink, and makes the engine's events of the kernel's.
package kernellink
