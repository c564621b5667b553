// SPDX-License-Identifier: GPL-2.0
/*
 * The path of a context: its current locator pair, while payload bears the header,
 * and the routes of that pair.
 */
#include <linux/hash.h>
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
 * shim6_path_new - make a path
 * @sn: the namespace's state
 * @pair: Lp(local), Lp(peer) and how packets are carried between them
 * @tag: CT(peer), 47 bits, in host order
 * @home: its locators are the ULIDs
 * @gfp: how to allocate
 *
 * Return: the path, or NULL if there is no memory.
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
 * shim6_path_free - free a path that no packet uses any more
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
 * shim6_path_free_rcu - free a path after a grace period
 * @rcu: the path's member, for call_rcu()
 */
void shim6_path_free_rcu(struct rcu_head *rcu)
{
	shim6_path_free(container_of(rcu, struct shim6_path, rcu));
}

/*
 * Look up the route of a path. @skb: the packet, or NULL for one that nothing is
 * known of. @to: where the packet goes first.
 */
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
		/* IPsec policies and routing rules look behind our header. */
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
	/* IPsec was asked about the ULIDs already, and has done its work. */
	dst = ip6_route_output(net, NULL, &fl6);
	err = dst->error;
	if (!err)
		return dst;
	dst_release(dst);
	return ERR_PTR(err);
}

/* Has a route one next hop? Of several, the flow label chooses one. */
static bool shim6_route_is_plain(const struct dst_entry *dst)
{
	const struct fib6_info *from = rcu_dereference(dst_rt6_info(dst)->from);

	return from && !from->nh && !READ_ONCE(from->fib6_nsiblings);
}

/* Does the route that is kept first serve all packets of a path? */
static bool shim6_route_serves_all(const struct net *net,
				   const struct shim6_route *first)
{
	return !fib6_has_custom_rules(net) && (!first || first->plain);
}

/* A kept route with a reference, or NULL if there is no valid one. */
static struct dst_entry *shim6_route_get(const struct shim6_route *route)
{
	struct dst_entry *dst;

	if (!route)
		return NULL;
	dst = dst_check(route->dst, route->cookie);
	if (dst)
		dst_hold(dst);
	return dst;
}

/*
 * The user, for rules: that of the socket, or INVALID_UID without one, for which
 * the rules of root hold.
 */
static u32 shim6_route_uid(const struct net *net, const struct sk_buff *skb)
{
	const struct sock *sk = skb_to_full_sk(skb);

	return __kuid_val(sk ? sock_net_uid(net, sk) : INVALID_UID);
}

/*
 * Keep a route in place of the one that was in the slot. A slot changes at most
 * once a jiffy: if more flows than there are slots need different routes in turn,
 * most of them look theirs up.
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
	/* A next hop that comes later makes the cookie invalid. */
	route->cookie = rt6_get_cookie(dst_rt6_info(dst));
	route->plain = shim6_route_is_plain(dst);
	route->uid = uid;
	route->flowinfo = flowinfo;
	route->since = jiffies;
	route = unrcu_pointer(xchg(slot, RCU_INITIALIZER(route)));
	if (route)
		call_rcu(&route->rcu, shim6_route_free_rcu);
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
 * @to: where the packet goes first, if a Routing header says so, or NULL
 *
 * The route is kept, together with what it can depend on besides the pair: the
 * user, the flow label and the traffic class, if rules or several next hops may
 * look at them. A packet with a mark, with ports that a rule asks for, or with a
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
	struct shim6_route __rcu **slot = &path->routes[0];
	const struct shim6_route *route;
	struct dst_entry *dst;
	__be32 flowinfo;
	u32 uid;

	if (!keep)
		return shim6_route_lookup(net, skb, path, to ?: &path->pair.peer);
	route = rcu_dereference(*slot);
	if (!shim6_route_serves_all(net, route)) {
		uid = shim6_route_uid(net, skb);
		flowinfo = ip6_flowinfo(ipv6_hdr(skb));
		slot = &path->routes[hash_32((__force u32)flowinfo ^ uid,
					     SHIM6_PATH_ROUTE_BITS)];
		route = rcu_dereference(*slot);
		if (route && (route->uid != uid || route->flowinfo != flowinfo))
			route = NULL;
	}
	dst = shim6_route_get(route);
	if (dst)
		return dst;
	dst = shim6_route_lookup(net, skb, path, &path->pair.peer);
	if (!IS_ERR(dst))
		shim6_route_set(slot, dst, shim6_route_uid(net, skb),
				ip6_flowinfo(ipv6_hdr(skb)));
	return dst;
}

/**
 * shim6_path_has_device - does a locator pair use the device of a socket's choice?
 * @net: the namespace
 * @skb: a packet of the socket, which has the route of its ULIDs
 * @path: the pair; the caller is in an RCU read-side section
 * @oif: the device's index
 */
bool shim6_path_has_device(struct net *net, struct sk_buff *skb,
			   const struct shim6_path *path, int oif)
{
	struct net_device *dev;
	struct dst_entry *dst;
	bool serves;

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
 * shim6_path_leaves_by - would an answer leave by the device of a packet?
 * @net: the namespace
 * @skb: a packet that has arrived, from the peer's locator of the path to ours
 * @path: the pair; the caller is in an RCU read-side section
 *
 * Any kept route by that device answers the question. If there is none, because
 * this host has sent nothing, the route is looked up and kept.
 */
bool shim6_path_leaves_by(struct net *net, const struct sk_buff *skb,
			  struct shim6_path *path)
{
	const struct shim6_route *route;
	struct dst_entry *dst;
	bool leaves;
	int i;

	for (i = 0; i < SHIM6_PATH_ROUTES; i++) {
		route = rcu_dereference(path->routes[i]);
		if (route && route->dst->dev == skb->dev &&
		    dst_check(route->dst, route->cookie))
			return true;
	}
	dst = shim6_route_lookup(net, NULL, path, &path->pair.peer);
	if (IS_ERR(dst))
		return false;
	leaves = dst->dev == skb->dev;
	/* This host may answer with another flow label, and by another route. */
	if (leaves && !fib6_has_custom_rules(net) && shim6_route_is_plain(dst))
		shim6_route_set(&path->routes[0], dst,
				__kuid_val(INVALID_UID), 0);
	dst_release(dst);
	return leaves;
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
 * shim6_path_init - make the cache that paths are allocated from
 *
 * Return: 0 or a negative errno.
 */
int __init shim6_path_init(void)
{
	shim6_path_cache = KMEM_CACHE(shim6_path, 0);
	return shim6_path_cache ? 0 : -ENOMEM;
}

/**
 * shim6_path_exit - undo shim6_path_init(), after the last path is freed
 */
void shim6_path_exit(void)
{
	kmem_cache_destroy(shim6_path_cache);
}
