// SPDX-License-Identifier: GPL-2.0
/*
 * The current locator pair of a context whose payload bears the header, and its
 * route.
 */
#include <linux/jhash.h>
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/xfrm.h>

#include "compat.h"
#include "filter.h"
#include "header.h"
#include "mtu.h"
#include "path.h"
#include "state.h"

static struct kmem_cache *shim6_path_cache __ro_after_init;

/**
 * shim6_path_new - a current locator pair
 * @sn: the namespace's state
 * @pair: Lp(local), Lp(peer) and how packets are carried between them
 * @tag: CT(peer), 47 bits, in host order
 * @home: it is the ULID pair, native
 * @gfp: how to allocate it
 *
 * Return: the path or NULL.
 */
struct shim6_path *shim6_path_new(struct shim6_net *sn,
				  const struct shim6_pair *pair, u64 tag,
				  bool home, gfp_t gfp)
{
	struct shim6_path *path;

	path = kmem_cache_zalloc(shim6_path_cache, gfp | __GFP_ACCOUNT);
	if (!path)
		return NULL;
	path->sn = sn;
	path->home = home;
	INIT_LIST_HEAD(&path->bundles);
	path->pair = *pair;
	put_unaligned_be48(tag, path->header_tag);
	path->header_tag[0] |= SHIM6_PAYLOAD_BIT;
	return path;
}

static void shim6_route_free(struct shim6_route *route)
{
	dst_release(route->dst);
	kfree(route);
}

static void shim6_route_free_rcu(struct rcu_head *rcu)
{
	shim6_route_free(container_of(rcu, struct shim6_route, rcu));
}

/**
 * shim6_path_free - free a path that no packet uses
 * @path: the path
 */
void shim6_path_free(struct shim6_path *path)
{
	struct shim6_route *route;
	int i;

	shim6_mtu_untell(path);
	for (i = 0; i < SHIM6_PATH_ROUTES; i++) {
		route = rcu_dereference_protected(path->routes[i], 1);
		if (route)
			shim6_route_free(route);
	}
	kmem_cache_free(shim6_path_cache, path);
}

/**
 * shim6_path_free_rcu - the same, after a grace period
 * @rcu: of the path
 */
void shim6_path_free_rcu(struct rcu_head *rcu)
{
	shim6_path_free(container_of(rcu, struct shim6_path, rcu));
}

/* @to: where the packet goes first. */
static struct dst_entry *shim6_route_lookup(struct net *net,
					    struct sk_buff *skb,
					    const struct shim6_path *path,
					    const struct in6_addr *to)
{
	struct flowi6 fl6 = {
		.flowi6_proto = shim6_path_encap(path)->ipproto,
	};
	struct flow_keys keys;
	struct dst_entry *dst;
	int err;

	if (skb) {
		/* Policies and rules below the shim look through its header. */
		if (net->xfrm.policy_count[XFRM_POLICY_OUT])
			shim6_decode_session(net, skb, flowi6_to_flowi(&fl6));
		fib6_rules_early_flow_dissect(net, skb, &fl6, &keys);
		fl6.flowlabel = ip6_flowinfo(ipv6_hdr(skb));
		fl6.flowi6_mark = skb->mark;
		fl6.flowi6_oif = shim6_filter_bound(skb);
		fl6.flowi6_uid = sock_net_uid(net, skb_to_full_sk(skb));
	}
	fl6.saddr = path->pair.local;
	fl6.daddr = *to;
	if (!path->home)
		return ip6_dst_lookup_flow(net, NULL, &fl6, NULL);
	/* IPsec has been asked about the ULIDs, and has done its work. */
	dst = ip6_route_output(net, NULL, &fl6);
	err = dst->error;
	if (!err)
		return dst;
	dst_release(dst);
	return ERR_PTR(err);
}

/*
 * Does a route depend on the addresses alone? Rules may look at the user, the
 * traffic class and the flow label, and routes with several next hops at the
 * flow label.
 */
static bool shim6_route_is_plain(const struct net *net,
				 const struct dst_entry *dst)
{
	const struct fib6_info *from;

	if (fib6_has_custom_rules(net))
		return false;
	from = rcu_dereference(dst_rt6_info(dst)->from);
	return from && !from->nh && !READ_ONCE(from->fib6_nsiblings);
}

/* Where the route for a packet is kept, if it is. */
static struct shim6_route __rcu **shim6_route_slot(const struct net *net,
						   struct shim6_path *path,
						   u32 uid, __be32 flowinfo)
{
	const struct shim6_route *first = rcu_dereference(path->routes[0]);

	if (!fib6_has_custom_rules(net) &&
	    (!first || shim6_route_is_plain(net, first->dst)))
		return &path->routes[0];
	return &path->routes[jhash_2words((__force u32)flowinfo, uid, 0) %
			     SHIM6_PATH_ROUTES];
}

/* The kept route if it is one for such a packet, with a reference, or NULL. */
static struct dst_entry *shim6_route_get(const struct net *net,
					 const struct shim6_route *route,
					 u32 uid, __be32 flowinfo)
{
	struct dst_entry *dst;

	if (!route)
		return NULL;
	if ((route->uid != uid || route->flowinfo != flowinfo) &&
	    !shim6_route_is_plain(net, route->dst))
		return NULL;
	dst = dst_check(route->dst, route->cookie);
	if (dst)
		dst_hold(dst);
	return dst;
}

