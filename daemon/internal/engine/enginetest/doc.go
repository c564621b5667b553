// SPDX-License-Identifier: BSD-3-Clause

// Package enginetest has the parts from which tests build the surroundings of an
// engine.Engine:
//
//   - Kernel does what the kernel module does with contexts, and refuses what it refuses;
//   - Records are the state file;
//   - Queue and Pass are virtual time, in which hosts and what happens between them live;
//   - HBASet, CGA, Key and Seed make addresses that can be proved, the same in every run.
//
// The network between hosts is no part of it. Each user has one that fits what it tests: the
// tests of package engine have messages arrive at once and in order, those of package reap
// have pairs of addresses that fail, package sim has loss, delay and attackers.
package enginetest
