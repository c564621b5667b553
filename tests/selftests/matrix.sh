# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The cells of the matrix, a library for test_matrix.sh (source the libraries of topology.sh,
# routers.sh and managers.sh first). Host b and the core stay; host a is made again for each
# column, which is a manager, a layout of links and temporary addresses on or off. The layout
# "two links" is that of topology.sh. In "one link", p1 and p2 are on one link of a:
#
#                    p1
#               up1 /  \
#             a - sw    core
#                   \  /
#                    p2
#
# All routers to a and b have the stateful firewalls of home routers, and those to a drop
# packets with sources that are not of their provider (BCP 38).

# A host without Shim6.
PLAIN=2001:db8:f:3::1
# The prefix that provider 1 has after it has renumbered.
NEW_PREFIX=2001:db8:1:2

matrix_up()
{
	local p

	topo_links 5ms || return
	ns_add sw && in_ns sw sysctl -qw net.ipv6.conf.default.disable_ipv6=1 &&
		ip -n "${ns}sw" link add br0 type bridge forward_delay 0 && ip -n "${ns}sw" link set br0 up || return
	for p in $TOPO_PROVIDERS; do
		router_rules "$p" "$([ "$p" -le 2 ] && echo established || echo invalid)" || return
	done
	for p in 1 2; do
		own_sources_only $p || return
	done
	for p in 3 4; do
		busywait 20 no_tentative p$p host && prefix_restore $p || return
	done
	daemon_conf b </dev/null && daemon_start b || return
	busywait 90 is_made_at b up1 && busywait 90 is_made_at b up2 ||
		{ cat "$(daemon_dir b)/log"; fail "b: no address"; return 1; }
	U_b=$(made_addr b up1)
	talk_serve b
}

# own_sources_only PROVIDER
own_sources_only()
{
	in_ns "p$1" nft -f - <<-EOF
		table ip6 sources {
			chain forward {
				type filter hook forward priority -1;
				iifname host ip6 saddr != 2001:db8:$1::/48 drop
			}
		}
	EOF
}

# --- columns -----------------------------------------------------------------

# column MANAGER LINKS TEMPORARY: host a is as the column says, and shim6d runs on it with an
# empty configuration. Nothing is done if it is so.
column()
{
	local manager=$1 links=$2 temporary=$3 ups=up1

	[ "${matrix_column:-}" != "$*" ] || return 0
	column_end
	[ "$links" = one ] || ups="up1 up2"
	"links_$links" || { fail "no links"; return 1; }
	# shellcheck disable=SC2086
	manager_begin "$manager" "$temporary" $ups || { fail "$manager does not start"; return 1; }
	busywait 60 manager_ready "$temporary" || { matrix_look; fail "$manager has not set up the links"; return 1; }
	daemon_conf a </dev/null && daemon_start a || return
	matrix_column=$*
	busywait 90 both_proved || { fail "shim6d has not made the addresses"; return 1; }
	all_plain "at first"
}

# column_end: host a goes, and what has happened to its providers.
column_end()
{
	local p

	[ -z "${matrix_column:-}" ] || daemon_end a TERM
	matrix_column=
	router_off 1 KILL
	router_off 2 KILL
	# shellcheck disable=SC2046
	processes_end $(ip netns pids "${ns}a")
	ip netns del "${ns}a"
	for p in 1 2; do
		ip -n "${ns}p$p" link del host 2>/dev/null
		in_ns p$p nft delete table ip6 rebooting 2>/dev/null
	done
	ip -n "${ns}sw" link del ha 2>/dev/null
	in_ns core nft delete table ip6 blackhole 2>/dev/null
	rm -rf "$(daemon_dir a)"
	return 0
}

# links_two and links_one: host a is new, and its links are down. The routers announce.
links_two() { host_begin && uplink a up1 host p1 && uplink a up2 host p2 && routers_begin; }

links_one()
{
	local port

	host_begin && uplink a up1 ha sw && uplink sw p1 host p1 && uplink sw p2 host p2 || return
	{
		for port in ha p1 p2; do
			echo "link set $port master br0 up"
		done
	} | ip -n "${ns}sw" -batch - && routers_begin
}

