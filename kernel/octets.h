/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The octets that a context carries. They are those of its payload as IPv6 packets
 * between the ULIDs, from the IPv6 header on, without any header of Shim6. A GSO
 * packet counts as the segments that it stands for. So the sum for a number of
 * datagrams is the same at both hosts, however packets are carried, cut or
 * merged. Under IPsec, what IPsec makes of the payload counts.
 *
 * Each CPU counts for itself: packets of a context may be on several at once.
 */
#ifndef _SHIM6_OCTETS_H
#define _SHIM6_OCTETS_H

#include <linux/percpu.h>
#include <linux/skbuff.h>

#include "state.h"

/**
 * struct shim6_octets - one CPU's share of the octets of a context
 * @sent: of packets that have left for the current locator pair
 * @heard: of packets that have come by any
 */
struct shim6_octets {
	u64 sent;
	u64 heard;
};

unsigned int shim6_octets_gso(const struct sk_buff *skb, unsigned int at);
void shim6_octets_sum(const struct shim6_context *ctx,
		      struct shim6_octets *sum);
int shim6_octets_init(struct shim6_context *ctx);
void shim6_octets_exit(struct shim6_context *ctx);

/* Octets of a packet without our header; see shim6_octets_gso(). */
static inline unsigned int shim6_octets_of(const struct sk_buff *skb,
					   unsigned int at)
{
	return likely(!skb_is_gso(skb)) ? skb->len : shim6_octets_gso(skb, at);
}

/**
 * shim6_octets_sent - count a packet that leaves
 * @ctx: its context; the caller is in an RCU read-side section
 * @skb: the packet, without our header; data is at the IPv6 header
 * @at: where the upper layer's header is, from data
 */
static inline void shim6_octets_sent(const struct shim6_context *ctx,
				     const struct sk_buff *skb, unsigned int at)
{
	this_cpu_add(ctx->octets->sent, shim6_octets_of(skb, at));
}

/**
 * shim6_octets_heard - count a packet that has come
 * @ctx: its context; the caller is in an RCU read-side section
 * @skb: the packet, without our header; data is at the IPv6 header
 * @at: where the upper layer's header is, from data
 */
static inline void shim6_octets_heard(const struct shim6_context *ctx,
				      const struct sk_buff *skb,
				      unsigned int at)
{
	this_cpu_add(ctx->octets->heard, shim6_octets_of(skb, at));
}

#endif /* _SHIM6_OCTETS_H */
