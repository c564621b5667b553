// SPDX-License-Identifier: GPL-2.0
/*
 * Counters of a namespace, one for each fate of a packet. They are read by
 * netlink. docs/counters.md explains each.
 */
#include <net/ipv6.h>
#include <net/net_namespace.h>

#include "compat.h"
#include "state.h"
#include "stats.h"
#include "trace.h"

static const char *const shim6_stats_names[] = {
	[SHIM6_A_STATS_OUT_REHOMED] = "OutRehomed",
	[SHIM6_A_STATS_OUT_ULID] = "OutUlid",
	[SHIM6_A_STATS_OUT_ULID_HEADER] = "OutUlidHeader",
	[SHIM6_A_STATS_OUT_FRAGMENTS] = "OutFragments",
	[SHIM6_A_STATS_OUT_NO_ROUTE] = "OutNoRoute",
	[SHIM6_A_STATS_OUT_TOO_BIG] = "OutTooBig",
	[SHIM6_A_STATS_OUT_NO_MEMORY] = "OutNoMemory",
	[SHIM6_A_STATS_OUT_BYPASSED] = "OutBypassed",
	[SHIM6_A_STATS_OUT_CGROUP] = "OutCgroup",
	[SHIM6_A_STATS_IN_PAYLOAD] = "InPayload",
	[SHIM6_A_STATS_IN_ULID] = "InUlid",
	[SHIM6_A_STATS_IN_NO_CONTEXT] = "InNoContext",
	[SHIM6_A_STATS_IN_STATE] = "InState",
	[SHIM6_A_STATS_IN_HEADER] = "InHeader",
	[SHIM6_A_STATS_IN_NO_MEMORY] = "InNoMemory",
	[SHIM6_A_STATS_CTL_IN] = "CtlIn",
	[SHIM6_A_STATS_CTL_IN_CHECKSUM] = "CtlInChecksum",
	[SHIM6_A_STATS_CTL_IN_HEADER] = "CtlInHeader",
	[SHIM6_A_STATS_CTL_IN_ADDRESS] = "CtlInAddress",
	[SHIM6_A_STATS_CTL_IN_NO_DAEMON] = "CtlInNoDaemon",
	[SHIM6_A_STATS_CTL_OUT] = "CtlOut",
	[SHIM6_A_STATS_CTL_OUT_ERROR] = "CtlOutError",
	[SHIM6_A_STATS_KEEPALIVE_IN] = "KeepaliveIn",
	[SHIM6_A_STATS_KEEPALIVE_OUT] = "KeepaliveOut",
	[SHIM6_A_STATS_SEND_TIMEOUTS] = "SendTimeouts",
	[SHIM6_A_STATS_SWITCHES] = "Switches",
	[SHIM6_A_STATS_ICMP_IN] = "IcmpIn",
	[SHIM6_A_STATS_ICMP_MAPPED] = "IcmpMapped",
	[SHIM6_A_STATS_ICMP_WITHHELD] = "IcmpWithheld",
	[SHIM6_A_STATS_ICMP_UNMAPPED] = "IcmpUnmapped",
	[SHIM6_A_STATS_ACQUIRES] = "Acquires",
	[SHIM6_A_STATS_FLOW_EVICTIONS] = "FlowEvictions",
	[SHIM6_A_STATS_EVENTS_LOST] = "EventsLost",
	[SHIM6_A_STATS_TCP_RESTARTS] = "TcpRestarts",
	[SHIM6_A_STATS_GRO_MERGED] = "GroMerged",
	[SHIM6_A_STATS_IN_POLICY] = "InPolicy",
	[SHIM6_A_STATS_CTL_IN_LIMITED] = "CtlInLimited",
	[SHIM6_A_STATS_TCP_RESTARTS_MISSED] = "TcpRestartsMissed",
	[SHIM6_A_STATS_OUT_UDP] = "OutUdp",
	[SHIM6_A_STATS_IN_UDP] = "InUdp",
	[SHIM6_A_STATS_IN_UDP_CHECKSUM] = "InUdpChecksum",
	[SHIM6_A_STATS_IN_UDP_OTHER] = "InUdpOther",
};

/**
 * shim6_stats_name - the name of a counter in the tracepoint of drops
 * @counter: SHIM6_A_STATS_*
 */
const char *shim6_stats_name(int counter)
{
	return counter == SHIM6_A_STATS_CONTEXTS ? "Contexts" :
						   shim6_stats_names[counter];
}

/*
 * The kernel's drop reasons are a fixed list, so ours are the nearest ones in it.
 * The counter, and the tracepoint with its name, say exactly why.
 */
