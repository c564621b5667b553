// SPDX-License-Identifier: GPL-2.0
/*
 * Output: packets of a ULID pair whose context is re-homed get the current
 * locator pair, its encapsulation and another route (RFC 5533 section 11). After
 * a return to the ULIDs, packets keep the header (home.c).
 *
 * The hook is the last at LOCAL_OUT, so that the host's firewall and conntrack
 * have seen the ULIDs. filter.c has what else they and others are asked.
 * IPsec on the ULIDs comes first: a packet whose dst has a transformation is
 * left alone, and passes here again after the transformation.
 *
 * Ownership of a packet: a function that returns a verdict gives it back with
 * NF_ACCEPT, and has seen to its end with any other (shim6_drop_verdict()); one
 * that returns nothing takes it over (shim6_drop()); shim6_fragment() leaves it
 * to its caller.
 */
#include <linux/netfilter_ipv6.h>
#include <net/addrconf.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "card.h"
#include "compat.h"
#include "encap_udp.h"
#include "event.h"
#include "filter.h"
#include "flow.h"
#include "header.h"
#include "home.h"
#include "mtu.h"
#include "octets.h"
#include "output.h"
#include "path.h"
#include "policy.h"
#include "reap.h"
#include "recent.h"
#include "sender.h"
#include "sockets.h"
#include "state.h"
#include "stats.h"

static void shim6_count_rehomed(struct shim6_net *sn,
				const struct shim6_path *path)
{
	shim6_count(sn, path->home ? SHIM6_A_STATS_OUT_ULID_HEADER :
				     SHIM6_A_STATS_OUT_REHOMED);
	if (shim6_path_is_udp(path))
		shim6_count(sn, SHIM6_A_STATS_OUT_UDP);
}

/* Compute the checksum that was left to the device. */
static int shim6_checksum(struct sk_buff *skb)
{
	/* No device feature is given, so it is computed here, SCTP's as well. */
	return skb->ip_summed == CHECKSUM_PARTIAL ?
	       skb_csum_hwoffload_help(skb, 0) : 0;
}

/* Is there room for data in each fragment? */
static bool shim6_can_fragment(const struct shim6_place *place, u32 mtu)
{
	return mtu >= place->offset + sizeof(struct frag_hdr) + 8;
}

/*
 * A packet that is already a fragment, as raw sockets send them, becomes several
 * fragments. Its Fragment header moves to @was, and each of them gets one like it.
 * @was is 0 for any other packet.
 */
static int shim6_unfragment(struct sk_buff *skb, struct shim6_place *place,
			    struct frag_hdr *was)
{
	memset(was, 0, sizeof(*was));
	if (place->nexthdr != NEXTHDR_FRAGMENT)
		return 0;
	if (!pskb_may_pull(skb, place->offset + sizeof(*was)) ||
	    skb_cow_head(skb, 0))
		return -EINVAL;
	memcpy(was, skb->data + place->offset, sizeof(*was));
	memmove(skb->data + sizeof(*was), skb->data, place->offset);
	__skb_pull(skb, sizeof(*was));
	skb_reset_network_header(skb);
	skb->data[place->prev] = was->nexthdr;
	place->nexthdr = was->nexthdr;
	return 0;
}

