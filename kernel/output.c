// SPDX-License-Identifier: GPL-2.0
/*
 * Output: packets of a ULID pair whose context is re-homed get the current
 * locator pair, the Payload Extension header and another route (RFC 5533
 * section 11).
 *
 * The hook is the last at LOCAL_OUT, so that the host's firewall and conntrack
 * have seen the ULIDs. IPsec on the ULIDs comes before: a packet whose dst has
 * a transformation is left alone and passes here again when that is done.
 */
#include <linux/netfilter_ipv6.h>
#include <net/addrconf.h>
#include <net/dst_cache.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/xfrm.h>

#include "compat.h"
#include "context.h"
#include "daemon.h"
#include "flow.h"
#include "header.h"
#include "netns.h"
#include "output.h"
#include "policy.h"
#include "reap.h"
#include "stats.h"

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
	struct shim6_path *path = kzalloc(sizeof(*path), GFP_KERNEL_ACCOUNT);

	if (!path)
		return NULL;
	if (dst_cache_init(&path->cache, GFP_KERNEL_ACCOUNT)) {
		kfree(path);
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
	dst_cache_destroy(&path->cache);
	kfree(path);
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

/*
 * The route of a locator pair, with a reference. It is kept where it depends
 * on the pair alone. The output hook runs in process context as well, and the
 * cache is per CPU.
 */
static struct dst_entry *shim6_route(struct net *net, struct sk_buff *skb,
				     struct shim6_path *path)
{
	bool keep = !skb->mark && !net->xfrm.policy_count[XFRM_POLICY_OUT] &&
		    !netif_is_l3_slave(skb_dst(skb)->dev) &&
		    !netif_is_l3_master(skb_dst(skb)->dev);
	struct in6_addr saddr;
	struct dst_entry *dst;

	if (!keep)
		return shim6_route_lookup(net, skb, &path->local, &path->peer);
	local_bh_disable();
	dst = dst_cache_get_ip6(&path->cache, &saddr);
	if (!dst) {
		dst = shim6_route_lookup(net, skb, &path->local, &path->peer);
		if (!IS_ERR(dst))
			dst_cache_set_ip6(&path->cache, dst, &path->local);
	}
	local_bh_enable();
	return dst;
}

/*
 * The Payload Extension header into a packet, and the locators for the ULIDs.
 * No checksum of the upper layer changes (RFC 5533 section 11.1).
 */
static int shim6_insert(struct sk_buff *skb, const struct shim6_path *path,
			const struct shim6_place *place)
{
	struct shim6_hdr *h;
	struct ipv6hdr *iph;
	int err;

	if (!pskb_may_pull(skb, place->offset))
		return -EINVAL;
	err = skb_cow_head(skb, SHIM6_PAYLOAD_LEN +
				LL_RESERVED_SPACE(skb_dst(skb)->dev));
	if (err)
		return err;
	skb_push(skb, SHIM6_PAYLOAD_LEN);
	memmove(skb->data, skb->data + SHIM6_PAYLOAD_LEN, place->offset);
	skb_reset_network_header(skb);

	h = (struct shim6_hdr *)(skb->data + place->offset);
	h->nexthdr = skb->data[place->prev];
	h->hdrlen = 0;
	memcpy(h->octet, path->header_tag, sizeof(h->octet));
	skb->data[place->prev] = SHIM6_IPPROTO;

	iph = ipv6_hdr(skb);
	iph->saddr = path->local;
	if (place->final)
		*(struct in6_addr *)(skb->data + place->final) = path->peer;
	else
		iph->daddr = path->peer;
	iph->payload_len = htons(skb->len - sizeof(*iph));
	return 0;
}

/* Make the checksum that was left for the device to make. */
static int shim6_checksum(struct sk_buff *skb)
{
	/* With no feature of a device it is made here, SCTP's as well. */
	return skb->ip_summed == CHECKSUM_PARTIAL ?
	       skb_csum_hwoffload_help(skb, 0) : 0;
}

/*
 * Devices that have the feature NETIF_F_IPV6_CSUM look for TCP and UDP right
 * behind the IPv6 header, and those that offload tunnels look for them there as
 * well; not every kernel keeps a packet with an extension header from them.
 */
static bool shim6_offload_blind(const struct sk_buff *skb)
{
	const netdev_features_t f = skb_dst(skb)->dev->features;

	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return false;
	return skb->encapsulation ||
	       (f & (NETIF_F_IPV6_CSUM | NETIF_F_HW_CSUM)) == NETIF_F_IPV6_CSUM;
}

/* Tell the sender what fits: @mtu octets without our header. */
static void shim6_too_big(struct sk_buff *skb, u32 mtu)
{
	skb->dev = skb_dst(skb)->dev;
	icmpv6_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
}

/* Fragments of a packet, each with a header of its own (section 4.6). */
static int shim6_fragment(struct net *net, struct sock *sk,
			  struct sk_buff *skb, const struct shim6_path *path,
			  struct shim6_place *place, u32 mtu)
{
	struct shim6_net *sn = shim6_pernet(net);
	struct dst_entry *dst = skb_dst(skb);
	struct ip6_frag_state state;
	struct sk_buff *frag;
	int err;

	err = shim6_checksum(skb);
	if (err)
		return err;
	if (!pskb_may_pull(skb, place->offset))
		return -EINVAL;
	ip6_frag_init(skb, place->offset,
		      mtu - place->offset - sizeof(struct frag_hdr),
		      dst->dev->needed_tailroom,
		      LL_RESERVED_SPACE(dst->dev) + SHIM6_PAYLOAD_LEN,
		      skb_network_header(skb) + place->prev, place->nexthdr,
		      ipv6_select_ident(net, &ipv6_hdr(skb)->daddr,
					&ipv6_hdr(skb)->saddr), &state);
	while (state.left > 0) {
		frag = ip6_frag_next(skb, &state);
		if (IS_ERR(frag))
			return PTR_ERR(frag);
		/* Its data begins at the network header. */
		err = shim6_insert(frag, path, place);
		if (err) {
			kfree_skb(frag);
			return err;
		}
		shim6_count(sn, SHIM6_A_STATS_OUT_FRAGMENTS);
		/* What a queue drops it counts itself. */
		if (dst_output(net, sk, frag) < 0)
			break;
	}
	return 0;
}

/* One packet that fits when it is cut into fragments, taken over. */
static void shim6_send_one(struct net *net, struct sock *sk,
			   struct sk_buff *skb, const struct shim6_path *path,
			   struct shim6_place *place, u32 mtu)
{
	struct shim6_net *sn = shim6_pernet(net);

	if (skb->len > mtu) {
		if (shim6_fragment(net, sk, skb, path, place, mtu))
			shim6_count_drop(sn, skb, SHIM6_A_STATS_OUT_NO_MEMORY);
		consume_skb(skb);
		return;
	}
	if (shim6_insert(skb, path, place)) {
		shim6_drop(sn, skb, SHIM6_A_STATS_OUT_NO_MEMORY);
		return;
	}
	shim6_count(sn, SHIM6_A_STATS_OUT_REHOMED);
	dst_output(net, sk, skb);
}

/* Segments of a packet that no device below can be trusted to cut. */
static unsigned int shim6_segment(struct net *net, struct sock *sk,
				  struct sk_buff *skb,
				  const struct shim6_path *path,
				  struct shim6_place *place, u32 mtu)
{
	struct shim6_net *sn = shim6_pernet(net);
	struct sk_buff *segs, *seg, *next;

	segs = skb_gso_segment(skb, 0);
	if (IS_ERR_OR_NULL(segs))
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_NO_MEMORY,
					  -ENOMEM);
	skb_list_walk_safe(segs, seg, next) {
		skb_mark_not_on_list(seg);
		skb_reset_network_header(seg);
		if (!shim6_header_place(seg, place)) {
			shim6_drop(sn, seg, SHIM6_A_STATS_OUT_NO_MEMORY);
			continue;
		}
		shim6_send_one(net, sk, seg, path, place, mtu);
	}
	consume_skb(skb);
	return NF_STOLEN;
}

