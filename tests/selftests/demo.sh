#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The main job, as a timeline: hosts a and b, with two providers each, hold an ssh
# session and streams while a provider is cut off and another becomes a black hole.
# $SHIM6_ARTIFACTS has a picture of what arrived, and the data for it. The demo fails
# if a session does.
#
# Each host has the page of shim6web. With SHIM6_DEMO_PORTS="PORT PORT", those of a and b
# are at these ports of this machine's 10.0.2.15 in the end, until there is a file "seen"
# beside the picture (tests/demo.sh).

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh" >/dev/null
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
OUT=${SHIM6_ARTIFACTS:?names the folder for the picture}
# Times have a decimal point.
export LC_ALL=C
BEGUN=$EPOCHREALTIME
EVENTS=$OUT/demo.events.csv
: >"$EVENTS" || exit

# since TIME: the seconds from the demo's begin to TIME, a value of EPOCHREALTIME.
since()
{
	local us=$((${1/./} - ${BEGUN/./}))

	printf '%d.%06d' $((us / 1000000)) $((us % 1000000))
}

say() { printf '%5.1f s  %s\n' "$(since "$EPOCHREALTIME")" "$*"; }
more() { printf '         %s\n' "$@"; }
give_up() { say "$* - the demo ends here"; exit 1; }

# event KIND TEXT: note an event for the picture.
event()
{
	LAST=$EPOCHREALTIME
	echo "$(since "$LAST"),$1,$2" >>"$EVENTS"
}

# --- the world ---------------------------------------------------------------

# The configuration is the default, except for the paths of files.
daemons_begin()
{
	daemon_conf a </dev/null && daemon_conf b </dev/null && daemon_begin a && daemon_begin b
}

routers_up()
{
	local p

	for p in $TOPO_PROVIDERS; do
		radvd_set "$p" "$(topo_prefix "$p")" 1800 3600 || return
	done
}

# meanwhile: the slow preparations that can be done while shim6d gathers prefixes.
meanwhile()
{
	local h

	# These flows do not use Shim6, for comparison.
	for h in a b; do
		shim6tool -n "${ns}$h" policy add protocol tcp port 5003 action bypass &&
		shim6tool -n "${ns}$h" policy add protocol tcp port 5004 action bypass || return
	done
	ssh_up && streams_begin
}

# all_there: both hosts have addresses on all links, made by shim6d and by the kernel.
all_there()
{
	local h

	all_made && for h in a b; do has_addr $h up1 && has_addr $h up2 || return; done
}

# answers LOCAL PEER: does a reach b?
answers() { in_ns a ping -6 -q -n -c 1 -W 1 -I "$1" "$2" >/dev/null; }

# provider_2_loses PERCENT: of the packets of its customer, on the way to the core.
provider_2_loses() { tc -n "${ns}p2" qdisc replace dev core root netem delay 5ms loss "$1%"; }

# --- the page ----------------------------------------------------------------

# page HOST: shim6web runs there, when nothing else does: an emulated machine is slow. Its checks wait
# for the end.
page()
{
	printf '#!/bin/sh\n[ ! -e "%s" ] || exec shim6tool "$@"\necho "[]"\n' "$TEST_TMP/over" >"$TEST_TMP/checks" && chmod +x "$TEST_TMP/checks" || return
	# Not on a host's own loopback: all of them are reached by the file.
	ip netns exec "${ns}$1" nice -n 5 shim6web -listen "unix:$(daemon_dir "$1")/web" -socket "$(daemon_dir "$1")/socket" \
		-tool "$TEST_TMP/checks" 2>"$(daemon_dir "$1")/web.log" 9>&- &
}

# pages_shown PORT PORT: of a and of b, until somebody has seen them.
pages_shown()
{
	local h port

	: >"$TEST_TMP/over"
	modprobe virtio_net && busywait 20 card_there && ip link set "$card" up && ip addr add 10.0.2.15/24 dev "$card" || return
	for h in a b; do
		curl -s -o /dev/null --unix-socket "$(daemon_dir $h)/web" -X POST http://localhost/api/doctor
		port=$1
		shift
		systemd-socket-activate -l "10.0.2.15:$port" /lib/systemd/systemd-socket-proxyd "$(daemon_dir $h)/web" \
			2>>"$TEST_TMP/pages.log" 9>&- &
	done
	: >"$OUT/live"
	busywait 3000 test -e "$OUT/seen"
	rm -f "$OUT/live"
}

# card_there: the machine's card, whose name is in "card".
card_there()
{
	local f

	for f in /sys/class/net/*/device; do
		[ ! -e "$f" ] || { f=${f%/device} card=${f##*/}; return 0; }
	done
	return 1
}