/* Send fragments of a packet, each with a Shim6 header of its own (section 4.6). */
static int shim6_fragment(struct shim6_net *sn, struct sock *sk,
			  struct sk_buff *skb, const struct shim6_path *path,
			  const struct shim6_place *was_at, u32 mtu)
{
	const struct shim6_encap *encap = shim6_path_encap(path);
	struct shim6_place at = *was_at, *place = &at;
	struct dst_entry *dst = skb_dst(skb);
	struct ip6_frag_state state;
	struct frag_hdr was, *fh;
	struct sk_buff *frag;
	int err;

	if (!shim6_can_fragment(place, mtu))
		return -EMSGSIZE;
	err = shim6_checksum(skb) ?: shim6_unfragment(skb, place, &was);
	if (err)
		return err;
	if (!pskb_may_pull(skb, place->offset))
		return -EINVAL;
	ip6_frag_init(skb, place->offset,
		      mtu - place->offset - sizeof(struct frag_hdr),
		      dst->dev->needed_tailroom,
		      LL_RESERVED_SPACE(dst->dev) + encap->overhead,
		      skb_network_header(skb) + place->prev, place->nexthdr,
		      was.identification ?:
		      ipv6_select_ident(sn->net, &ipv6_hdr(skb)->daddr,
					&ipv6_hdr(skb)->saddr), &state);
	while (state.left > 0) {
		frag = ip6_frag_next(skb, &state);
		if (IS_ERR(frag))
			return PTR_ERR(frag);
		fh = (struct frag_hdr *)(frag->data + place->offset);
		if (state.left <= 0)
			fh->frag_off |= was.frag_off & htons(IP6_MF);
		fh->frag_off = htons(ntohs(fh->frag_off) +
				     (ntohs(was.frag_off) & IP6_OFFSET));
		/* The fragment's data begins at its network header. */
		err = shim6_path_push(frag, path, place);
		if (err) {
			kfree_skb(frag);
			return err;
		}
		shim6_count(sn, SHIM6_A_STATS_OUT_FRAGMENTS);
		/* A queue counts its drops itself. */
		if (shim6_filter_send(sn->net, sk, frag) < 0)
			break;
	}
	return 0;
}

/* Send one packet, which is not GSO, in fragments if it does not fit. */
static void shim6_send_one(struct shim6_net *sn, struct sock *sk,
			   struct sk_buff *skb, const struct shim6_path *path,
			   const struct shim6_place *place, u32 mtu)
{
	int err;

	if (skb->len > mtu) {
		err = shim6_fragment(sn, sk, skb, path, place, mtu);
		if (err)
			shim6_drop(sn, skb, err == -EMSGSIZE ?
					    SHIM6_A_STATS_OUT_TOO_BIG :
					    SHIM6_A_STATS_OUT_NO_MEMORY);
		else
			consume_skb(skb);
		return;
	}
	if (shim6_path_push(skb, path, place)) {
		shim6_drop(sn, skb, SHIM6_A_STATS_OUT_NO_MEMORY);
		return;
	}
	shim6_count_rehomed(sn, path);
	shim6_filter_send(sn->net, sk, skb);
}

/* Send a GSO packet as segments: no device below can be trusted to cut it. */
static unsigned int shim6_segment(struct shim6_net *sn, struct sock *sk,
				  struct sk_buff *skb,
				  const struct shim6_path *path, u32 mtu)
{
	struct sk_buff *segs, *seg, *next;
	struct shim6_place place;

	/* Pages stay where they are; only headers are made again. */
	segs = skb_gso_segment(skb, NETIF_F_SG | NETIF_F_HIGHDMA);
	if (IS_ERR_OR_NULL(segs))
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_NO_MEMORY,
					  -ENOMEM);
	skb_list_walk_safe(segs, seg, next) {
		skb_mark_not_on_list(seg);
		skb_reset_network_header(seg);
		if (!shim6_header_place(seg, &place)) {
			shim6_drop(sn, seg, SHIM6_A_STATS_OUT_NO_MEMORY);
			continue;
		}
		shim6_send_one(sn, sk, seg, path, &place, mtu);
	}
	consume_skb(skb);
	return NF_STOLEN;
}

/*
 * A packet does not fit into the path, though it did without our header. If the
 * sender can adapt and has just been told (@told), it sends less. Packets of all
 * other senders are cut. No sender believes less than 1280 octets (RFC 8201
 * section 4), so none is told that; packets of that length are cut as well.
 */