/* What does not fit into one packet of the path: tell, cut, or both. */
static unsigned int shim6_output_big(struct net *net, struct sock *sk,
				     struct sk_buff *skb,
				     const struct shim6_path *path,
				     struct shim6_place *place, u32 mtu)
{
	struct shim6_net *sn = shim6_pernet(net);
	bool tcp = skb->sk && sk_fullsock(skb->sk) &&
		   skb->sk->sk_protocol == IPPROTO_TCP;

	/*
	 * A sender that can adapt is told. None is told less than 1280 octets,
	 * which it would not believe (RFC 8201 section 4): then cut.
	 */
	if (mtu >= IPV6_MIN_MTU && (tcp || !skb->ignore_df))
		goto too_big;
	if (skb_is_gso(skb))
		return shim6_segment(net, sk, skb, path, place, mtu);
	/* No fragments of a fragment. */
	if (place->nexthdr == NEXTHDR_FRAGMENT ||
	    mtu < place->offset + sizeof(struct frag_hdr) + 8)
		goto too_big;
	shim6_send_one(net, sk, skb, path, place, mtu);
	return NF_STOLEN;

too_big:
	shim6_too_big(skb, max_t(u32, mtu, IPV6_MIN_MTU));
	return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_TOO_BIG,
				  -EMSGSIZE);
}

