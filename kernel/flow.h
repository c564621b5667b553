/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_FLOW_H
#define _SHIM6_FLOW_H

#include <linux/types.h>

struct net;
struct shim6_flow_table;
struct shim6_net;
struct shim6_place;
struct shim6_ulids;
struct sk_buff;

void shim6_flow_out(struct net *net, struct shim6_net *sn, struct sk_buff *skb,
		    const struct shim6_ulids *ulids,
		    const struct shim6_place *place);
void shim6_flow_in(struct shim6_net *sn, const struct shim6_ulids *ulids);
struct shim6_flow_table *shim6_flow_table_new(u32 size);
void shim6_flow_table_free(struct shim6_flow_table *t);
struct shim6_flow_table *shim6_flow_use(struct shim6_net *sn,
					struct shim6_flow_table *t);

#endif /* _SHIM6_FLOW_H */
