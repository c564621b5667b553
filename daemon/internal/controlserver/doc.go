// SPDX-License-Identifier: BSD-3-Clause

// Package controlserver serves the control socket of shim6d: it makes the socket, knows
// who is at the other end, and answers with what a control.Backend says.
package controlserver