static unsigned int shim6_output_rehomed(struct net *net, struct sk_buff *skb,
					 struct sock *sk,
					 struct shim6_path *path,
					 struct shim6_place *place)
{
	struct shim6_net *sn = shim6_pernet(net);
	struct dst_entry *dst;
	u32 mtu;
	int err;

	dst = shim6_route(net, skb, path);
	/* Where somebody is about to repair it the ULP need not know. */
	if (IS_ERR(dst) && shim6_has_daemon(sn)) {
		shim6_drop(sn, skb, SHIM6_A_STATS_OUT_NO_ROUTE);
		return NF_STOLEN;
	}
	if (IS_ERR(dst))
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_NO_ROUTE,
					  PTR_ERR(dst));
	skb_dst_drop(skb);
	skb_dst_set(skb, dst);
	mtu = dst_mtu(dst) - SHIM6_PAYLOAD_LEN;
	if (skb_is_gso(skb) ? !skb_gso_validate_network_len(skb, mtu) :
			      skb->len > mtu)
		return shim6_output_big(net, sk, skb, path, place, mtu);
	/* Jumbograms that a device would cut have no room for our header. */
	if (skb_is_gso(skb) && (skb->len + SHIM6_PAYLOAD_LEN > IPV6_MAXPLEN ||
				shim6_offload_blind(skb)))
		return shim6_segment(net, sk, skb, path, place, mtu);
	err = shim6_offload_blind(skb) ? shim6_checksum(skb) : 0;
	if (!err)
		err = shim6_insert(skb, path, place);
	if (err)
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_NO_MEMORY,
					  err);
	shim6_count(sn, SHIM6_A_STATS_OUT_REHOMED);
	return NF_ACCEPT;
}

/**
 * shim6_output - the hook at LOCAL_OUT
 * @priv: not used
 * @skb: a packet that this host sends; data is at the IPv6 header
 * @state: where
 *
 * Return: NF_ACCEPT, changed or not, or what netfilter calls the rest.
 */
unsigned int shim6_output(void *priv, struct sk_buff *skb,
			  const struct nf_hook_state *state)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	struct shim6_ulids ulids = {};
	struct shim6_place place;
	struct shim6_context *ctx;
	struct shim6_path *path;
	struct shim6_net *sn;

	if (!static_branch_unlikely(&shim6_active))
		return NF_ACCEPT;
	if (!skb_dst(skb) || dst_xfrm(skb_dst(skb)) ||
	    ipv6_addr_is_multicast(&iph->daddr) ||
	    (skb_dst(skb)->dev->flags & IFF_LOOPBACK))
		return NF_ACCEPT;
	if (!shim6_header_place(skb, &place) ||
	    place.nexthdr == SHIM6_IPPROTO ||
	    shim6_is_neighbour_discovery(skb, &place))
		return NF_ACCEPT;

	sn = shim6_pernet(state->net);
	ulids.local = iph->saddr;
	ulids.peer = iph->daddr;
	if (place.final &&
	    skb_copy_bits(skb, skb_network_offset(skb) + place.final,
			  &ulids.peer, sizeof(ulids.peer)))
		return NF_ACCEPT;

	ctx = shim6_context_by_ulids(sn, &ulids);
	if (!ctx) {
		shim6_flow_out(state->net, sn, skb, &ulids, &place);
		return NF_ACCEPT;
	}
	/* CT(peer) and Ls(peer) are set in these two (section 11). */
	if (READ_ONCE(ctx->state) < SHIM6_CONTEXT_STATE_ESTABLISHED)
		return NF_ACCEPT;
	path = rcu_dereference(ctx->path);
	if (path && shim6_policy_bypassed(sn, skb, &ulids, &place)) {
		shim6_count(sn, SHIM6_A_STATS_OUT_BYPASSED);
		return NF_ACCEPT;
	}
	shim6_reap_sent(ctx);
	if (!path) {
		shim6_count(sn, SHIM6_A_STATS_OUT_ULID);
		return NF_ACCEPT;
	}
	return shim6_output_rehomed(state->net, skb, state->sk, path, &place);
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
		path->told_mtu = mtu;
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