host_begin()
{
	ns_add a && in_ns a sysctl -qw net.ipv6.conf.default.accept_ra=1
}

# uplink NAMESPACE DEVICE DEVICE NAMESPACE: a link. Those of hosts and routers have fixed MAC
# addresses.
uplink()
{
	local here there

	case $1 in a) here="address 00:00:5e:00:0${2#up}:02" ;; *) here= ;; esac
	case $4 in p*) there="address 00:00:5e:00:0${4#p}:01" ;; *) there= ;; esac
	# shellcheck disable=SC2086
	ip link add "$2" netns "${ns}$1" $here type veth peer name "$3" netns "${ns}$4" $there
}

routers_begin()
{
	local p

	for p in 1 2; do
		router_up $p && busywait 20 no_tentative p$p host && prefix_restore $p || return
	done
}

# router_off PROVIDER SIGNAL: the router announces no more.
router_off()
{
	local file=$TEST_TMP/radvd.$1.pid

	[ -s "$file" ] && kill "-$2" "$(cat "$file")"
	rm -f "$file"
}

# manager_ready TEMPORARY: the host has addresses of both providers.
manager_ready()
{
	local p

	for p in 1 2; do
		ip -n "${ns}a" -6 -o addr show to "$(topo_prefix $p)::/64" -tentative >"$TEST_TMP/theirs" || return
		grep -q inet6 "$TEST_TMP/theirs" || return
		[ "$1" = off ] || grep -q temporary "$TEST_TMP/theirs" || return
	done
}

# proved [PREFIX]: the addresses that shim6d has made on a, which can be protected and used.
proved()
{
	ask_for a /locators '.[] | select(.hba and .available and .operational and (.address | startswith($prefix))) | .address' \
		--arg prefix "${1:-}"
}

both_proved()
{
	U_a=$(proved "$(topo_prefix 1):") && V_a=$(proved "$(topo_prefix 2):") && [[ $U_a != *$'\n'* && $V_a != *$'\n'* ]]
}

# --- cells -------------------------------------------------------------------

# cell MANAGER LINKS TEMPORARY EVENT: sessions of TCP and UDP from an address of provider 1, and
# one from provider 2, go on after the event. Then new sessions are protected, and connections to
# a host without Shim6 work.
cell()
{
	cell_go "$@" || { matrix_look; processes_end "${talk_client:-}"; column_end; return 1; }
	processes_end "$talk_client"
	# No column has a provider with two prefixes.
	[ "$4" != renumbering ] || column_end
}

cell_go()
{
	local links=$2 event=$4 gone=

	column "$1" "$2" "$3" || return
	shim6tool -n "${ns}a" context flush && shim6tool -n "${ns}b" context flush || return
	busywait 20 both_proved && talk_call a 500 tcp udp "tcp@$V_a" && busywait 60 both_contexts || { fail "no context"; return 1; }
	pause 5
	silent_below "at first" 1000 && "event_$event" "$links" || return
	[ "$event" != renumbering ] || gone=$(topo_prefix 1):
	new_session "$gone" && all_plain "afterwards" "$gone"
}

both_contexts() { context_there && U_a=$V_a context_there; }

# all_plain WHEN [WITHOUT]: a host without Shim6 is reached from each address of a, by each
# link, and with no choice.
all_plain()
{
	in_ns a /usr/bin/python3 "$here/reach.py" $PLAIN "${2:-}" >"$TEST_TMP/reached" || return
	cat "$TEST_TMP/reached"
	! grep -q 'lost$' "$TEST_TMP/reached" || fail "$1: of connections without Shim6 is lost: $(grep 'lost$' "$TEST_TMP/reached" | tr '\n' ' ')"
}

