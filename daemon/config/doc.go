// SPDX-License-Identifier: BSD-3-Clause

// Package config reads the configuration of shim6d: a TOML file, of which
// shim6d.conf beside the program is a commented example. Whatever is wrong with
// it is an *Error, which says in which line, what, and what to do; nothing is
// ignored.
package config
