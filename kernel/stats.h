/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_STATS_H
#define _SHIM6_STATS_H

#include <linux/percpu.h>

#include <uapi/linux/shim6.h>

struct shim6_net;
struct sk_buff;

/**
 * struct shim6_mib - one CPU's share of a namespace's counters
 * @v: by the number of the counter's netlink attribute
 */
struct shim6_mib {
	unsigned long v[SHIM6_A_STATS_MAX + 1];
};

/* Count one; @counter is SHIM6_A_STATS_*. In any context. */
#define shim6_count(sn, counter) this_cpu_inc((sn)->mib->v[counter])

const char *shim6_stats_name(int counter);
void shim6_drop(struct shim6_net *sn, struct sk_buff *skb, int counter);
int shim6_drop_verdict(struct shim6_net *sn, struct sk_buff *skb, int counter,
		       int err);
u64 shim6_stats_sum(const struct shim6_net *sn, int counter);
int shim6_stats_net_init(struct shim6_net *sn);
void shim6_stats_net_exit(struct shim6_net *sn);

#endif /* _SHIM6_STATS_H */
