// SPDX-License-Identifier: BSD-3-Clause

// Package enginetest has the parts from which tests build the surroundings of an
// engine.Engine:
//
//   - Kernel does what the kernel module does with contexts, and refuses what it refuses;
//   - Records are the state file;
//   - Queue and Pass are virtual time;
//   - HBASet, CGA, Key and Seed make addresses that can be proved, the same in every run.
//
// The network between hosts is no part of it, nor is a host: each user has its own, for what
// it tests. In the tests of engine, messages arrive at once and in order, and the tables of the
// Engine are checked after every event. In those of reap, the kernels have timers, and pairs of
// addresses fail. Package sim has loss, delay, crashes and attackers.
package enginetest
