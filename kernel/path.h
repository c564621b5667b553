/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_PATH_H
#define _SHIM6_PATH_H

#include <linux/in6.h>
#include <linux/percpu.h>
#include <net/dst.h>

struct net;
struct shim6_context;
struct shim6_net;
struct sk_buff;

/**
 * struct shim6_route - what one CPU keeps of a path's route
 * @dst: the route, with a reference, or NULL
 * @cookie: whether it still holds
 *
 * As struct dst_cache, but for an address and a time stamp, which a path that
 * never changes does not need: there can be very many.
 */
struct shim6_route {
	struct dst_entry *dst;
	u32 cookie;
};

/**
 * struct shim6_path - the current locator pair of a re-homed context
 * @local: Lp(local)
 * @peer: Lp(peer)
 * @header_tag: the payload header from its P bit on: CT(peer) with P set, in
 *	network byte order
 * @told_mtu: the MTU that was told to the ULP by a route exception, or 0
 * @routes: the route; per CPU, use it with bottom halves off
 * @rcu: frees it, with the route, when no packet uses it any more
 */
struct shim6_path {
	struct in6_addr local;
	struct in6_addr peer;
	u8 header_tag[6];
	u32 told_mtu;
	struct shim6_route __percpu *routes;
	struct rcu_head rcu;
};

struct shim6_path *shim6_path_new(const struct in6_addr *local,
				  const struct in6_addr *peer, u64 tag);
void shim6_path_free(struct shim6_path *path);
void shim6_path_free_rcu(struct rcu_head *rcu);
struct dst_entry *shim6_path_route(struct net *net, struct sk_buff *skb,
				   struct shim6_path *path,
				   const struct in6_addr *to);
u32 shim6_path_mtu(struct shim6_net *sn, const struct shim6_path *path);
void shim6_mtu_tell(struct shim6_net *sn, struct shim6_context *ctx,
		    struct shim6_path *path);
void shim6_mtu_untell(struct shim6_net *sn, struct shim6_context *ctx,
		      struct shim6_path *path);
int shim6_path_init(void);
void shim6_path_exit(void);

#endif /* _SHIM6_PATH_H */
