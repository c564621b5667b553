/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_MTU_H
#define _SHIM6_MTU_H

#include <linux/skbuff.h>

#include "compat.h"

struct dst_entry;
struct shim6_context;
struct shim6_net;
struct shim6_path;
struct shim6_place;

/**
 * shim6_mtu_fits - does a packet fit, or each segment of a GSO packet?
 * @skb: the packet
 * @mtu: octets that fit without our header
 */
static inline bool shim6_mtu_fits(const struct sk_buff *skb, u32 mtu)
{
	return skb_is_gso(skb) ? skb_gso_validate_network_len(skb, mtu) :
				 skb->len <= mtu;
}

bool shim6_mtu_tell(struct shim6_net *sn, struct shim6_path *path,
		    const struct sk_buff *skb, const struct dst_entry *carrier);
void shim6_mtu_untell(struct shim6_path *path);
void shim6_mtu_learn(const struct shim6_context *ctx, struct shim6_path *path,
		     u32 mtu);
void shim6_mtu_forget(const struct shim6_context *ctx,
		      const struct shim6_path *path);
bool shim6_mtu_shrink(struct sk_buff *skb, const struct shim6_place *place,
		      u32 mtu);

void shim6_mtu_net_init(struct shim6_net *sn);
void shim6_mtu_net_exit(struct shim6_net *sn);
int shim6_mtu_init(void);
void shim6_mtu_exit(void);

#endif /* _SHIM6_MTU_H */
