// SPDX-License-Identifier: BSD-3-Clause

// Package config reads the configuration of shim6d: a TOML file. shim6d.conf beside the
// program is a commented example. Every mistake in a file is an *Error, which says the line,
// what is wrong, and what to do. Nothing is ignored.
package config
