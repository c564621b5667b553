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
 * struct shim6_route - a route that is kept for a path; it never changes
 * @dst: the route, with a reference
 * @cookie: for dst_check(): is the route still valid?
 * @plain: the route has one next hop, so that no flow has another
 * @uid: user of the packet that the route was looked up for
 * @flowinfo: flow label and traffic class of that packet
 * @since: low 32 bits of the jiffies of the look-up
 * @rcu: frees it
 */
struct shim6_route {
	struct dst_entry *dst;
	u32 cookie;
	u32 uid;
	__be32 flowinfo;
	u32 since;
	bool plain;
	struct rcu_head rcu;
};

/* How many routes a path keeps if rules or several next hops tell flows apart. */
#define SHIM6_PATH_ROUTE_BITS	2
#define SHIM6_PATH_ROUTES	BIT(SHIM6_PATH_ROUTE_BITS)

/**
 * struct shim6_path - the current locator pair of a context whose payload bears
 * the header
 * @pair: Lp(local) and Lp(peer)
 * @header_tag: the payload header from its P bit on: the P bit, which is 1, and
 *	CT(peer), in network byte order
 * @home: its locators are the ULIDs: the header only keeps payload alike, and
 *	payload goes without it unless the context says header
 * @gone: no context sends by it any more, so no socket is told of it; under
 *	told_lock
 * @learnt: what this pair carries was noted in the kernel's route of the ULIDs;
 *	mtu.c
 * @sn: the namespace's state
 * @told: the route that tells sockets what they can send at a time, or NULL; it
 *	and the next four are under told_lock
 * @told_of: MTU of the route whose place @told takes
 * @told_cookie: is @told still valid?
 * @told_list: in the namespace's list of paths with @told
 * @bundles: routes through IPsec that tell sockets, as @told does
 * @routes: the routes that are kept, or NULL; each is replaced as a whole, under
 *	RCU. If routes depend on the addresses alone, the first serves all packets;
 *	otherwise a packet's user, flow label and traffic class say which one does
 * @rcu: frees the path with its routes when no packet uses it any more
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

/* Do packets of a path go in UDP? */
static inline bool shim6_path_is_udp(const struct shim6_path *path)
{
	return path->pair.encapsulation == SHIM6_ENCAPSULATION_UDP;
}

/*
 * Make a packet with ULIDs one with the locators of a path, and put the headers
 * where @place says. Returns 0, or a negative errno with the packet unchanged or
 * useless.
 */
static inline int shim6_path_push(struct sk_buff *skb,
				  const struct shim6_path *path,
				  const struct shim6_place *place)
{
	return shim6_path_is_udp(path) ? shim6_udp_push(skb, path, place) :
					 shim6_native_push(skb, path, place);
}

/*
 * The MTU for the ULP on a path by a route: the route's MTU less the octets of the
 * encapsulation, but not less than every ULP believes.
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
bool shim6_path_has_device(struct net *net, struct sk_buff *skb,
			   const struct shim6_path *path, int oif);
bool shim6_path_leaves_by(struct net *net, const struct sk_buff *skb,
			  struct shim6_path *path);
u32 shim6_path_mtu(struct shim6_net *sn, const struct shim6_path *path);
int shim6_path_init(void);
void shim6_path_exit(void);

#endif /* _SHIM6_PATH_H */
