#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What there is of the main job, as a timeline: a multihomed host, a provider
# that fails under a running TCP session, and the module that answers.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh" >/dev/null
. "$here/topology.sh"

begun=$(date +%s%N)
at() { printf '%6.1f s  %s\n' "$((($(date +%s%N) - begun) / 100000000))e-1" "$*"; }

# How many octets host b's server has got so far.
received() { stat -c %s "$TEST_TMP/received"; }

# progress: does the session move within three seconds?
progress()
{
	local before

	before=$(received)
	sleep 3
	[ "$(received)" -gt "$before" ]
}

at "two hosts, two uplinks each, four providers, a core: coming up"
topo_up || exit 1
for h in a b; do
	for up in up1 up2; do
		at "host $h, $up: $(topo_addr $h $up), by router advertisement"
	done
done
at "all four address pairs answer"

for h in a b; do
	shim6tool -n "$(ns $h)" config set send-timeout 10s || exit 1
done
at "shim6.ko loaded itself; its configuration on host a:"
shim6tool -n "$(ns a)" config show | sed 's/^/             /'

touch "$TEST_TMP/received"
python3=/usr/bin/python3
# Not by in_ns: the shell around it would tell of its end.
ip netns exec "$(ns b)" $python3 -c '
import socket, sys
s = socket.create_server((sys.argv[1], 5000), family=socket.AF_INET6)
c, _ = s.accept()
with open(sys.argv[2], "ab", buffering=0) as f:
    while b := c.recv(65536):
        f.write(b)' "$(topo_addr b up1)" "$TEST_TMP/received" &
listening() { in_ns b ss -Hlnt 'sport = 5000' | grep -q LISTEN; }
busywait 20 listening || exit 1
ip netns exec "$(ns a)" $python3 -c '
import socket, sys, time
s = socket.create_connection((sys.argv[1], 5000), source_address=(sys.argv[2], 0))
while True:
    s.send(b"x" * 1000)
    time.sleep(0.05)' "$(topo_addr b up1)" "$(topo_addr a up1)" &
at "a TCP session from $(topo_addr a up1) to $(topo_addr b up1)"
progress || { at "it does not move"; exit 1; }
at "it moves: $(received) octets so far"

link_cut a up1
at "provider 1 fails"
if progress; then
	at "the session moves on"
else
	at "the session stands still, as without shim6: re-homing is not built yet"
fi
topo_ping up2 up1 && at "though the pair $(topo_addr a up2) to $(topo_addr b up1) answers"

link_restore a up1 || exit 1
at "provider 1 is back"
moved() { [ "$(received)" -gt "$mark" ]; }
mark=$(received)
if busywait 60 moved; then
	at "the session moves again"
else
	at "the session is lost"
fi
at "done"
