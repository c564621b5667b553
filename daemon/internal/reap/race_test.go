// SPDX-License-Identifier: BSD-3-Clause

//go:build race

package reap

const raceEnabled = true
