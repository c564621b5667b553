// SPDX-License-Identifier: GPL-2.0
/*
 * Counters, one for each thing that can become of a packet: per namespace, by
 * netlink and in /proc/net/shim6_stat. docs/counters.md explains each.
 */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>

#include "compat.h"
#include "context.h"
#include "netns.h"
#include "stats.h"
#include "trace.h"

static const char *const shim6_stats_names[] = {
	[SHIM6_A_STATS_OUT_REHOMED] = "OutRehomed",
	[SHIM6_A_STATS_OUT_ULID] = "OutUlid",
	[SHIM6_A_STATS_OUT_FRAGMENTS] = "OutFragments",
	[SHIM6_A_STATS_OUT_NO_ROUTE] = "OutNoRoute",
	[SHIM6_A_STATS_OUT_TOO_BIG] = "OutTooBig",
	[SHIM6_A_STATS_OUT_NO_MEMORY] = "OutNoMemory",
	[SHIM6_A_STATS_OUT_BYPASSED] = "OutBypassed",
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
};

/**
 * shim6_stats_name - a counter's name in /proc/net/shim6_stat
 * @counter: SHIM6_A_STATS_*
 */
const char *shim6_stats_name(int counter)
{
	return counter == SHIM6_A_STATS_CONTEXTS ? "Contexts" :
						   shim6_stats_names[counter];
}

/*
 * The kernel's drop reasons are a fixed list, so ours are the nearest of
 * those; the counter, and the tracepoint that bears its name, say exactly why.
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
		return SKB_DROP_REASON_UNHANDLED_PROTO;
	case SHIM6_A_STATS_IN_HEADER:
	case SHIM6_A_STATS_CTL_IN_HEADER:
	case SHIM6_A_STATS_CTL_IN_ADDRESS:
		return SKB_DROP_REASON_IP_INHDR;
	case SHIM6_A_STATS_CTL_IN_CHECKSUM:
		return SKB_DROP_REASON_IP_CSUM;
	case SHIM6_A_STATS_CTL_IN_NO_DAEMON:
		return SKB_DROP_REASON_NO_SOCKET;
	case SHIM6_A_STATS_ICMP_WITHHELD:
		return SKB_DROP_REASON_NETFILTER_DROP;
	default:
		return SKB_DROP_REASON_NOT_SPECIFIED;
	}
}

/**
 * shim6_count_drop - count and trace a packet that goes no further; somebody
 * else frees it
 * @sn: the namespace's state
 * @skb: the packet, with its network header set
 * @counter: SHIM6_A_STATS_*, which says why
 */
void shim6_count_drop(struct shim6_net *sn, const struct sk_buff *skb,
		      int counter)
{
	shim6_count(sn, counter);
	trace_shim6_drop(sn, skb, counter);
}

/**
 * shim6_drop - count, trace and free a packet
 * @sn: the namespace's state
 * @skb: the packet, with its network header set
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
 * @skb: the packet, with its network header set
 * @counter: SHIM6_A_STATS_*, which says why
 * @err: what the sender gets, a negative errno
 *
 * Return: the hook's verdict.
 */
int shim6_drop_verdict(struct shim6_net *sn, struct sk_buff *skb, int counter,
		       int err)
{
	shim6_count_drop(sn, skb, counter);
	return shim6_nf_drop(skb, shim6_drop_reason(counter), err);
}

/**
 * shim6_stats_sum - a counter's value over all CPUs
 * @sn: the namespace's state
 * @counter: SHIM6_A_STATS_*; the number of contexts is not a counter but
 *	served as well
 */
u64 shim6_stats_sum(const struct shim6_net *sn, int counter)
{
	u64 sum = 0;
	int cpu;

	if (counter == SHIM6_A_STATS_CONTEXTS)
		return READ_ONCE(sn->table.count);
	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(sn->mib, cpu)->v[counter]);
	return sum;
}

#ifdef CONFIG_PROC_FS
static int shim6_stats_show(struct seq_file *seq, void *v)
{
	struct shim6_net *sn = shim6_pernet(seq->private);
	int i;

	for (i = SHIM6_A_STATS_CONTEXTS; i <= SHIM6_A_STATS_MAX; i++)
		seq_printf(seq, "%-24s\t%llu\n", shim6_stats_name(i),
			   shim6_stats_sum(sn, i));
	return 0;
}
#endif

/**
 * shim6_stats_net_init - counters at zero, and their file
 * @net: the namespace
 * @sn: its state
 *
 * Return: 0 or a negative errno.
 */
int shim6_stats_net_init(struct net *net, struct shim6_net *sn)
{
	BUILD_BUG_ON(ARRAY_SIZE(shim6_stats_names) != SHIM6_A_STATS_MAX + 1);

	sn->mib = alloc_percpu(struct shim6_mib);
	if (!sn->mib)
		return -ENOMEM;
#ifdef CONFIG_PROC_FS
	if (!proc_create_net_single("shim6_stat", 0444, net->proc_net,
				    shim6_stats_show, NULL)) {
		free_percpu(sn->mib);
		return -ENOMEM;
	}
#endif
	return 0;
}

/**
 * shim6_stats_net_exit - the reverse of shim6_stats_net_init()
 * @net: the namespace
 * @sn: its state, which no packet can reach any more
 */
void shim6_stats_net_exit(struct net *net, struct shim6_net *sn)
{
	remove_proc_entry("shim6_stat", net->proc_net);
	free_percpu(sn->mib);
}