static unsigned int shim6_output_big(const struct shim6_context *ctx,
				     struct sock *sk, struct sk_buff *skb,
				     const struct shim6_path *path,
				     const struct shim6_place *place, u32 mtu,
				     bool told)
{
	struct shim6_net *sn = ctx->sn;

	if ((told && mtu >= IPV6_MIN_MTU) ||
	    (!skb_is_gso(skb) && !shim6_can_fragment(place, mtu)))
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_TOO_BIG,
					  -EMSGSIZE);
	shim6_octets_sent(ctx, skb, place->offset);
	if (skb_is_gso(skb))
		return shim6_segment(sn, sk, skb, path, mtu);
	shim6_send_one(sn, sk, skb, path, place, mtu);
	return NF_STOLEN;
}

/*
 * Is the link of a packet's route down, while a daemon is about to move the
 * context? The packet would wait three seconds for a neighbour that does not
 * answer, and TCP does not retransmit a packet that has not left. So it is better
 * lost at once.
 */
static inline bool shim6_output_stuck(const struct shim6_net *sn,
				      const struct sk_buff *skb)
{
	return !netif_carrier_ok(skb_dst(skb)->dev) && shim6_has_daemon(sn);
}

/* One packet with locators leaves. @asked: its cgroup's programs have run. */
static unsigned int shim6_output_last(struct net *net, struct sock *sk,
				      struct sk_buff *skb, bool asked)
{
	int err;

	if (asked)
		return shim6_nf_stolen(shim6_filter_send(net, NULL, skb));
	/* Our caller tells the sender what the device's queue says. */
	err = shim6_filter_locators(net, sk, skb);
	return err == 1 ? NF_ACCEPT : shim6_nf_stolen(err);
}

/* The route of a pair for a packet whose IPv6 header does not say where it ends. */
static noinline struct dst_entry *
shim6_output_route_by(struct shim6_net *sn, struct sk_buff *skb,
		      struct shim6_path *path)
{
	/* The look-up may move the packet's headers. */
	const struct in6_addr first = ipv6_hdr(skb)->daddr;

	return shim6_path_route(sn->net, skb, path, &first);
}

static unsigned int shim6_output_rehomed(const struct shim6_context *ctx,
					 struct sk_buff *skb, struct sock *sk,
					 struct shim6_path *path,
					 const struct shim6_place *place);

/* A header was removed from a packet, so that ours may go to another place. */
static noinline unsigned int
shim6_output_shorter(const struct shim6_context *ctx, struct sk_buff *skb,
		     struct sock *sk, struct shim6_path *path)
{
	struct shim6_place place;

	if (!shim6_header_place(skb, &place))
		return shim6_drop_verdict(ctx->sn, skb,
					  SHIM6_A_STATS_OUT_NO_MEMORY, -EINVAL);
	return shim6_output_rehomed(ctx, skb, sk, path, &place);
}

