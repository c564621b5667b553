// SPDX-License-Identifier: BSD-3-Clause

// Package sim attacks daemon/internal/engine: hosts, the network between them and those who
// mean ill, all in one process and in virtual time. Everything that happens in a
// world follows from its seed.
//
// A world begins with a time of faults: packets are lost, doubled, late and out of
// order; daemons crash and come back, with the Records that they had kept or
// without; disks take nothing for a while; hosts reboot; kernel tables are flushed; addresses come, go and break;
// payload flows, contexts are opened, forked and closed. Attackers off the path
// guess and those on it repeat and forge what they see. Then the faults stop, and
// the hosts must agree again before long: on the contexts, their tags and their
// locators. At last nobody needs anything any more, and nothing may be left.
//
// What must never happen, at no time, is checked with every action: see check.go,
// witness.go for where something may be sent to, and rates.go for how often. The world
// takes no Engine's word for these: it has seen what was delivered to each host.
package sim