static enum skb_drop_reason shim6_drop_reason(int counter)
{
	switch (counter) {
	case SHIM6_A_STATS_OUT_NO_ROUTE:
		return SKB_DROP_REASON_IP_OUTNOROUTES;
	case SHIM6_A_STATS_OUT_TOO_BIG:
		return SKB_DROP_REASON_PKT_TOO_BIG;
	case SHIM6_A_STATS_OUT_NO_MEMORY:
	case SHIM6_A_STATS_IN_NO_MEMORY:
		return SKB_DROP_REASON_NOMEM;
	case SHIM6_A_STATS_IN_NO_CONTEXT:
	case SHIM6_A_STATS_IN_STATE:
	case SHIM6_A_STATS_IN_UDP_OTHER:
		return SKB_DROP_REASON_UNHANDLED_PROTO;
	case SHIM6_A_STATS_IN_UDP_CHECKSUM:
		return SKB_DROP_REASON_UDP_CSUM;
	case SHIM6_A_STATS_IN_HEADER:
	case SHIM6_A_STATS_CTL_IN_HEADER:
	case SHIM6_A_STATS_CTL_IN_ADDRESS:
		return SKB_DROP_REASON_IP_INHDR;
	case SHIM6_A_STATS_CTL_IN_CHECKSUM:
		return SKB_DROP_REASON_IP_CSUM;
	case SHIM6_A_STATS_CTL_IN_NO_DAEMON:
		return SKB_DROP_REASON_NO_SOCKET;
	case SHIM6_A_STATS_OUT_CGROUP:
		return SKB_DROP_REASON_BPF_CGROUP_EGRESS;
	case SHIM6_A_STATS_IN_POLICY:
		return SKB_DROP_REASON_XFRM_POLICY;
	case SHIM6_A_STATS_CTL_IN_LIMITED:
		return SKB_DROP_REASON_SOCKET_RCVBUFF;
	case SHIM6_A_STATS_ICMP_WITHHELD:
		return SKB_DROP_REASON_NETFILTER_DROP;
	default:
		return SKB_DROP_REASON_NOT_SPECIFIED;
	}
}

static void shim6_count_drop(struct shim6_net *sn, const struct sk_buff *skb,
			     int counter)
{
	shim6_count(sn, counter);
	trace_shim6_drop(sn, skb, counter);
}

/**
 * shim6_drop - count, trace and free a packet
 * @sn: the namespace's state
 * @skb: the packet, with its network header set; the caller's until now
 * @counter: SHIM6_A_STATS_*, which says why
 */
void shim6_drop(struct shim6_net *sn, struct sk_buff *skb, int counter)
{
	shim6_count_drop(sn, skb, counter);
	kfree_skb_reason(skb, shim6_drop_reason(counter));
}

/**
 * shim6_drop_verdict - count and trace a packet, and drop it as a hook does
 * @sn: the namespace's state
 * @skb: the packet, with its network header set; the caller returns the verdict
 *	and does not touch the packet any more
 * @counter: SHIM6_A_STATS_*, which says why
 * @err: what the sender is told: a negative errno, or 0 for nothing
 *
 * Return: the hook's verdict.
 */
int shim6_drop_verdict(struct shim6_net *sn, struct sk_buff *skb, int counter,
		       int err)
{
	if (!err) {
		shim6_drop(sn, skb, counter);
		return NF_STOLEN;
	}
	shim6_count_drop(sn, skb, counter);
	return shim6_nf_drop(skb, shim6_drop_reason(counter), err);
}

/**
 * shim6_stats_sum - a counter's value over all CPUs
 * @sn: the namespace's state
 * @counter: SHIM6_A_STATS_*, but not the number of contexts
 */
u64 shim6_stats_sum(const struct shim6_net *sn, int counter)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(sn->mib, cpu)->v[counter]);
	return sum;
}

/**
 * shim6_stats_net_init - make the counters, all 0
 * @sn: the namespace's state
 *
 * Return: 0 or a negative errno.
 */
int shim6_stats_net_init(struct shim6_net *sn)
{
	BUILD_BUG_ON(ARRAY_SIZE(shim6_stats_names) != SHIM6_A_STATS_MAX + 1);

	sn->mib = alloc_percpu_gfp(struct shim6_mib,
				   GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return sn->mib ? 0 : -ENOMEM;
}

/**
 * shim6_stats_net_exit - undo shim6_stats_net_init()
 * @sn: the namespace's state; no packet and no context can reach it any more
 */
void shim6_stats_net_exit(struct shim6_net *sn)
{
	free_percpu(sn->mib);
}
