// SPDX-License-Identifier: GPL-2.0
/*
 * Counters, one for each thing that can become of a packet: per namespace, by
 * netlink and in /proc/net/shim6_stat. docs/counters.md explains each.
 */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <net/net_namespace.h>

#include "context.h"
#include "netns.h"
#include "stats.h"

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

	seq_printf(seq, "%-24s\t%llu\n", "Contexts",
		   shim6_stats_sum(sn, SHIM6_A_STATS_CONTEXTS));
	for (i = SHIM6_A_STATS_CONTEXTS + 1; i <= SHIM6_A_STATS_MAX; i++)
		seq_printf(seq, "%-24s\t%llu\n", shim6_stats_names[i],
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
