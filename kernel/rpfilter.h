/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_RPFILTER_H
#define _SHIM6_RPFILTER_H

#include <linux/netfilter_ipv6.h>
#include <linux/workqueue.h>

#include "filter.h"
#include "state.h"

bool shim6_rpfilter_would_pass(struct net *net, const struct sk_buff *skb,
			       const struct shim6_context *ctx);
void shim6_rpfilter_begin(struct sk_buff *skb);
unsigned int shim6_rpfilter_end(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state);

/**
 * shim6_rpfilter_passes - shim6_rpfilter_would_pass(), if anybody may ask
 * @net: the namespace
 * @sn: its state; the caller is in an RCU read-side section
 * @skb: the packet, with its locators still; data is at the IPv6 header
 * @ctx: its context
 *
 * Return: false if all hooks at PRE_ROUTING are our own.
 */
static inline bool shim6_rpfilter_passes(struct net *net, struct shim6_net *sn,
					 const struct sk_buff *skb,
					 const struct shim6_context *ctx)
{
	const bool last = READ_ONCE(sn->hooks.last);

	if (likely(!shim6_filter_hooked(net, NF_INET_PRE_ROUTING, 1 + last)))
		return false;
	/* Without it, nobody would take the mark away. */
	if (unlikely(!last)) {
		schedule_work(&sn->hooks.last_work);
		return false;
	}
	return shim6_rpfilter_would_pass(net, skb, ctx);
}

#endif /* _SHIM6_RPFILTER_H */
