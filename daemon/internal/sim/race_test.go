// SPDX-License-Identifier: BSD-3-Clause

//go:build race

package sim

// raceEnabled: everything takes ten times as long.
const raceEnabled = true
