/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_OUTPUT_H
#define _SHIM6_OUTPUT_H

#include <linux/types.h>

struct in6_addr;
struct net;
struct nf_hook_state;
struct rcu_head;
struct shim6_context;
struct shim6_net;
struct shim6_path;
struct sk_buff;

unsigned int shim6_output(void *priv, struct sk_buff *skb,
			  const struct nf_hook_state *state);
struct shim6_path *shim6_path_new(const struct in6_addr *local,
				  const struct in6_addr *peer, u64 tag);
void shim6_path_free(struct shim6_path *path);
void shim6_path_free_rcu(struct rcu_head *rcu);
u32 shim6_path_mtu(struct shim6_net *sn, const struct shim6_path *path);
void shim6_mtu_tell(struct shim6_net *sn, struct shim6_context *ctx,
		    struct shim6_path *path);
void shim6_mtu_untell(struct shim6_net *sn, struct shim6_context *ctx,
		      struct shim6_path *path);

#endif /* _SHIM6_OUTPUT_H */
