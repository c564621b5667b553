#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# New connections begin at an address that can be protected, on hosts with temporary addresses
# (net.ipv6.conf.*.use_tempaddr=2, as on desktops) and an empty shim6d.conf. Programs do not
# choose an address.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/addresses.sh"
. "$here/routers.sh"
need ip radvd nft tc modprobe shim6tool shim6d python3

FAR=2001:db8:f:1::1

temporary() { ip -n "${ns}a" -6 addr show dev "$1" temporary -deprecated -tentative | awk '$1 == "inet6" { sub("/.*", "", $2); print $2; exit }'; }
is_temporary() { [ -n "$(temporary "$1")" ]; }

# source_by UPLINK [DESTINATION]: the address at which a connection by that link begins. Nothing
# is sent.
source_by() { in_ns a /usr/bin/python3 "$here/source_of.py" "${2:-$FAR}" --device "$1"; }

labels() { ip -n "${ns}a" addrlabel | grep -w 'label 5533'; }
no_labels() { [ -z "$(labels)" ]; }

# begin_at WHAT ADDRESS1 ADDRESS2: connections by up1 and up2 begin at these addresses. shim6d
# learns of changes a moment later.
begin_at()
{
	busywait 10 begins "$2" "$3" ||
		{ ip -n "${ns}a" addrlabel; ip -n "${ns}a" -6 addr; fail "$1: $(source_by up1) and $(source_by up2), wanted $2 and $3"; }
}
begins() { [ "$(source_by up1) $(source_by up2)" = "$1 $2" ]; }

as_the_system_has_it()
{
	busywait 20 is_temporary up1 && busywait 20 is_temporary up2 || { ip -n "${ns}a" -6 addr; fail "no temporary address"; return 1; }
	begin_at "without shim6d" "$(temporary up1)" "$(temporary up2)" && OTHERS=$(ip -n "${ns}a" addrlabel | sort)
}

by_default()
{
	hosts_up && M1=$(made_addr a up1) M2=$(made_addr a up2) && begin_at "with shim6d" "$M1" "$M2" || return
	# A program that binds to a temporary address gets it.
	expect_eq "a program that says which" \
		"$(in_ns a /usr/bin/python3 "$here/source_of.py" "$FAR" --bind "$(temporary up1)")" "$(temporary up1)"
}

# To a neighbour, the address is of the same prefix, and of no other link.
to_neighbours()
{
	expect_eq "to a neighbour" "$(source_by up1 "$(topo_prefix 1)::1") $(source_by up2 "$(topo_prefix 2)::1")" "$M1 $M2"
}

# newer: later addresses are not preferred: another temporary one, one by hand, the link's own.
newer()
{
	local t p

	t=$(temporary up1) p=$(topo_prefix 1)
	ip -n "${ns}a" addr add "$p::77/64" dev up1 nodad && begin_at "one by hand" "$M1" "$M2" || return
	ip -n "${ns}a" addr del "$t/64" dev up1 && busywait 60 another_temporary "$t" || { ip -n "${ns}a" -6 addr; fail "no other temporary address"; return 1; }
	begin_at "another temporary one" "$M1" "$M2" || return
	! labels | grep -q "$t/" || { labels; fail "what is gone has a label"; return 1; }
	ip -n "${ns}a" addr del "$p::77/64" dev up1 || return
	link_cut a up1 && link_back 1 && busywait 60 is_made up1 || { fail "the link does not come back"; return 1; }
	begin_at "a link that was away" "$M1" "$M2"
}

another_temporary() { is_temporary up1 && [ "$(temporary up1)" != "$1" ]; }

# The peer is told of no temporary address.
not_told()
{
	local list

	routers_for a established && talk_begin a 100 tcp && busywait 60 context_there || { look_at; fail "no context"; return 1; }
	list=$(shim6tool -n "${ns}b" -j context show "$U_b" "$U_a")
	talk_end
	case $list in *"$(temporary up1)"* | *"$(temporary up2)"*) echo "$list"; fail "the peer knows a temporary address"; return 1 ;; esac
	case $list in *"$M2"*) ;; *) echo "$list"; fail "the peer does not know $M2" ;; esac
}

look_at() { shim6tool -n "${ns}a" context; tail -n 20 "$(daemon_dir a)/log"; }

# All outputs tell of a session whose program has asked for a temporary address.
told()
{
	local t words="our ULID is a temporary address, which proves no other"

	shim6tool -n "${ns}a" context flush
	shim6tool -n "${ns}b" context flush
	t=$(temporary up1)
	U_a=$t CALL_FROM=$t talk_begin a 100 tcp && U_a=$t busywait 60 context_there || { talk_end; look_at; fail "no context"; return 1; }
	says "shim6tool" "$words" shim6tool -n "${ns}a" -socket "$(daemon_dir a)/socket" &&
		says "context" "$words" shim6tool -n "${ns}a" -socket "$(daemon_dir a)/socket" context show "$t" "$U_b" &&
		says "JSON" "\"lack-local\":\"$words\"" shim6tool -n "${ns}a" -socket "$(daemon_dir a)/socket" -j context &&
		says "doctor" "$words" shim6tool -n "${ns}a" -socket "$(daemon_dir a)/socket" doctor &&
		says "the log" "$words" cat "$(daemon_dir a)/log"
	set -- $?
	talk_end
	return "$1"
}

