# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Networks that drop what they do not know, in the standard topology: a core that drops IP protocol
# 140 silently, and home routers with stateful firewalls. A library for tests (source topology.sh and
# pair.sh first).

# no140 [PROVIDER...]: the core drops protocol 140 to and from the customers of these; of all
# without a name. It counts datagrams of the encapsulation, by their source.
no140()
{
	local p rules=

	[ $# -gt 0 ] || rules="meta l4proto 140 counter drop"
	for p in "$@"; do
		rules+="
			iifname p$p meta l4proto 140 counter drop
			oifname p$p meta l4proto 140 counter drop"
	done
	in_ns core nft -f - <<-EOF
		add table ip6 no140
		delete table ip6 no140
		table ip6 no140 {
			counter udp_a { }
			counter udp_b { }
			chain forward {
				type filter hook forward priority 10;
				udp dport $UDP_PORT iifname { p1, p2 } counter name udp_a
				udp dport $UDP_PORT iifname { p3, p4 } counter name udp_b
				$rules
			}
		}
	EOF
}
all140() { in_ns core nft delete table ip6 no140; }
datagrams() { in_ns core nft -j list counter ip6 no140 "udp_$1" | jq '.nftables[] | select(.counter).counter.packets'; }

# cpe PROVIDER...: their routers let in what belongs to flows from inside, and forget UDP soon.
# The program of the session may be called from outside, as by a forwarded port.
cpe()
{
	local p

	for p in "$@"; do
		in_ns "p$p" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=30 net.netfilter.nf_conntrack_udp_timeout_stream=30 &&
		in_ns "p$p" nft -f - <<-EOF || return
			add table ip6 router
			delete table ip6 router
			table ip6 router {
				chain forward {
					type filter hook forward priority 0; policy drop;
					ct state established,related accept
					iifname host accept
					meta l4proto tcp accept
					udp dport != $UDP_PORT accept
					icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request } accept
				}
			}
		EOF
	done
}
no_cpe()
{
	local p

	for p in $TOPO_PROVIDERS; do
		in_ns "p$p" nft -f - <<-EOF || return
			add table ip6 router
			delete table ip6 router
		EOF
	done
}

# middle_clear: networks carry everything again.
middle_clear()
{
	in_ns core nft delete table ip6 no140 2>/dev/null
	no_cpe
}