/* All filters have passed the packet with its ULIDs, except its cgroup's. */
static unsigned int shim6_output_rehomed(const struct shim6_context *ctx,
					 struct sk_buff *skb, struct sock *sk,
					 struct shim6_path *path,
					 const struct shim6_place *place)
{
	struct shim6_net *sn = ctx->sn;
	const struct shim6_encap *encap = shim6_path_encap(path);
	const bool udp = shim6_path_is_udp(path);
	struct sock *asked;
	struct dst_entry *dst;
	bool big, told;
	u32 mtu;
	int err;

	/*
	 * A jumbo option hides TCP's header; there is room for only one header
	 * before that.
	 */
	err = shim6_jumbo_remove(skb);
	if (unlikely(err > 0))
		return shim6_output_shorter(ctx, skb, sk, path);
	if (unlikely(err))
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_NO_MEMORY,
					  err);
	dst = unlikely(place->final) ?
		      shim6_output_route_by(sn, skb, path) :
		      shim6_path_route(sn->net, skb, path, NULL);
	/* With a daemon, which is about to repair it, the ULP need not know. */
	if (IS_ERR(dst))
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_NO_ROUTE,
					  shim6_has_daemon(sn) ?
						  0 : PTR_ERR(dst));
	/* The port was closed after the context got the pair. */
	if (unlikely(udp && !shim6_udp_port(sn))) {
		dst_release(dst);
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_NO_ROUTE,
					  shim6_has_daemon(sn) ?
						  0 : -ENETUNREACH);
	}
	err = shim6_filter_cgroup(sk, skb, dst->dev);
	asked = err ? NULL : sk;
	/*
	 * A packet that every IPv6 link takes needs no look at the route's MTU,
	 * unless IPsec adds to it.
	 */
	mtu = IPV6_MIN_MTU - encap->overhead;
	big = skb_is_gso(skb) || skb->len > mtu || dst_xfrm(dst);
	if (big) {
		mtu = dst_mtu(dst) - encap->overhead;
		big = !shim6_mtu_fits(skb, mtu);
	}
	told = big && err >= 0 && shim6_mtu_tell(sn, path, skb, dst);
	skb_dst_drop(skb);
	skb_dst_set(skb, dst);
	if (err < 0)
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_CGROUP,
					  err);
	if (shim6_output_stuck(sn, skb))
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_NO_ROUTE,
					  0);
	if (big && !shim6_mtu_shrink(skb, place, mtu))
		return shim6_output_big(ctx, asked, skb, path, place, mtu,
					told);
	shim6_octets_sent(ctx, skb, place->offset);
	if (skb_is_gso(skb) &&
	    (shim6_jumbo_foreign(skb) || !shim6_card_cuts(skb, udp)))
		return shim6_segment(sn, asked, skb, path, mtu);
	err = shim6_card_sums(skb, udp) ? 0 : shim6_checksum(skb);
	if (!err)
		err = shim6_path_push(skb, path, place);
	if (err)
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_NO_MEMORY,
					  err);
	shim6_count_rehomed(sn, path);
	return shim6_output_last(sn->net, sk, skb, asked != sk);
}

/* Where the header goes in a packet. False for a packet that is to be left alone. */
static bool shim6_output_parse(const struct shim6_net *sn,
			       const struct sk_buff *skb,
			       struct shim6_place *place)
{
	return shim6_header_place(skb, place) &&
	       place->nexthdr != SHIM6_IPPROTO &&
	       !shim6_is_udp_sent(sn, skb, place) &&
	       !shim6_is_neighbour_discovery(skb, place);
}

/*
 * POSTROUTING has passed a packet, and may have changed all of it. If it has other
 * addresses now (NAT), or its context has no path any more, it leaves as it is.
 */
static unsigned int shim6_output_passed(struct shim6_net *sn,
					struct sk_buff *skb, struct sock *sk)
{
	struct shim6_context *ctx = NULL;
	struct shim6_path *path = NULL;
	struct shim6_place place;
	struct shim6_ulids ulids;

	if (shim6_output_parse(sn, skb, &place) &&
	    shim6_sender_key(skb, &place, &ulids))
		ctx = shim6_context_by_ulids(sn, &ulids);
	if (ctx && READ_ONCE(ctx->state) >= SHIM6_CONTEXT_STATE_ESTABLISHED)
		path = rcu_dereference(ctx->path);
	/* As for shim6_output(): before a switch, payload between the ULIDs has no header. */
	if (path && path->home && !READ_ONCE(ctx->header))
		path = NULL;
	if (path)
		return shim6_output_rehomed(ctx, skb, sk, path, &place);
	IP6CB(skb)->flags |= IP6SKB_REROUTED;
	return NF_ACCEPT;
}

/*
 * Has POSTROUTING left a packet as it was, as it nearly always does? Then the
 * context that was found before is still the right one.
 */
static bool shim6_output_same(const struct sk_buff *skb,
			      const struct shim6_place *place,
			      const struct shim6_ulids *ulids)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);

	return place->prev == offsetof(struct ipv6hdr, nexthdr) &&
	       place->nexthdr == iph->nexthdr &&
	       ipv6_addr_equal(&ulids->local, &iph->saddr) &&
	       ipv6_addr_equal(&ulids->peer, &iph->daddr);
}