# --- sessions and streams ----------------------------------------------------

# Not by in_ns: signals must reach the sink, not a shell around it. Descriptor 9 belongs to
# the ssh session only. There are fifty blocks a second: more would keep an emulated machine
# busy.
streams_begin()
{
	: >"$TEST_TMP/sink"
	mkfifo "$TEST_TMP/flows" || return
	ip netns exec "${ns}b" /usr/bin/python3 -IS "$here/flow.py" record "$TEST_TMP/arrivals" \
		:: tcp:5001 udp:5002 tcp:5003 tcp:5004 >"$TEST_TMP/sink" 9>&- &
	sink=$!
	ip netns exec "${ns}a" /usr/bin/python3 -IS "$here/flow.py" source 1000 20 \
		<"$TEST_TMP/flows" 2>"$TEST_TMP/source.err" 9>&- &
}

streams_up()
{
	busywait 20 holds "$TEST_TMP/sink" ready &&
	echo "$A1 $B1 tcp:5001 udp:5002" \
		"$(topo_addr a up1) $(topo_addr b up1) tcp:5003" \
		"$(topo_addr a up2) $(topo_addr b up2) tcp:5004" >"$TEST_TMP/flows"
}

# moves: tell of each move of the sessions when shim6d makes it.
moves()
{
	local at trigger outage from to why

	# shim6tool runs in the namespace, so that it ends with the namespace.
	ip netns exec "${ns}a" shim6tool -socket "$(daemon_dir a)/socket" -j monitor path |
	jq --unbuffered -r --arg local "$A1" --arg peer "$B1" '
		def provider: split(":")[2];
		select(."ulid-local" == $local and ."ulid-peer" == $peer and .direction == "outbound") |
		"\(.time) \(.trigger) \(.outage // 0) \(.to."locator-local" | provider) \(.to."locator-peer" | provider)"' |
	while read -r at trigger outage from to; do
		case $trigger in
		local) why="its own link has failed" ;;
		ulp) why="TCP gets no answers" ;;
		send-timeout) why="nothing has been heard for too long" ;;
		icmp) why="a router says that there is no way" ;;
		return) why="the first choice works again" ;;
		*) why="the reason: $trigger" ;;
		esac
		say "Shim6 moves all sessions to provider $from, after $outage ms ($why)"
		echo "$(since "$(date -d "$at" +%s.%6N)"),pair,provider $from to $to" >>"$EVENTS"
	done
}

# stay_on PROVIDER LOCATOR: before the provider fails, a must send by it. On a busy machine TCP
# may have waited so long that the session has moved already. Then it is moved back, and TCP
# gets time to measure the path.
stay_on()
{
	ask_if a /paths 'any(.[] | select(.current); ."locator-local" | startswith($prefix))' \
		--arg prefix "$(topo_prefix "$1"):" && return
	use_pair "$A1" "$B1" "$2" "$B1" && pause 1
}

# after MILLISECONDS: wait until so much time has passed since the last event.
after()
{
	local us=$(($1 * 1000 + ${LAST/./} - ${EPOCHREALTIME/./}))

	[ $us -le 0 ] || pause "$(printf '%d.%06d' $((us / 1000000)) $((us % 1000000)))"
}

# ssh_lives: a word that is typed comes back.
ssh_lives()
{
	if session_lives 15 >"$TEST_TMP/ssh.log"; then
		say "ssh: what is typed comes back"
	else
		say "ssh: NOTHING comes back"
		failed=1
	fi
}

# outage FLOW FAILURE: its length in milliseconds, or "never" if the flow did not come back.
outage()
{
	awk -F, -v f="$1" -v e="\"$2\"" '$1 == f && $2 == e { print $4 == "true" ? $3 : "never" }' "$OUT/demo.outages.csv"
}

# --- the demo ----------------------------------------------------------------

CUT="provider 1 is cut off"
HOLE="provider 2 loses what host a sends"
failed=0

say "Two hosts, a and b, come up. Each has two Internet providers:"
echo
more "a -- provider 1 --+      +-- provider 3 -- b" \
	"|                 | core |                 |" \
	"+--- provider 2 --+      +-- provider 4 ---+"
