# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Cases of test_tool.sh about `shim6tool doctor`: what it finds, and that the commands which it
# gives mend it.

doctor_healthy()
{
	says 0 "^ok   module" tool a doctor && says 0 "^ok   daemon" tool a doctor &&
	says 0 "^ok   addresses locators of 2 prefixes" tool a doctor && says 0 "^ok   firewall" tool a doctor &&
	says 0 "^ok   peer .*protocol 140 passes" tool a doctor &&
	says 0 "^ok   peer .*from $A2 to $B2 protocol 140 passes" tool a doctor peer $B2 from $A2 || return
	tool a -j doctor | keys check result text
}

doctor_address()
{
	ip -n "${ns}a" addr add fd00::a/64 dev up2 nodad || return
	says 0 "^warn addresses fd00::a is not used: unique local addresses" tool a doctor
	local status=$?
	ip -n "${ns}a" addr del fd00::a/64 dev up2
	return $status
}

doctor_firewall()
{
	in_ns a nft 'add table inet wall; add chain inet wall in { type filter hook input priority 0; policy drop; };
		add rule inet wall in meta l4proto { icmpv6, tcp } accept'
	says 2 "^fail firewall .*chain inet wall in .*nft insert rule inet wall in meta l4proto 140 accept" tool a doctor peer $B1 &&
	says 2 "^fail peer .*not answered, but ping is" tool a doctor peer $B1 || return
	# Follow its advice. UDP is needed only where a network drops protocol 140.
	in_ns a nft insert rule inet wall in meta l4proto 140 accept &&
	says 0 "^warn firewall .*chain inet wall in drops UDP to port 61140" tool a doctor peer $B1 &&
	doctor_mends firewall && says 0 "^ok   firewall" tool a doctor peer $B1 &&
	in_ns a nft delete table inet wall
}

# doctor_mends CHECK [WORDS...]: run the command that doctor advises for a check, as it is printed.
doctor_mends()
{
	local command

	command=$(tool a -j doctor "${@:2}" | jq -r --arg check "$1" '[.[] | select(.check == $check and .result != "ok")][0].advice')
	command=${command#[\"\']} command=${command%[\"\']}
	echo "doctor says: $command"
	in_ns a sh -c "$command"
}

# Of each kind of rules, doctor finds which keep protocol 140 and UDP out, and its commands mend them.
doctor_firewall_kinds()
{
	local rules
	local known='ct state established,related accept; meta l4proto ipv6-icmp accept'

	for rules in \
		"chain in { type filter hook input priority 0; policy drop; $known; }" \
		"chain in { type filter hook input priority 0; $known; reject; }" \
		"chain out { type filter hook output priority 0; policy drop; $known; }" \
		"chain up { meta l4proto tcp accept; drop; }
		 chain in { type filter hook input priority 0; $known; iifname vmap { \"up1\" : goto up, \"up2\" : goto up }; }"
	do
		in_ns a nft -f - <<<"table inet wall {"$'\n'"$rules"$'\n'"}" || return
		says 2 "^fail firewall .*chain inet wall [a-z]* drops IP protocol 140 on up1 and up2" tool a doctor &&
			doctor_mends firewall && says 0 "^warn firewall .*drops UDP to port 61140 on up1 and up2" tool a doctor &&
			doctor_mends firewall && says 0 "^ok   firewall" tool a doctor ||
			{ in_ns a nft list ruleset; return 1; }
		in_ns a nft delete table inet wall
	done
	# A rule in a chain that the base chain calls counts as well.
	in_ns a nft "table inet wall { chain more { meta l4proto 140 accept; udp dport 61140 accept; }
		chain in { type filter hook input priority 0; policy drop; $known; jump more; }; }" || return
	says 0 "^ok   firewall" tool a doctor && in_ns a nft delete table inet wall
}

# All pairs are probed, not the current one alone. Packets to the peer by one link are lost.
doctor_pairs()
{
	# The cases before may have moved the context, and had pairs carried in UDP.
	tool a path use $A1 $B1 ulids || return
	says 0 "^ok   pairs .*from $A1 to $B1, by which payload goes,\( by udp\)\? a Probe was answered" tool a doctor peer $B1 &&
	says 0 "^ok   pairs .*from $A2 to $B2\( by udp\)\? a Probe was answered" tool a doctor peer $B2 || return
	in_ns b nft "table ip6 wall { chain in { type filter hook prerouting priority -470; ip6 saddr $A2 ip6 daddr $B2 meta l4proto { 140, udp } drop; }; }" || return
	says 2 "^fail pairs .*from $A2 to $B2\( by udp\)\? no Probe was answered: protocol 140 is not answered, but ping is" tool a doctor peer $B1 &&
	says 2 "^ok   pairs .*from $A1 to $B1, by which payload goes,\( by udp\)\? a Probe was answered" tool a doctor peer $B1 &&
	by_pair $A1 $B1 $A1 $B1 && wall_down
}

# Packets leave by the wrong provider.
doctor_route()
{
	local status

	# Nobody answers there, which is a failed check of its own.
	ip -n "${ns}a" -6 route add 3fff::/16 via $B1 dev up1 || return
	says 2 "^warn routes *packets from $A2 to 3fff::1 leave by up1, not by its own up2" tool a doctor peer 3fff::1 || return
	# With a rule by source they leave by their own.
	ip -n "${ns}a" -6 rule add from $A2 lookup 500 priority 500 && ip -n "${ns}a" -6 route add 3fff::/16 via $B2 dev up2 table 500 || return
	says 2 "^ok *routes" tool a doctor peer 3fff::1
	status=$?
	ip -n "${ns}a" -6 rule del priority 500 && ip -n "${ns}a" -6 route flush table 500 &&
		ip -n "${ns}a" -6 route del 3fff::/16 && return $status
}

doctor_wrong_namespace()
{
	# As with the default socket, in a namespace without a configuration of its own.
	cp "/etc/netns/${ns}a/shim6d.conf" /etc/shim6d.conf
	says 2 "serves another network namespace" in_ns c shim6tool path
	local status=$?
	: >/etc/shim6d.conf
	[ $status = 0 ] || return
	says 2 "^fail daemon .*serves another network namespace" shim6tool -n "${ns}c" -socket "$(daemon_dir a)/socket" doctor
}
