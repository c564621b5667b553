/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_FLOW_H
#define _SHIM6_FLOW_H

#include <linux/types.h>

#include "state.h"

struct net;
struct shim6_place;
struct sk_buff;

/**
 * struct shim6_flow_told - what is told of a pair that is counted
 * @ulids: the pair
 * @packets: since @first
 * @trigger_packets: what the rules have said of the last packet sent
 * @trigger_time: likewise, in milliseconds
 * @first: jiffies of the first packet
 * @last: jiffies of the last packet
 * @asked: jiffies of the last question to the daemon, or 0
 * @heard: the peer has sent as well
 */
struct shim6_flow_told {
	struct shim6_ulids ulids;
	u32 packets;
	u32 trigger_packets;
	u32 trigger_time;
	unsigned long first;
	unsigned long last;
	unsigned long asked;
	bool heard;
};

void shim6_flow_out(struct net *net, struct shim6_net *sn, struct sk_buff *skb,
		    const struct shim6_ulids *ulids,
		    const struct shim6_place *place);
void shim6_flow_in(struct shim6_net *sn, const struct shim6_ulids *ulids);
int shim6_flow_next(struct shim6_flow_table *t, unsigned long *place,
		    unsigned int *looks, struct shim6_flow_told *told);
u32 shim6_flow_table_id(const struct shim6_flow_table *t);
struct shim6_flow_table *shim6_flow_table_new(u32 size);
void shim6_flow_table_free(struct shim6_flow_table *t);
struct shim6_flow_table *shim6_flow_use(struct shim6_net *sn,
					struct shim6_flow_table *t);

#endif /* _SHIM6_FLOW_H */
