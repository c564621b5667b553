/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_PATH_H
#define _SHIM6_PATH_H

#include <linux/in6.h>
#include <net/dst.h>

#include "encap.h"

struct net;
struct rt6_info;
struct shim6_net;
struct sk_buff;

/**
 * struct shim6_route - a route that is kept for a path
 * @dst: the route, with a reference
 * @cookie: whether it still holds
 * @uid: of the packet that it was looked up for
 * @flowinfo: the flow label and the traffic class of that packet
 * @since: low 32 bits of the jiffies when it was looked up
 * @rcu: frees it
 */
struct shim6_route {
	struct dst_entry *dst;
	u32 cookie;
	u32 uid;
	__be32 flowinfo;
	u32 since;
	struct rcu_head rcu;
};

/* Routes that a path keeps where rules or several next hops tell flows apart. */
#define SHIM6_PATH_ROUTES	4

/**
 * struct shim6_path - the current locator pair of a context whose payload bears
 * the header
 * @pair: Lp(local) and Lp(peer)
 * @header_tag: the payload header from its P bit on: CT(peer) with P set, in
 *	network byte order
 * @home: it is the ULID pair, native: the header only keeps payload alike
 * @gone: it is no context's current one any more, and nobody is told of it
 * @learnt: the kernel has learnt of the ULIDs' route what this pair carries
 * @sn: the namespace's state
 * @told: the route that tells sockets what they can send at a time, or NULL;
 *	with the next three under told_lock
 * @told_of: the MTU of the route whose place it takes
 * @told_cookie: whether it still holds
 * @told_list: in the list of the namespace's, if there is one
 * @bundles: routes through IPsec that tell sockets, as @told does
 * @routes: the routes that are kept, or NULL; each is replaced as a whole. If
 *	routes depend on the addresses alone, the first serves all packets;
 *	otherwise a packet's user, flow label and traffic class say which one
 * @rcu: frees it, with the routes, when no packet uses it any more
 */
struct shim6_path {
	struct shim6_pair pair;
	u8 header_tag[6];
	bool home;
	bool gone;
	bool learnt;
	struct shim6_net *sn;
	struct rt6_info *told;
	u32 told_of;
	u32 told_cookie;
	struct list_head told_list;
	struct list_head bundles;
	struct shim6_route __rcu *routes[SHIM6_PATH_ROUTES];
	struct rcu_head rcu;
};

/* How packets are carried on a path. */
static inline const struct shim6_encap *
shim6_path_encap(const struct shim6_path *path)
{
	return shim6_encap_of(path->pair.encapsulation);
}

/*
 * What the ULP can send at a time on a path by a route: as much less than that
 * carries as the encapsulation takes, but not less than every ULP believes.
 */
static inline u32 shim6_path_ulp_mtu(const struct shim6_path *path,
				     const struct dst_entry *route)
{
	return max_t(u32, dst_mtu(route) - shim6_path_encap(path)->overhead,
		     IPV6_MIN_MTU);
}

struct shim6_path *shim6_path_new(struct shim6_net *sn,
				  const struct shim6_pair *pair, u64 tag,
				  bool home, gfp_t gfp);
void shim6_path_free(struct shim6_path *path);
void shim6_path_free_rcu(struct rcu_head *rcu);
struct dst_entry *shim6_path_route(struct net *net, struct sk_buff *skb,
				   struct shim6_path *path,
				   const struct in6_addr *to);
bool shim6_path_serves(struct net *net, struct sk_buff *skb,
		       const struct shim6_path *path);
u32 shim6_path_mtu(struct shim6_net *sn, const struct shim6_path *path);
int shim6_path_init(void);
void shim6_path_exit(void);

#endif /* _SHIM6_PATH_H */
