// SPDX-License-Identifier: BSD-3-Clause

package main

// usage is what help prints. docs/man/shim6tool.8 says more.
const usage = `usage: shim6tool [OPTIONS] [OBJECT [COMMAND [ARGUMENTS]]]

Without words it shows on one screen how things are.

OBJECT:
  context     ULID-pair contexts, by which sessions are re-homed
  policy      rules that say which packets are
  config      the configuration of the network namespace
  stats       counters of the network namespace
  cga         addresses that are bound to a public key (RFC 3972)
  hba         sets of addresses that are bound to each other (RFC 5535)
  path        locator pairs: which there are, which are used, and since when
  locator     addresses of this host that can be locators
  monitor     print what changes, as it changes
  daemon      shim6d
  doctor      look for what is wrong, and say what to do
  completion  the words, for a shell

COMMAND of context; CONTEXT is LOCAL-ULID PEER-ULID [fii N]:
  show [CONTEXT]            print one, or all (the default)
  show KEY VALUE ...        print those that have it: ulid-local, ulid-peer,
                            state, reap-state
  add CONTEXT tag-local TAG [KEY VALUE ...]
                            write one to the kernel; without tag-local it is
                            trigger
  set CONTEXT KEY VALUE [...]
                            change it: all that is named, or nothing
  del CONTEXT               delete one, and tell shim6d
  flush                     delete all
  trigger CONTEXT [locator-local ADDR locator-peer ADDR] [force]
                            have shim6d make one with the peer; force: even
                            while a hold-down lasts
  update CONTEXT            have shim6d tell the peer all our locators again

KEY of context, named as in RFC 5533 and 5534; ADDRS is ADDR[,...] or none:
  tag-peer TAG              context tag of the peer, 47 bits
  state STATE               i1-sent, i2-sent, established, i2bis-sent
  locator-local ADDR        current locator pair: to name another one is to
  locator-peer ADDR         re-home, to name the ULIDs is to go back to them
  locators-local ADDRS      Ls(local)
  locators-peer ADDRS       Ls(peer)
  inbound-locator-local ADDR, inbound-locator-peer ADDR
                            the pair by which the peer sends
  send-timeout TIME         Send Timeout, 10s to 100s
  keepalive-timeout TIME    Keepalive Timeout
  reap-state STATE          operational, exploring, inbound-ok
  reap-timer TIMER          start it anew: send, keepalive, or none of them
  header 0|1                1: payload bears the header on the ULIDs as well, as
                            it does by itself once it was re-homed
  encapsulation native      how payload is carried on the current locator pair

COMMAND of policy; the first rule that fits, by preference, decides:
  show                      print all (the default)
  add [preference N] [MATCH ...] action shim|ignore|bypass
      [trigger-packets N] [trigger-time TIME]
                            ignore: no context is asked for; bypass: and none
                            is used. Without preference: before all others
  del preference N          delete one
  flush                     delete all

MATCH:
  local PREFIX, peer PREFIX, protocol NAME|N, port-local N, port-peer N,
  port N (either), mark N[/MASK], mptcp

COMMAND of config:
  show                      print it (the default)
  set KEY VALUE [...]       change it: all that is named, or nothing

COMMAND of stats:
  show                      print them (the default)

KEY of config:
  max-contexts N            how many contexts the namespace may hold
  max-flows N               how many ULID pairs without a context are counted
  trigger-packets N         ask for a context after N packets, 0 for never
  trigger-time TIME         ask for one after so much exchange, 0s for never
  send-timeout TIME         Send Timeout of RFC 5534, 10s to 100s
  idle-timeout TIME         report a context as quiescent after it, 5m to 24h
  icmp-to-ulp 0|1           1: ICMPv6 errors that a daemon acts on reach the
                            ULP as well

COMMAND of cga and hba; FILE has addresses, and what verifies them:
  show pds FILE             print what is in it
  verify ADDRESS pds FILE   say whether it is the address, or one of the set
  cga generate prefix PREFIX pds FILE key FILE|new-key FILE [KEY VALUE ...]
  hba generate prefix PREFIX[,...] pds FILE key FILE|new-key FILE|pure [...]
                            make the address, or the set; print and keep it

KEY of cga and hba; files that are there already are never overwritten:
  prefix PREFIX             64 bits, not link-local; their order is part of
                            the set
  pds FILE                  PEM, or the bare octets of one PDS (not made here)
  key FILE                  RSA private key that the addresses are bound to, of
                            1024 to 3072 bits, PEM without a passphrase
  new-key FILE              make one, with mode 0600
  key-bits N                its length, 1024 to 3072; 2048 without it
  pure                      no key: HBA-only addresses, which cannot sign
  sec N                     0 to 2: some 65536^N hashes to make the addresses,
                            as many times more to forge one; 1 without it

COMMAND of path; ask shim6d, but for probe:
  show [CONTEXT]            print the pairs of contexts (the default)
  history [CONTEXT]         print why contexts came to other pairs
  probe PEER [from LOCAL]   see if IP protocol 140 passes there and back, and
                            there in packets as long as the path allows
  use CONTEXT local ADDR peer ADDR|ulids
                            send by this pair, or by the ULIDs again, if it
                            answers a Probe, and keep it until it fails

COMMAND of locator:
  show                      print them, and why they are not used

COMMAND of monitor:
  all, config, context, path, policy
                            only these; shim6d tells why paths change

COMMAND of daemon:
  status                    print how it is (the default)
  reload                    have it read its configuration again

COMMAND of doctor:
  check                     module, shim6d, addresses, routes, firewall, and
                            the peers of contexts (the default)
  peer ADDR [from ADDR]     the same, with another peer

COMMAND of completion:
  bash, zsh, fish           print what the shell is to read

OPTIONS:
  -j, -json                 print JSON; times are in milliseconds
  -p, -pretty               indent the JSON
  -s, -statistics           say more: counters, preferences, what was probed
  -t, -timestamp            have monitor tell when; -ts, -tshort: in short
  -n, -netns NETNS          in the named network namespace (or a path)
  -socket PATH              where shim6d listens, if neither /etc/shim6d.conf
                            nor, with -n, /etc/netns/NETNS/shim6d.conf says it
  -v, -version              print the version
  -h, -help                 print this

Words may be shortened: 'shim6tool c s' is 'shim6tool context show'; TIME is a
number and a unit (ms, s, m, h); TAG may be hexadecimal, with 0x. Exit status:
0, 1 for words that make no sense, 2 for what the kernel or shim6d refuses, or
what does not verify, is not answered or fails.
`