# new_session [GONE]: a program that does not choose an address begins a session. It begins at an
# address that can be protected, not at one of GONE, and is protected.
new_session()
{
	local file=$TEST_TMP/new pid from status=0

	: >"$file"
	ip netns exec "${ns}a" /usr/bin/python3 "$here/talk.py" call 500 :: "$U_b" tcp >>"$file" 2>>"$TEST_TMP/talk.err" &
	pid=$!
	busywait 20 grep -q ready "$file" || { processes_end $pid; fail "no new session"; return 1; }
	from=$(awk '$1 == "ready" { print $2 }' "$file")
	echo "a new session begins at $from"
	if ! proved | grep -qxF "$from" || [[ -n ${1:-} && $from = "$1"* ]]; then
		status=1
		fail "a new session begins at $from, of $(proved | tr '\n' ' ')"
	elif ! busywait 40 is_protected "$from"; then
		status=1
		fail "a new session is not protected: $(ask a "/protection?context=$from,$U_b,0")"
	fi
	processes_end $pid
	return $status
}

is_protected() { ask_if a "/protection?context=$1,$U_b,0" '.[0].protected'; }

matrix_look()
{
	look
	ip -n "${ns}a" -6 addr show scope global
	ip -n "${ns}a" -6 rule
	ip -n "${ns}a" -6 route show table all default
	ip -n "${ns}a" addrlabel
	ask a /locators | jq -c '.[]'
	ask a /status | jq -c .reap
	tail -n 20 "$TEST_TMP/manager.log"
}

# --- events ------------------------------------------------------------------

# The longest silence, in milliseconds, in an event of which no link and no router tells.
UNTOLD=5000

# event_flap LINKS: the link is off for a moment, and later for a minute. With one link, nothing
# else is left, and sessions wait.
event_flap()
{
	local limit=1000

	[ "$1" = two ] || limit=5000
	link_off "$1" && pause 1 && link_on "$1" && pause 10 && silent_below "off for a moment" $limit &&
		link_off "$1" && pause 30 || return
	if [ "$1" = two ]; then silent_below "off" 1000; else talk_told; fi &&
		link_on "$1" && pause 20 && silent_below "on again" $limit
}

link_off() { if [ "$1" = two ]; then link_cut a up1; else ip -n "${ns}sw" link set ha down; fi; }
link_on() { if [ "$1" = two ]; then link_back 1; else ip -n "${ns}sw" link set ha up; fi; }

# event_dead: provider 1 loses all packets, and comes back. Sessions return to it.
event_dead()
{
	blackhole 1 both && pause 30 && silent_below "the provider is dead" $UNTOLD &&
		blackhole_clear && pause 60 && silent_below "the provider is back" 1000
}

# event_reboot LINKS: router 1 loses its power, its link is back before it forwards packets, and
# then it announces. A router on a link of its own takes the carrier with it.
event_reboot()
{
	local limit=1000

	[ "$1" = two ] || limit=$UNTOLD
	router_off 1 KILL
	link_cut a up1 && pause 40 && silent_below "the router is off" $limit || return
	in_ns p1 nft -f - <<-EOF
		table ip6 rebooting {
			chain forward {
				type filter hook forward priority -2; policy drop;
			}
		}
	EOF
	router_up 1 && pause 20 && silent_below "the router boots" 1000 &&
		in_ns p1 nft delete table ip6 rebooting && prefix_restore 1 && pause 60 && silent_below "the router is back" 1000
}

# event_renumbering: provider 1 announces another prefix, and says nothing of the old one, which
# it no longer forwards.
event_renumbering()
{
	local old

	old=$(topo_prefix 1)
	ip -n "${ns}p1" addr del "$old::1/64" dev host && ip -n "${ns}p1" addr add "$NEW_PREFIX::1/64" dev host nodad &&
		blackhole_rules "add rule ip6 blackhole forward ip6 daddr $old::/64 drop
			add rule ip6 blackhole forward ip6 saddr $old::/64 drop" &&
		radvd_set 1 $NEW_PREFIX 1800 3600 && pause 30 && silent_below "renumbered" $UNTOLD || return
	busywait 60 proved "$NEW_PREFIX:" || { fail "no address of the new prefix"; return 1; }
	pause 30
	silent_below "later" 1000
}