echo
modprobe shim6 || give_up "the module does not load"
topo_links 5ms || give_up "the network does not come up"
say "shim6d starts on both hosts"
daemons_begin && ssh_keys && daemon_runs a && daemon_runs b || give_up "shim6d does not start"
say "the routers announce a prefix each (radvd)"
routers_up || give_up "radvd does not start"
meanwhile || give_up "the demo can't be set up"
page a && page b || give_up "there are no pages"
busywait 60 all_there || { cat "$TEST_TMP"/*.d/log; give_up "shim6d has made no addresses"; }
say "shim6d has made addresses that prove each other (HBA), and set up their routes:"
more "a: $A1, $A2" "b: $B1, $B2"
busywait 20 answers "$A1" "$B1" && busywait 20 answers "$A2" "$B1" && busywait 20 answers "$A1" "$B2" &&
busywait 20 answers "$(topo_addr a up1)" "$(topo_addr b up1)" && busywait 20 answers "$(topo_addr a up2)" "$(topo_addr b up2)" ||
	give_up "they do not answer"
say "all of them answer"

# Descriptor 9 belongs to the ssh session only.
moves 9>&- &
session_from=$A1
session_begin >"$TEST_TMP/ssh.log" 2>&1 || { cat "$TEST_TMP/ssh.log"; give_up "ssh fails"; }
say "an ssh session from a to b, by providers 1 and 3"
streams_up || give_up "the streams do not begin"
say "beside it a TCP and a UDP stream; and, to compare, TCP without Shim6:"
more "one by providers 1 and 3, one by 2 and 4"
busywait 20 context_is a established || { ask a /history; give_up "there is no Shim6 context"; }
say "the hosts have agreed on Shim6 (R2 has come): sessions can be moved from now on"
event begin ""
event pair "provider 1 to 3"

# stay_on takes time where programs start slowly. It runs while the demo waits anyway.
after 800
stay_on 1 "$A1" || give_up "the session is not where it should be"
after 2000
event failure "$CUT"
link_cut a up1
say "PROVIDER 1 FAILS: its cable is cut"
ssh_lives
after 3200
event repair "provider 1 is back"
router_up 1 || give_up "the link does not come up"
say "provider 1 is back; the sessions stay where they are, for it could fail again"
after 800
stay_on 2 "$A2" || give_up "the session is not where it should be"
after 2200
provider_2_loses 100 || give_up "there is no black hole"
event failure "$HOLE"
say "PROVIDER 2 BECOMES A BLACK HOLE for what a sends; what b sends still comes by it"
ssh_lives
after 3200
event repair "provider 2 is back"
provider_2_loses 0 || give_up "the black hole stays"
say "provider 2 is back"
ssh_lives
after 1200
event end ""
session_end >"$TEST_TMP/ssh.log" 2>&1 && say "the ssh session ends, as it should" || { say "the ssh session is LOST"; failed=1; }
kill "$sink" && wait "$sink"
awk -F, -v zero="$BEGUN" '{ printf "%.4f,%s,%s\n", $1 - zero, $2, $3 }' "$TEST_TMP/arrivals" >"$OUT/demo.arrivals.csv"
say "for how long nothing arrived:"
echo
plot -title "Two providers fail, one after the other: what arrives at host b (Linux $(uname -r))" \
	-arrivals "$OUT/demo.arrivals.csv" -events "$EVENTS" -out "$OUT/demo" \
	"tcp:5001=TCP with Shim6" "udp:5002=UDP with Shim6" \
	"tcp:5003=plain TCP, by provider 1" "tcp:5004=plain TCP, by provider 2" || give_up "there is no picture"
echo
for flow in tcp:5001 udp:5002; do
	for what in "$CUT" "$HOLE"; do
		ms=$(outage $flow "$what")
		[ -n "$ms" ] && [ "$ms" != never ] && [ "$ms" -lt 4000 ] || { say "$flow: too long, when $what"; failed=1; }
	done
done
# The page has told the same. While nobody reads it, what it knows may be ten seconds old.
screen_good()
{
	curl -s -o "$OUT/demo.screen.json" --unix-socket "$(daemon_dir a)/web" http://localhost/api/screen &&
		grep -q '"verdict":{"level":"good"' "$OUT/demo.screen.json"
}
busywait 15 screen_good || { cat "$(daemon_dir a)/web.log"; failed=1; }
[ $failed = 0 ] || { more "$(grep -hv level=DEBUG "$(daemon_dir a)/log")"; give_up "not as it should be"; }
if [ -n "${SHIM6_DEMO_PORTS:-}" ]; then
	# shellcheck disable=SC2086
	pages_shown $SHIM6_DEMO_PORTS || { cat "$TEST_TMP/pages.log"; give_up "the pages can't be shown"; }
fi
# In a guest of its own, all this ends with the guest, without a clean-up.
[ -z "${SHIM6_DEMO_SHOWN:-}" ] || trap - EXIT
say "done: the picture is ${SHIM6_DEMO_SHOWN:-$OUT}/demo.svg"
