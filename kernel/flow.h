/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_FLOW_H
#define _SHIM6_FLOW_H

#include <linux/list.h>
#include <linux/rhashtable.h>
#include <linux/spinlock.h>

struct net;
struct shim6_net;
struct shim6_place;
struct shim6_ulids;
struct sk_buff;

/**
 * struct shim6_flows - the ULID pairs without a context that are counted
 * @table: by ULID pair
 * @lock: of @lru and @count
 * @lru: in the order in which they came, or got a second chance
 * @count: how many there are
 */
struct shim6_flows {
	struct rhashtable table;
	spinlock_t lock; /* of the list and the number */
	struct list_head lru;
	u32 count;
};

void shim6_flow_out(struct net *net, struct shim6_net *sn, struct sk_buff *skb,
		    const struct shim6_ulids *ulids,
		    const struct shim6_place *place);
void shim6_flow_in(struct shim6_net *sn, const struct shim6_ulids *ulids);
int shim6_flow_net_init(struct shim6_net *sn);
void shim6_flow_net_exit(struct shim6_net *sn);

#endif /* _SHIM6_FLOW_H */