/*
 * Keep a route in place of the one there was. Where more flows than there is
 * room for need different ones by turns, they look theirs up, and a route is
 * replaced once a jiffy at most.
 */
static void shim6_route_set(struct shim6_route __rcu **slot,
			    struct dst_entry *dst, u32 uid, __be32 flowinfo)
{
	struct shim6_route *route = rcu_dereference(*slot);

	if (route && route->since == (u32)jiffies)
		return;
	route = kmalloc(sizeof(*route), GFP_ATOMIC | __GFP_NOWARN);
	if (!route)
		return;
	dst_hold(dst);
	route->dst = dst;
	route->cookie = rt6_get_cookie(dst_rt6_info(dst));
	route->uid = uid;
	route->flowinfo = flowinfo;
	route->since = jiffies;
	route = unrcu_pointer(xchg(slot, RCU_INITIALIZER(route)));
	if (route)
		call_rcu(&route->rcu, shim6_route_free_rcu);
}

/* The user, for rules: that of the socket, or nobody, for whom root's hold. */
static u32 shim6_route_uid(const struct net *net, const struct sk_buff *skb)
{
	const struct sock *sk = skb_to_full_sk(skb);

	return __kuid_val(sk ? sock_net_uid(net, sk) : INVALID_UID);
}

/* Does a rule ask for protocols or ports? */
static bool shim6_route_wants_ports(const struct net *net)
{
#ifdef CONFIG_IPV6_MULTIPLE_TABLES
	return net->ipv6.fib6_rules_require_fldissect;
#else
	return false;
#endif
}

/**
 * shim6_path_route - the route of a locator pair for a packet
 * @net: the namespace
 * @skb: the packet, which has the route of its ULIDs
 * @path: the pair
 * @to: where it goes first, if a Routing header says so, or NULL
 *
 * The route is kept, and what it can depend on beside the pair is kept with it:
 * the user, and the flow label with the traffic class, if rules or several next
 * hops may look at these. What has a mark, ports that a rule asks for, or a
 * device of its socket's choice looks its route up. The caller is in an RCU
 * read-side section.
 *
 * Return: the route with a reference, or an ERR_PTR.
 */
struct dst_entry *shim6_path_route(struct net *net, struct sk_buff *skb,
				   struct shim6_path *path,
				   const struct in6_addr *to)
{
	bool keep = !to && !skb->mark &&
		    !net->xfrm.policy_count[XFRM_POLICY_OUT] &&
		    !shim6_route_wants_ports(net) && !shim6_filter_bound(skb);
	struct shim6_route __rcu **slot;
	struct dst_entry *dst;
	__be32 flowinfo;
	u32 uid;

	if (!keep)
		return shim6_route_lookup(net, skb, path, to ?: &path->pair.peer);
	uid = shim6_route_uid(net, skb);
	flowinfo = ip6_flowinfo(ipv6_hdr(skb));
	slot = shim6_route_slot(net, path, uid, flowinfo);
	dst = shim6_route_get(net, rcu_dereference(*slot), uid, flowinfo);
	if (dst)
		return dst;
	dst = shim6_route_lookup(net, skb, path, &path->pair.peer);
	if (!IS_ERR(dst))
		shim6_route_set(slot, dst, uid, flowinfo);
	return dst;
}

/**
 * shim6_path_serves - can a packet leave by a locator pair?
 * @net: the namespace
 * @skb: the packet, which has the route of its ULIDs
 * @path: the pair; the caller is in an RCU read-side section
 *
 * A socket that has chosen its device keeps it. If that has no part in the pair,
 * the packet is left on its ULIDs, as without Shim6.
 */
bool shim6_path_serves(struct net *net, struct sk_buff *skb,
		       const struct shim6_path *path)
{
	const int oif = shim6_filter_bound(skb);
	struct net_device *dev;
	struct dst_entry *dst;
	bool serves;

	if (likely(!oif))
		return true;
	dev = dev_get_by_index_rcu(net, oif);
	if (!dev || !ipv6_chk_addr(net, &path->pair.local, dev, 1))
		return false;
	dst = shim6_route_lookup(net, skb, path, &path->pair.peer);
	if (IS_ERR(dst))
		return false;
	serves = dst->dev == dev;
	dst_release(dst);
	return serves;
}

/**
 * shim6_path_mtu - what the ULP can send at a time on a locator pair
 * @sn: the namespace's state
 * @path: the pair
 *
 * Return: octets, 0 without a route.
 */
u32 shim6_path_mtu(struct shim6_net *sn, const struct shim6_path *path)
{
	struct dst_entry *dst;
	u32 mtu;

	dst = shim6_route_lookup(sn->net, NULL, path, &path->pair.peer);
	if (IS_ERR(dst))
		return 0;
	mtu = shim6_path_ulp_mtu(path, dst);
	dst_release(dst);
	return mtu;
}

/**
 * shim6_path_init - what paths are made of
 *
 * Return: 0 or a negative errno.
 */
int __init shim6_path_init(void)
{
	shim6_path_cache = KMEM_CACHE(shim6_path, 0);
	return shim6_path_cache ? 0 : -ENOMEM;
}

/**
 * shim6_path_exit - the last path is gone, and no callback is to come
 */
void shim6_path_exit(void)
{
	kmem_cache_destroy(shim6_path_cache);
}
