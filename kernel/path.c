// SPDX-License-Identifier: GPL-2.0
/*
 * The current locator pair of a re-homed context: its route, and what it
 * carries at a time, which the ULP is told (RFC 5533 section 15.4).
 */
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/xfrm.h>

#include "compat.h"
#include "context.h"
#include "header.h"
#include "netns.h"
#include "path.h"

static struct kmem_cache *shim6_path_cache __ro_after_init;

/**
 * shim6_path_new - a current locator pair
 * @local: Lp(local)
 * @peer: Lp(peer)
 * @tag: CT(peer), 47 bits
 *
 * Return: the path or NULL.
 */
struct shim6_path *shim6_path_new(const struct in6_addr *local,
				  const struct in6_addr *peer, u64 tag)
{
	struct shim6_path *path;

	path = kmem_cache_zalloc(shim6_path_cache, GFP_KERNEL_ACCOUNT);
	if (!path)
		return NULL;
	path->routes = alloc_percpu_gfp(struct shim6_route,
					GFP_KERNEL_ACCOUNT);
	if (!path->routes) {
		kmem_cache_free(shim6_path_cache, path);
		return NULL;
	}
	path->local = *local;
	path->peer = *peer;
	put_unaligned_be48(tag, path->header_tag);
	path->header_tag[0] |= SHIM6_PAYLOAD_BIT;
	return path;
}

/**
 * shim6_path_free - free a path that no packet uses
 * @path: the path
 */
