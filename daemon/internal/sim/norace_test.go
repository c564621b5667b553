// SPDX-License-Identifier: BSD-3-Clause

//go:build !race

package sim

const raceEnabled = false
