/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_RPFILTER_H
#define _SHIM6_RPFILTER_H

#include <linux/types.h>

struct net;
struct nf_hook_state;
struct shim6_context;
struct sk_buff;

bool shim6_rpfilter_passes(struct net *net, const struct sk_buff *skb,
			   const struct shim6_context *ctx);
void shim6_rpfilter_begin(struct sk_buff *skb);
unsigned int shim6_rpfilter_end(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state);

#endif /* _SHIM6_RPFILTER_H */