/*
 * May a packet leave by a path? A socket that has chosen its device keeps it. If
 * that device has no part in the pair, the packet stays on its ULIDs, as without
 * Shim6. Another packet stays there because a rule says so.
 */
static bool shim6_output_serves(struct shim6_net *sn, struct sk_buff *skb,
				const struct shim6_path *path,
				const struct shim6_ulids *ulids,
				const struct shim6_place *place)
{
	const int oif = shim6_filter_bound(skb);

	if (unlikely(oif) && !shim6_path_has_device(sn->net, skb, path, oif))
		return false;
	return !shim6_policy_may_bypass(&sn->policies, place->nexthdr) ||
	       !shim6_policy_bypassed(sn, skb, ulids, place);
}

/* A hook at POSTROUTING had held a packet back, and lets it go on now. */
static int shim6_output_later(struct net *net, struct sock *sk,
			      struct sk_buff *skb)
{
	unsigned int verdict;
	int err = 0;

	rcu_read_lock();
	verdict = shim6_output_passed(shim6_pernet(net), skb, sk);
	switch (verdict & NF_VERDICT_MASK) {
	case NF_ACCEPT:
		err = dst_output(net, sk, skb);
		break;
	case NF_DROP:
		kfree_skb(skb);
		break;
	}
	rcu_read_unlock();
	return err;
}

/*
 * A packet of an established context leaves with its ULIDs and without our header.
 * @at: where the header would go.
 */
static inline unsigned int shim6_output_ulids(struct shim6_net *sn,
					      struct sk_buff *skb,
					      struct shim6_context *ctx,
					      unsigned int at)
{
	shim6_reap_sent(ctx, skb);
	if (unlikely(shim6_output_stuck(sn, skb)))
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_NO_ROUTE,
					  0);
	shim6_count(sn, SHIM6_A_STATS_OUT_ULID);
	shim6_octets_sent(ctx, skb, at);
	return NF_ACCEPT;
}

/* A packet of a context leaves. @place: where the header would go. */
static inline unsigned int
shim6_output_context(struct shim6_net *sn, struct sk_buff *skb,
		     const struct nf_hook_state *state,
		     struct shim6_context *ctx,
		     const struct shim6_place *place)
{
	struct shim6_path *path;
	int passed;

	/* Only from here on CT(peer) and Ls(peer) are set (section 11). */
	if (READ_ONCE(ctx->state) < SHIM6_CONTEXT_STATE_ESTABLISHED)
		return NF_ACCEPT;
	path = rcu_dereference(ctx->path);
	if (!path || path->home)
		path = READ_ONCE(ctx->header) ? shim6_home_path(ctx, path) :
						NULL;
	if (!path)
		return shim6_output_ulids(sn, skb, ctx, place->offset);
	if (!shim6_output_serves(sn, skb, path, &ctx->ulids, place)) {
		shim6_count(sn, SHIM6_A_STATS_OUT_BYPASSED);
		return NF_ACCEPT;
	}
	shim6_reap_sent(ctx, skb);
	passed = shim6_filter_ulids(state->net, state->sk, skb,
				    shim6_output_later);
	if (passed <= 0)
		return shim6_nf_stolen(passed);
	if (passed == 1 && !shim6_output_same(skb, place, &ctx->ulids))
		return shim6_output_passed(sn, skb, state->sk);
	return shim6_output_rehomed(ctx, skb, state->sk, path, place);
}

/* Where the header goes before UDP and TCP, if there is nothing else before them. */
static const struct shim6_place shim6_output_places[] = {
	{
		.offset = sizeof(struct ipv6hdr),
		.prev = offsetof(struct ipv6hdr, nexthdr),
		.nexthdr = IPPROTO_UDP,
	},
	{
		.offset = sizeof(struct ipv6hdr),
		.prev = offsetof(struct ipv6hdr, nexthdr),
		.nexthdr = IPPROTO_TCP,
	},
};

