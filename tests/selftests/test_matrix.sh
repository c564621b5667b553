#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Host a beside each network manager, with and without temporary addresses, in each event that
# a home network knows: a session goes on, new ones are protected, and connections to hosts
# without Shim6 work. shim6d has an empty configuration. The README has the matrix.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/routers.sh"
. "$here/managers.sh"
. "$here/matrix.sh"
need ip radvd nft tc modprobe shim6tool shim6d python3 jq dbus-daemon NetworkManager dhcpcd \
	/usr/lib/systemd/systemd-networkd

# The layouts of matrix.sh.
LINKS="two one"
EVENTS="flap dead reboot renumbering"

links_title() { if [ "$1" = two ]; then echo "two links"; else echo "one link with two routers"; fi; }

event_title()
{
	case $1 in
	flap) echo "the link flaps" ;;
	dead) echo "the provider is dead" ;;
	reboot) echo "the router reboots" ;;
	renumbering) echo "the provider renumbers" ;;
	esac
}

# cells_of_matrix: a line for each: manager, layout, temporary addresses, event. The cells of a
# column follow each other, and the last one ends it.
cells_of_matrix()
{
	local manager links temporary event

	for manager in $MANAGERS; do
		for links in $LINKS; do
			for temporary in off on; do
				for event in $EVENTS; do
					echo "$manager $links $temporary $event"
				done
			done
		done
	done
}

# table: the matrix as the README shows it: where a cell is, it has the temporary addresses with
# which that runs.
table()
{
	local manager links event

	printf '| network manager'
	for event in $EVENTS; do printf ' | %s' "$(event_title "$event")"; done
	printf ' |\n|---'
	for event in $EVENTS; do printf '|---'; done
	echo '|'
	for manager in $MANAGERS; do
		for links in $LINKS; do
			printf '| %s, %s' "$manager" "$(links_title "$links")"
			for event in $EVENTS; do printf ' | off, on'; done
			echo ' |'
		done
	done
}

in_readme()
{
	[[ $(<"$here/../../README.md") == *"$(table)"* ]] || { table; fail "README.md does not have this table"; }
}

modprobe shim6 || exit
# Each guest has whole columns.
TAP_GROUP=$(wc -w <<<"$EVENTS")
set_up "providers and a peer" matrix_up
while read -r manager links temporary event; do
	run_test "$manager, $(links_title "$links"), temporary addresses $temporary: $(event_title "$event")" \
		cell "$manager" "$links" "$temporary" "$event" </dev/null
done < <(cells_of_matrix)
run_test "the README shows which cells are run" in_readme
tap_end
