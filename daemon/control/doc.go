// SPDX-License-Identifier: BSD-3-Clause

// Package control is the interface of shim6d on its control socket: the types of what is
// asked and answered, and a Client. It is HTTP with JSON on a Unix socket.
//
//	GET  /status            a Status
//	GET  /contexts          a list of Context
//	GET  /locators          a list of Locator
//	GET  /history           a list of Change, the oldest first
//	GET  /paths             a list of Path, by context
//	GET  /protection        a list of Protection, of those that ?context=LOCAL,PEER,FII names
//	GET  /paths/history     a list of Switch, the oldest first
//	GET  /overview          an Overview
//	GET  /sessions          Sessions, from ?from=NUMBER on, with &find=TEXT in a ULID
//	GET  /events            Events behind the one that ?after=SEQUENCE names; waits for one
//	POST /contexts/open     an OpenRequest: make a context
//	POST /contexts/close    a Name: discard it; the peer isn't told
//	POST /contexts/refresh  a Name: tell the peer all our locators again
//	POST /contexts/use      a UseRequest: send by another locator pair, once it has answered a Probe
//	POST /contexts/probe    a Name: probe all its locator pairs; GET /paths has what that shows
//	POST /contexts/doubt    a Name: ask its current pair, which may not work, and move if it doesn't
//
// Keys are the names of the netlink specification. Times are in milliseconds. An error is
// a Failure, and the status is 400 for a request that makes no sense, 403, 404, 409 if it
// can't be done, or 503.
//
// # Permissions
//
// The kernel tells the daemon who is at the other end (SO_PEERCRED and SO_PEERGROUPS).
// root, the user that shim6d runs as, and members of the group of the socket may change
// things and see context tags. Everybody else on the host may read the rest, and is given
// lists one at a time, with a pause after each. The daemon closes the connection of a
// client that does not read an answer within half a minute.
package control