# A client that has the server's SLAAC address from the DNS: both ends say what is wrong with it.
peer_proves_nothing()
{
	local b

	b=$(topo_addr b up1)
	U_a=$M1 U_b=$b talk_begin a 100 tcp && U_a=$M1 U_b=$b busywait 60 context_there || { talk_end; look_at; fail "no context"; return 1; }
	says "the client" "1 network there (the peer has told of no other provider: it has none, or its ULID proves none)" \
		shim6tool -n "${ns}a" -socket "$(daemon_dir a)/socket" context show "$M1" "$b" &&
		says "the server" "1 network here (our ULID was not made by shim6d, and proves no other address)" \
		shim6tool -n "${ns}b" -socket "$(daemon_dir b)/socket" context show "$b" "$M1"
	set -- $?
	talk_end
	return "$1"
}

# The records of a server are the addresses that prove each other, and those that are left out are
# told.
records()
{
	local out left

	out=$(shim6tool -n "${ns}a" -socket "$(daemon_dir a)/socket" locator dns www 2>"$TEST_TMP/left") || { cat "$TEST_TMP/left"; fail "it fails"; return 1; }
	left=$(<"$TEST_TMP/left")
	expect_eq "records" "$out" "$(printf 'www\t300\tIN\tAAAA\t%s\n' "$M1" "$M2")" || return
	case $left in *"$(temporary up1) is left out: it is temporary"*) ;; *) echo "$left"; fail "nothing of temporary ones"; return 1 ;; esac
	case $left in *"$(topo_addr a up1) is left out: it proves no other"*) ;; *) echo "$left"; fail "nothing of $(topo_addr a up1)"; return 1 ;; esac
}

# says WHO WHAT COMMAND...
says()
{
	local who=$1 what=$2 out

	shift 2
	out=$("$@" 2>&1)
	case $out in *"$what"*) ;; *) echo "$out"; fail "$who does not say: $what" ;; esac
}

# A program that does not choose an address: its provider fails, and the session goes on.
unmodified()
{
	local from p

	shim6tool -n "${ns}a" context flush
	shim6tool -n "${ns}b" context flush
	from=$(in_ns a /usr/bin/python3 "$here/source_of.py" "$U_b") || return
	case $from in
	"$M1") p=1 ;;
	"$M2") p=2 ;;
	*) fail "it would begin at $from"; return 1 ;;
	esac
	U_a=$from
	CALL_FROM=:: talk_begin a 1000 tcp && busywait 60 context_there || { talk_end; look_at; fail "no context"; return 1; }
	says "shim6tool" "protected by" shim6tool -n "${ns}a" -socket "$(daemon_dir a)/socket" || { talk_end; return 1; }
	pause 5
	talk_told && blackhole $p both && pause 30 && silent_below "its provider fails" 3000
	set -- $?
	talk_end
	blackhole_clear
	return "$1"
}

switch()
{
	local conf

	conf=$(daemon_dir a)/shim6d.conf
	printf '[addresses]\nsource = "system"\n' >>"$conf"
	daemon_signal a HUP && begin_at "the system decides" "$(temporary up1)" "$(temporary up2)" && no_labels || { labels; return 1; }
	sed -i 's/"system"/"protected"/' "$conf"
	daemon_signal a HUP && begin_at "shim6d decides" "$M1" "$M2"
}

# Labels stay as long as the addresses, and are removed with them.
after_its_end()
{
	daemon_end a KILL
	begin_at "shim6d was killed" "$M1" "$M2" && daemon_start a && sleep 5 && begin_at "shim6d is back" "$M1" "$M2" || return
	daemon_end a TERM
	in_ns a shim6d -flush-addresses && expect_eq "labels" "$(ip -n "${ns}a" addrlabel | sort)" "$OTHERS" &&
		begin_at "all is flushed" "$(temporary up1)" "$(temporary up2)"
}

modprobe shim6 || exit
set_up "the standard topology, and temporary addresses" routers_up 5ms
run_test "without shim6d, connections begin at temporary addresses" as_the_system_has_it
run_test "with shim6d, connections begin at addresses that can be protected" by_default
run_test "connections to neighbours do so too" to_neighbours
run_test "later addresses are not preferred" newer
run_test "peers are told no temporary address" not_told
run_test "sessions that can't be protected are shown" told
run_test "a session to an address that proves nothing is shown at both ends" peer_proves_nothing
run_test "the records for the DNS are the addresses that can be protected" records
run_test "a program that does not choose an address is protected" unmodified
run_test "one key of the configuration, and the system decides" switch
run_test "labels stay for a restart, and are flushed" after_its_end
hosts_down
tap_end
