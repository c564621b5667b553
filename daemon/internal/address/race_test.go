// SPDX-License-Identifier: BSD-3-Clause

//go:build race

package address

const raceEnabled = true
