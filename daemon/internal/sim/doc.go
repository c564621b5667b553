// SPDX-License-Identifier: BSD-3-Clause

// Package sim attacks daemon/internal/engine: hosts, the network between them and attackers,
// all in one process and in virtual time. Everything that happens in a world follows from its
// seed.
//
// A world begins with a time of faults: packets are lost, doubled, late and out of order;
// daemons crash and come back, with their Records or without; disks accept nothing for a
// while; hosts reboot; kernel tables are flushed; addresses come, go and break; payload
// flows; contexts are opened, forked and closed. Attackers off the path guess, and attackers
// on it repeat and forge what they see. Then the faults stop, and the hosts must soon agree
// again: on the contexts, their tags and their locators. Finally nobody needs anything any
// more, and nothing may be left.
//
// Every action is checked for what must never happen: see check.go, witness.go for where a
// message may be sent, and rates.go for how often. The world believes no Engine about these:
// it has seen what was delivered to each host.
package sim