/* Where the header goes in a packet for which shim6_header_is_simple() is true. */
static inline const struct shim6_place *
shim6_output_place(const struct sk_buff *skb)
{
	return &shim6_output_places[ipv6_hdr(skb)->nexthdr == IPPROTO_TCP];
}

/* The context is known, and its header would go right behind the IPv6 header. */
static noinline unsigned int
shim6_output_simple(struct shim6_net *sn, struct sk_buff *skb,
		    const struct nf_hook_state *state,
		    struct shim6_context *ctx)
{
	return shim6_output_context(sn, skb, state, ctx,
				    shim6_output_place(skb));
}

/* This CPU does not remember the context, if there is one. */
static noinline unsigned int
shim6_output_search(struct shim6_net *sn, struct sk_buff *skb,
		    const struct nf_hook_state *state,
		    const struct shim6_place *place)
{
	struct shim6_ulids ulids;
	struct shim6_context *ctx;

	if (ipv6_addr_is_multicast(&ipv6_hdr(skb)->daddr) ||
	    !shim6_sender_key(skb, place, &ulids))
		return NF_ACCEPT;
	ctx = shim6_recent_search(sn, &ulids);
	if (!ctx) {
		shim6_flow_out(state->net, sn, skb, &ulids, place);
		return NF_ACCEPT;
	}
	return shim6_output_context(sn, skb, state, ctx, place);
}

/* The packet is of any kind. */
static noinline unsigned int
shim6_output_any(struct shim6_net *sn, struct sk_buff *skb,
		 const struct nf_hook_state *state)
{
	struct shim6_place place;

	if (!shim6_output_parse(sn, skb, &place))
		return NF_ACCEPT;
	return shim6_output_search(sn, skb, state, &place);
}

/* The socket of a packet has asked not to be served (RFC 6316 section 6.2). */
static noinline unsigned int shim6_output_unwanted(struct shim6_net *sn,
						   const struct sk_buff *skb)
{
	struct shim6_ulids ulids;
	struct shim6_place place;

	if (shim6_output_parse(sn, skb, &place) &&
	    shim6_sender_key(skb, &place, &ulids) &&
	    shim6_context_by_ulids(sn, &ulids))
		shim6_count(sn, SHIM6_A_STATS_OUT_BYPASSED);
	return NF_ACCEPT;
}

/**
 * shim6_output - the hook at LOCAL_OUT
 * @priv: the namespace's state
 * @skb: a packet that this host sends; data is at the IPv6 header
 * @state: of the hook
 *
 * Nearly all packets are TCP or UDP, of a context that this CPU remembers and that
 * is on its ULIDs. They are seen to here, and all else is done elsewhere.
 *
 * Return: NF_ACCEPT, with the packet changed or not, or another verdict.
 */
unsigned int shim6_output(void *priv, struct sk_buff *skb,
			  const struct nf_hook_state *state)
{
	const struct dst_entry *dst = skb_dst(skb);
	struct shim6_net *sn = priv;
	struct shim6_context *ctx;

	if (!dst || dst_xfrm(dst) || (dst->dev->flags & IFF_LOOPBACK) ||
	    !shim6_filter_served(dst->dev))
		return NF_ACCEPT;
	if (shim6_sock_dontshim(state->sk))
		return shim6_output_unwanted(sn, skb);
	if (!shim6_header_is_simple(skb, shim6_udp_port(sn)))
		return shim6_output_any(sn, skb, state);
	ctx = shim6_recent_find(sn, &ipv6_hdr(skb)->saddr,
				&ipv6_hdr(skb)->daddr,
				shim6_sender_fii(skb->sk));
	if (!ctx)
		return shim6_output_search(sn, skb, state,
					   shim6_output_place(skb));
	if (READ_ONCE(ctx->state) != SHIM6_CONTEXT_STATE_ESTABLISHED ||
	    rcu_access_pointer(ctx->path) || READ_ONCE(ctx->header))
		return shim6_output_simple(sn, skb, state, ctx);
	return shim6_output_ulids(sn, skb, ctx, sizeof(struct ipv6hdr));
}