void shim6_path_free(struct shim6_path *path)
{
	int cpu;

	for_each_possible_cpu(cpu)
		dst_release(per_cpu_ptr(path->routes, cpu)->dst);
	free_percpu(path->routes);
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

static struct dst_entry *shim6_route_lookup(struct net *net,
					    const struct sk_buff *skb,
					    const struct in6_addr *local,
					    const struct in6_addr *peer)
{
	struct flowi6 fl6 = { .flowi6_proto = SHIM6_IPPROTO };

	if (skb) {
		/* Policies below the shim look through its header. */
		if (net->xfrm.policy_count[XFRM_POLICY_OUT])
			shim6_decode_session(net, (struct sk_buff *)skb,
					     flowi6_to_flowi(&fl6));
		fl6.flowi6_mark = skb->mark;
		fl6.flowi6_oif = l3mdev_master_ifindex(skb_dst(skb)->dev);
		fl6.flowi6_uid = sock_net_uid(net, skb_to_full_sk(skb));
	}
	fl6.saddr = *local;
	fl6.daddr = *peer;
	return ip6_dst_lookup_flow(net, NULL, &fl6, NULL);
}

/* This CPU's route, with a reference, or NULL. Bottom halves are off. */
static struct dst_entry *shim6_route_get(struct shim6_route *slot)
{
	struct dst_entry *dst = slot->dst;

	if (!dst)
		return NULL;
	dst = dst_check(dst, slot->cookie);
	if (dst) {
		dst_hold(dst);
		return dst;
	}
	dst_release(slot->dst);
	slot->dst = NULL;
	return NULL;
}

static void shim6_route_set(struct shim6_route *slot, struct dst_entry *dst)
{
	dst_hold(dst);
	slot->dst = dst;
	slot->cookie = rt6_get_cookie(dst_rt6_info(dst));
}

/**
 * shim6_path_route - the route of a locator pair for a packet
 * @net: the namespace
 * @skb: the packet, which has the route of its ULIDs
 * @path: the pair
 * @to: where it goes first, if a Routing header says so, or NULL
 *
 * The route is kept where it depends on the pair alone. The output hook runs in
 * process context as well, and what is kept is per CPU. Where bottom halves can
 * be preempted (PREEMPT_RT) that is not enough, and nothing is kept.
 *
 * Return: the route with a reference, or an ERR_PTR.
 */
struct dst_entry *shim6_path_route(struct net *net, struct sk_buff *skb,
				   struct shim6_path *path,
				   const struct in6_addr *to)
{
	bool keep = !IS_ENABLED(CONFIG_PREEMPT_RT) && !to && !skb->mark &&
		    !net->xfrm.policy_count[XFRM_POLICY_OUT] &&
		    !netif_is_l3_slave(skb_dst(skb)->dev) &&
		    !netif_is_l3_master(skb_dst(skb)->dev);
	struct shim6_route *slot;
	struct dst_entry *dst;

	if (!keep)
		return shim6_route_lookup(net, skb, &path->local,
					  to ?: &path->peer);
	local_bh_disable();
	slot = this_cpu_ptr(path->routes);
	dst = shim6_route_get(slot);
	if (!dst) {
		dst = shim6_route_lookup(net, skb, &path->local, &path->peer);
		if (!IS_ERR(dst))
			shim6_route_set(slot, dst);
	}
	local_bh_enable();
	return dst;
}

/* The route that the ULP's packets have before they come to us. */
static struct rt6_info *shim6_ulid_route(struct shim6_net *sn,
					 struct shim6_context *ctx)
{
	struct dst_entry *dst;

	dst = shim6_route_lookup(sn->net, NULL, &ctx->ulids.local,
				 &ctx->ulids.peer);
	if (IS_ERR(dst))
		return NULL;
	if (dst_xfrm(dst) || dst->ops->family != AF_INET6) {
		dst_release(dst);
		return NULL;
	}
	return dst_rt6_info(dst);
}

/**
 * shim6_path_mtu - what the ULP can send at a time on a locator pair: 8 octets
 * less than the path carries, but not less than every ULP believes
 * @sn: the namespace's state
 * @path: the pair
 *
 * Return: octets, 0 without a route.
 */
u32 shim6_path_mtu(struct shim6_net *sn, const struct shim6_path *path)
{
	struct dst_entry *dst;
	u32 mtu;

	dst = shim6_route_lookup(sn->net, NULL, &path->local, &path->peer);
	if (IS_ERR(dst))
		return 0;
	mtu = max_t(u32, dst_mtu(dst) - SHIM6_PAYLOAD_LEN, IPV6_MIN_MTU);
	dst_release(dst);
	return mtu;
}

/**
 * shim6_mtu_tell - tell the ULP what it can send from now on: 8 octets less
 * than the path carries (RFC 5533 section 15.4)
 * @sn: the namespace's state
 * @ctx: the context; the caller holds the table's lock
 * @path: its current locator pair
 *
 * It is told by a route exception, as Packet Too Big would. Where that can't
 * be made, the first packet that does not fit brings the news.
 */
void shim6_mtu_tell(struct shim6_net *sn, struct shim6_context *ctx,
		    struct shim6_path *path)
{
	const u32 mtu = shim6_path_mtu(sn, path);
	struct sk_buff *skb;
	struct rt6_info *rt;

	if (!mtu)
		return;
	rt = shim6_ulid_route(sn, ctx);
	if (!rt)
		return;
	/* The exception is for the destination of a packet. */
	skb = alloc_skb(sizeof(struct ipv6hdr), GFP_KERNEL);
	if (skb && dst_mtu(&rt->dst) > mtu) {
		skb_reset_network_header(skb);
		skb_put_zero(skb, sizeof(struct ipv6hdr));
		ipv6_hdr(skb)->saddr = ctx->ulids.local;
		ipv6_hdr(skb)->daddr = ctx->ulids.peer;
		rt->dst.ops->update_pmtu(&rt->dst, NULL, skb, mtu, false);
		WRITE_ONCE(path->told_mtu, mtu);
	}
	kfree_skb(skb);
	ip6_rt_put(rt);
}

/**
 * shim6_mtu_untell - the ULP may send as much as its own route carries
 * @sn: the namespace's state
 * @ctx: the context; the caller holds the table's lock
 * @path: the locator pair that was its current one
 *
 * Only what shim6_mtu_tell() said is taken back, not what a router has said
 * since.
 */
void shim6_mtu_untell(struct shim6_net *sn, struct shim6_context *ctx,
		      struct shim6_path *path)
{
	struct rt6_info *rt;

	if (!path->told_mtu)
		return;
	rt = shim6_ulid_route(sn, ctx);
	if (!rt)
		return;
	if ((rt->rt6i_flags & RTF_CACHE) && dst_mtu(&rt->dst) == path->told_mtu) {
		/* It has expired; whoever holds it looks for another one. */
		WRITE_ONCE(rt->dst.expires, jiffies - 1);
		rt->rt6i_flags |= RTF_EXPIRES;
		WRITE_ONCE(rt->dst.obsolete, DST_OBSOLETE_KILL);
	}
	ip6_rt_put(rt);
	path->told_mtu = 0;
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
