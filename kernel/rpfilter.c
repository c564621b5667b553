// SPDX-License-Identifier: GPL-2.0
/*
 * Reverse-path filters of the host (nft's "fib saddr . iif", ip6tables' rpfilter).
 *
 * Such a filter drops a packet if an answer to its source would leave by another
 * device. It sees re-homed packets with their ULIDs, and these mostly belong to
 * another device: that is what re-homing is for. The filter's question is about
 * the addresses that a packet has on its way, so it is asked here, about the
 * locators. For a packet that passes, the filters are told that there is nothing
 * more to ask: they leave alone what is marked PACKET_LOOPBACK. The mark goes at
 * the end of PRE_ROUTING, since TCP and others take only PACKET_HOST.
 */
#include <linux/netfilter.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "compat.h"
#include "filter.h"
#include "hooks.h"
#include "path.h"
#include "rpfilter.h"
#include "state.h"

/* The filter's own question: by which device would an answer leave? */
static bool shim6_rpfilter_lookup(struct net *net, const struct sk_buff *skb)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	struct flowi6 fl6 = {
		.flowi6_mark = skb->mark,
		.flowi6_uid = sock_net_uid(net, NULL),
		.saddr = iph->daddr,
		.daddr = iph->saddr,
	};
	struct dst_entry *dst;
	bool passes;

	dst = ip6_route_output(net, NULL, &fl6);
	passes = !dst->error && dst->dev == skb->dev;
	dst_release(dst);
	return passes;
}

/**
 * shim6_rpfilter_would_pass - would a reverse-path filter pass a re-homed packet?
 * @net: the namespace
 * @skb: the packet, with its locators still; data is at the IPv6 header
 * @ctx: its context; the caller is in an RCU read-side section
 *
 * Return: false as well for a packet that has its ULIDs: the filters of the host
 * ask about that themselves.
 */
bool shim6_rpfilter_would_pass(struct net *net, const struct sk_buff *skb,
			       const struct shim6_context *ctx)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	struct shim6_path *path;

	if (skb->pkt_type != PACKET_HOST ||
	    (ipv6_addr_equal(&iph->saddr, &ctx->ulids.peer) &&
	     ipv6_addr_equal(&iph->daddr, &ctx->ulids.local)))
		return false;
	/*
	 * The peer mostly sends by the pair by which this host sends. But filters
	 * ask about routes, and IPsec makes others of those.
	 */
	path = rcu_dereference(ctx->path);
	if (path && !net->xfrm.policy_count[XFRM_POLICY_OUT] &&
	    ipv6_addr_equal(&iph->saddr, &path->pair.peer) &&
	    ipv6_addr_equal(&iph->daddr, &path->pair.local))
		return shim6_path_leaves_by(net, skb, path);
	return shim6_rpfilter_lookup(net, skb);
}

/**
 * shim6_rpfilter_begin - have reverse-path filters leave a packet alone
 * @skb: a packet for which shim6_rpfilter_passes() was true, now with its ULIDs
 */
void shim6_rpfilter_begin(struct sk_buff *skb)
{
	skb->pkt_type = PACKET_LOOPBACK;
}

/**
 * shim6_rpfilter_end - the last hook at PRE_ROUTING: take the mark away
 * @priv: the namespace's state
 * @skb: a packet that has arrived; data is at the IPv6 header
 * @state: of the hook
 *
 * Only multicast packets of the host's own have the mark otherwise.
 *
 * Return: NF_ACCEPT.
 */
unsigned int shim6_rpfilter_end(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	if (unlikely(skb->pkt_type == PACKET_LOOPBACK) &&
	    !ipv6_addr_is_multicast(&ipv6_hdr(skb)->daddr))
		skb->pkt_type = PACKET_HOST;
	return NF_ACCEPT;
}
